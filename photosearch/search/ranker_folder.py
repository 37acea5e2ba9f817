"""The ranker on disk: as it was trained in a home, and as a release carries it.

ranker.json         what it was made for and the units of its trees
trees.txt           the trees where a photo asks alone, in LightGBM's text format
verdict.json        whether they rank better than no ranker; see training/ranker_trial.py
words.txt           the trees where a photo and words ask
words_verdict.json  whether these rank better than none
popularity.parquet  how often cards are clicked
short.npy           short vectors of the photos, fp16; short.json names the photos

A release carries the trees that are better than none, and short vectors in place of verdicts.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.errors import BadArtifact
from photosearch.index.id_rows import IdRows
from photosearch.report import save_report, write_text
from photosearch.search.boosted_ranker import (
    BoostedRanker,
    RankerManifest,
    Rankers,
    ShortVectors,
    trees_of,
)
from photosearch.search.features import FEATURES
from photosearch.search.popularity import CardClicks, popularity

MANIFEST, CLICKS = "ranker.json", "popularity.parquet"
TREES, WORDS = "trees.txt", "words.txt"
VERDICT, WORDS_VERDICT = "verdict.json", "words_verdict.json"
VERDICT_ON = {TREES: VERDICT, WORDS: WORDS_VERDICT}
SHORT, SHORT_PHOTOS = "short.npy", "short.json"


def save_ranker(
    folder: Path,
    manifest: RankerManifest,
    *,
    trees: Mapping[str, str],
    clicks: Sequence[CardClicks],
) -> None:
    """Writes a trained ranker; the short vectors come with a release, see `write_ranker`.

    Args:
        folder: Files of trees that are not given are deleted.
        manifest: Of all its trees.
        trees: By the name of their file: TREES, WORDS.
        clicks: How often cards are clicked.
    """
    for name in VERDICT_ON:
        if name in trees:
            write_text(folder / name, trees[name])
        else:
            (folder / name).unlink(missing_ok=True)
    write_table(folder / CLICKS, CardClicks, clicks)
    save_report(folder / MANIFEST, manifest)


def write_ranker(
    folder: Path,
    trained: Path,
    trees: Sequence[str],
    *,
    photo_ids: Sequence[str],
    vectors: Vectors,
) -> None:
    """Adds a trained ranker to a release that is being made, with short vectors of its photos.

    Args:
        folder: Gets the files.
        trained: What `save_ranker` wrote.
        trees: Those that are used, by the names of their files.
        photo_ids: The photos in the index.
        vectors: Theirs, (n_photos, dim), by the model the ranker was trained for.
    """
    manifest = read_manifest(trained)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*trees, CLICKS):
        (folder / name).write_bytes((trained / name).read_bytes())
    np.save(folder / SHORT, shorten(vectors, manifest.short_length).astype(np.float16))
    write_text(folder / SHORT_PHOTOS, json.dumps(list(photo_ids), ensure_ascii=False))
    save_report(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> RankerManifest:
    """Reads ranker.json; raises BadArtifact if it is damaged or of other features."""
    try:
        manifest = RankerManifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} is not a ranker ({error}). Run `photosearch ranker` to train one."
        ) from None
    if tuple(manifest.features) != FEATURES:
        raise BadArtifact(
            f"The ranker in {folder} was trained on {len(manifest.features)} features, this "
            f"version makes {len(FEATURES)} others. Run `photosearch ranker` to train it again."
        )
    return manifest


def ranker_id(trained: Path, trees: Sequence[str]) -> str:
    """Equal rankers have equal ids: a release of another one is another release."""
    digest = hashlib.sha256()
    for name in (MANIFEST, *trees, CLICKS):
        digest.update((trained / name).read_bytes())
    return digest.hexdigest()[:12]


def better_trees(trained: Path) -> list[str]:
    """Files of the trees that their trials found better than none.

    Raises:
        BadArtifact: A verdict is damaged.
    """
    return [
        name
        for name, verdict in VERDICT_ON.items()
        if (trained / verdict).exists() and _is_better(trained / verdict)
    ]


def _is_better(verdict: Path) -> bool:
    try:
        return bool(json.loads(verdict.read_text())["is_better"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{verdict} is not a verdict ({error}). Run `photosearch ranker` again."
        ) from None


def open_rankers(folder: Path, *, model_id: str) -> Rankers:
    """Opens what ranks the searches of a release.

    Raises:
        BadArtifact: It is incomplete, or was trained on another model's cosines.
    """
    manifest = read_manifest(folder)
    if manifest.model_id != model_id:
        raise BadArtifact(
            f"The ranker in {folder} was trained on model {manifest.model_id}, the release has "
            f"{model_id}. Run `photosearch ranker`, then `photosearch release`."
        )
    try:
        photo_ids = json.loads((folder / SHORT_PHOTOS).read_text())
        vectors = np.asarray(np.load(folder / SHORT, mmap_mode="r"))
        trees = {
            name: trees_of((folder / name).read_text())
            for name in VERDICT_ON
            if (folder / name).exists()
        }
        if not trees:
            raise FileNotFoundError(f"neither {' nor '.join(VERDICT_ON)} is there")
    except Exception as error:  # LightGBM raises an error of its own for a damaged file
        raise BadArtifact(
            f"The ranker in {folder} cannot be read ({error}). Run `photosearch release`."
        ) from None
    short = ShortVectors(IdRows(photo_ids), vectors)
    popular = popularity(read_rows(folder / CLICKS, CardClicks))
    rankers = {name: BoostedRanker(manifest, one, popular, short) for name, one in trees.items()}
    return Rankers(rankers.get(TREES), rankers.get(WORDS))
