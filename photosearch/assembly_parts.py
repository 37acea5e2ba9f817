"""Where settings become what a release carries beside model and index: words, eyes, tags, rules."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from photosearch.assembly_late import token_writer
from photosearch.assembly_perception import seeing_of
from photosearch.catalog.schemas import Card, CuratedPhoto, Review
from photosearch.catalog.tables import read_rows, read_table
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.embedding.model import read_model
from photosearch.errors import BadParams, HomeNotReady
from photosearch.home import Home
from photosearch.index.vector_index import VectorIndex
from photosearch.release import CARDS, PHOTOS, RANKER, TAGS
from photosearch.search.card_texts import REVIEWS, TEXT, change_text_search, write_text_search
from photosearch.search.learned_order import save_online
from photosearch.search.learned_texts import read_learned, with_closed_form
from photosearch.search.moderation import OFF, flagged, write_moderation
from photosearch.search.policies import save_policies
from photosearch.search.ranker_folder import (
    VERDICT,
    better_trees,
    ranker_id,
    read_manifest,
    write_ranker,
)
from photosearch.search.release_recipe import Part
from photosearch.search.seeing import write_seeing
from photosearch.search.thumbnails import link_or_copy
from photosearch.settings import Settings
from photosearch.tagging.vocabulary import write_tags

Batches = Iterator[tuple[Sequence[str], Sequence[str], Vectors]]
"""Photo ids, card ids, vectors (n, dim)."""


def parts_of_release(settings: Settings, model: Path) -> tuple[Part, ...]:
    """The parts that a release of a model gets; those that nothing was made for are left out.

    Raises:
        BadArtifact: Something that was made for one is damaged, or of another model.
        BadParams: Two settings contradict each other.
    """
    model_id = read_model(model).model_id
    found = (
        _words(settings, model_id),
        _eyes(settings),
        _tags(settings, model_id),
        _rules(settings, model_id),
        _ranker(settings, model_id),
        _clicks(settings),
        _tokens(settings, model),
    )
    return tuple(part for part in found if part is not None)


def _words(settings: Settings, model_id: str) -> Part:
    home, params = settings.home, settings.params
    ridge = params.text.aligner.ridge

    def write(folder: Path, index: VectorIndex, before: Path | None) -> None:
        table = read_table(home.catalog / "reviews.parquet", Review)
        reviews = zip(table["card_id"].to_pylist(), table["text"].to_pylist(), strict=True)
        if before is not None and (before / TEXT / REVIEWS).exists():  # older releases lack it
            change_text_search(folder, before, reviews)
            return
        cards = read_rows(folder / CARDS, Card)
        learned = read_learned(home.text, model_id=model_id)
        learned = with_closed_form(learned, cards, index, model_id=model_id, ridge=ridge)
        write_text_search(folder, cards, reviews, learned=learned, params=params.text_search)

    return Part("text", _digest(params.text_search, params.text, *_files(home.text)), write)


def _eyes(settings: Settings) -> Part:
    params = settings.params
    seeing, graph = seeing_of(params.detector, params.ocr, settings.home)
    return Part("seeing", seeing.id, lambda folder, *_: write_seeing(folder, seeing, graph=graph))


def _tags(settings: Settings, model_id: str) -> Part | None:
    home, params = settings.home, settings.params.tags
    if not home.tags.exists():
        _require_never_made(home, home.tags)
        return None

    def write(folder: Path, index: VectorIndex, before: Path | None) -> None:
        if before is not None:  # the same tags; their vectors are means of many photos
            shutil.copytree(before / TAGS, folder / TAGS, copy_function=link_or_copy)
            return
        write_tags(folder / TAGS, home.tags, _photos(index), model_id=model_id, params=params)

    return Part("tags", _digest(params, *_files(home.tags)), write)


def _require_never_made(home: Home, made: Path) -> None:
    """Raises HomeNotReady where a stage that was cut off has removed what it had made before."""
    name, lock = made.relative_to(home.root).as_posix(), home.root / "dvc.lock"
    if lock.exists() and f"path: {name}\n" in lock.read_text():
        raise HomeNotReady(
            f"{made} is gone: a run was cut off while it was made anew, and a release would go "
            "without it. Run `photosearch build`."
        )


def _rules(settings: Settings, model_id: str) -> Part:
    policies = settings.params.policies
    margins = policies.moderation.model_dump()

    def embed_texts(texts: Sequence[str]) -> Vectors:
        from photosearch.assembly_text import open_text_encoder
        from photosearch.embedding.aligner import read_aligner

        aligner = read_aligner(settings.home.text, model_id=model_id)
        return shorten(aligner.align(open_text_encoder(settings)(texts)), settings.params.index.dim)

    if min(margins.values()) < OFF and not settings.home.text.exists():
        raise BadParams(
            "policies.moderation compares photos with texts, and nothing brings texts to this "
            "model's photos. Run `photosearch text`, or set the margins to 2 in params.yaml."
        )

    def write(folder: Path, index: VectorIndex, _: Path | None) -> None:
        write_moderation(folder, flagged(_photos(index), margins, embed_texts))
        save_policies(folder, policies)

    return Part("rules", _digest(policies, *_files(settings.home.text)), write)


def trees_to_release(settings: Settings, model_id: str) -> list[str]:
    """Trees of the trained ranker that ranked better than none, if it is wanted and of this model.

    Raises:
        BadArtifact: It is damaged.
    """
    trained = settings.home.ranker
    if not settings.params.ranking.ranker.use or not (trained / VERDICT).exists():
        return []
    return better_trees(trained) if read_manifest(trained).model_id == model_id else []


def _ranker(settings: Settings, model_id: str) -> Part | None:
    trained, trees = settings.home.ranker, trees_to_release(settings, model_id)
    if not trees:
        return None

    def write(folder: Path, index: VectorIndex, _: Path | None) -> None:
        photo_ids: list[str] = []
        short: list[Vectors] = []
        length = read_manifest(trained).short_length
        for some, _listings, vectors in index.scroll():
            photo_ids += some
            short.append(shorten(vectors, length))
        vectors = np.concatenate(short)
        write_ranker(folder / RANKER, trained, trees, photo_ids=photo_ids, vectors=vectors)

    return Part("ranker", ranker_id(trained, trees), write)


def _clicks(settings: Settings) -> Part | None:
    online = settings.params.ranking.online
    if not online.use:
        return None
    return Part("online", _digest(online), lambda folder, *_: save_online(folder, online))


def _tokens(settings: Settings, model: Path) -> Part | None:
    writer = token_writer(settings, model)
    if writer is None:
        return None

    def write(folder: Path, *_: object) -> None:
        writer(folder, read_rows(folder / PHOTOS, CuratedPhoto))

    late = settings.params.late_interaction
    return Part("photo_tokens", _digest(late, *_files(settings.home.late)), write)


def _photos(index: VectorIndex) -> Batches:
    """What an index holds."""
    for photo_ids, listings, vectors in index.scroll():
        yield photo_ids, [listing.card_id for listing in listings], vectors


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(*made_of: BaseModel | Path) -> str:
    """12 hex digits of settings and contents of files."""
    digest = hashlib.sha256()
    for one in made_of:
        if isinstance(one, Path):
            digest.update(f"\0{one.name}\0".encode() + one.read_bytes())
        else:
            digest.update(one.model_dump_json().encode())
    return digest.hexdigest()[:12]
