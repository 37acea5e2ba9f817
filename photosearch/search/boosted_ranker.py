"""Ranks found cards with boosted trees that start from the order of the evidence; needs no torch.

The trees move a card's score up or down; without trees nothing moves. Scores keep the units of
cosines, so that later steps weigh the same whether the ranker is on or off.

ranker.json         what it was made for and the units of its trees
verdict.json        whether it ranks better than no ranker; see training/ranker_trial.py
trees.txt           the trees, in LightGBM's text format
popularity.parquet  how often cards are clicked
short.npy           short vectors of the photos, fp16; short.json names the photos
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from lightgbm import Booster
from numpy.typing import NDArray

from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.errors import BadArtifact
from photosearch.evaluation.calibration import SameProbability
from photosearch.index.vector_index import Hit
from photosearch.report import save_report, write_text
from photosearch.search.features import FEATURES, Evidence, Features, card_features
from photosearch.search.found import FoundCard
from photosearch.search.popularity import CardClicks, Popularity, popularity
from photosearch.search.query import Query
from photosearch.search.rank import best_first, raised
from photosearch.search.schemas import Reason

MANIFEST, TREES, CLICKS = "ranker.json", "trees.txt", "popularity.parquet"
VERDICT = "verdict.json"
SHORT, SHORT_PHOTOS = "short.npy", "short.json"
REASONS_MOST = 5
"""Told of a card, the strongest."""


@dataclass(frozen=True, slots=True)
class RankerManifest:
    model_id: str
    """The model whose cosines it was trained on."""
    features: list[str]
    slope: float
    """Of the curve from cosine to probability; also how many units of the trees make a cosine."""
    intercept: float
    cards_most: int
    """Cards it ranks, best first; those after them stay behind."""
    short_length: int

    @property
    def curve(self) -> SameProbability:
        return SameProbability(self.slope, self.intercept)


@dataclass(frozen=True, slots=True)
class ShortVectors:
    """The second, short vector of each photo of the index."""

    row_of: dict[str, int]
    vectors: NDArray[np.float16]
    """(n_photos, length), unit length; may be a memory map."""

    def cosines(self, vector: Vectors, hits: Sequence[Hit]) -> dict[str, float]:
        """Cosines to the query's vector, (dim,), by photo_id; photos it does not know left out."""
        rows = {hit.photo_id: self.row_of.get(hit.photo_id) for hit in hits}
        known = {photo_id: row for photo_id, row in rows.items() if row is not None}
        stored = self.vectors[list(known.values())].astype(np.float32)
        asked = shorten(vector[None], self.vectors.shape[1])[0]
        return dict(zip(known, (stored @ asked).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class BoostedRanker:
    """A step of the search; loaded once, shared by threads."""

    manifest: RankerManifest
    trees: Booster
    popular: Popularity
    short: ShortVectors

    def evidence(
        self, vector: Vectors, hits: Sequence[Hit], *, text: str = "",
        text_scores: dict[str, float] | None = None,
    ) -> Evidence:  # fmt: skip
        """What it looks at beside the found cards; `vector`: (dim,), the one searched with."""
        return Evidence(hits, self.short.cosines(vector, hits), text, text_scores or {})

    def features(self, found: Sequence[FoundCard], evidence: Evidence) -> Features:
        """The table of an answer, (n_cards, n_features)."""
        return card_features(found, evidence, self.popular, self.manifest.curve)

    def moves(self, table: Features) -> NDArray[np.float64]:
        """How far each row of a table moves its card's score, (n_cards,)."""
        moved = self.trees.predict(table, raw_score=True, num_threads=1)
        return np.asarray(moved) / self.manifest.slope

    def rank(
        self, found: Sequence[FoundCard], evidence: Evidence, *, explain: bool = False
    ) -> list[FoundCard]:
        """The same cards with new scores and their features, best first.

        Cards of the query photo itself keep their score, and the cards after the first
        `cards_most` keep their order behind the others.
        """
        ordered = best_first(found)
        ranked, rest = ordered[: self.manifest.cards_most], ordered[self.manifest.cards_most :]
        if not ranked:
            return []
        table = self.features(ranked, evidence)
        moved = self.moves(table)
        made = [
            replace(raised(card, float(by)), features=row)
            for card, by, row in zip(ranked, moved, table, strict=True)
        ]
        if explain:
            made = self._explained(made, table)
        made = best_first(made)
        floor = made[-1].score
        return made + [replace(card, score=min(card.score, floor)) for card in rest]

    def _explained(self, cards: Sequence[FoundCard], table: Features) -> list[FoundCard]:
        """Adds what each feature moved, in units of the score.

        Source: Lundberg et al. 2020, "From local explanations to global understanding with
        explainable AI for trees": they sum up to the move, but for a constant of all cards.
        """
        shares = np.asarray(self.trees.predict(table, pred_contrib=True, num_threads=1))
        shares = shares / self.manifest.slope
        explained = []
        for card, moved in zip(cards, shares[:, : len(FEATURES)], strict=True):
            strongest = np.argsort(-np.abs(moved), kind="stable")[:REASONS_MOST]
            reasons = tuple(
                Reason(step="rank", what=FEATURES[n], value=round(float(moved[n]), 4))
                for n in strongest.tolist()
                if moved[n]
            )
            explained.append(replace(card, reasons=card.reasons + reasons))
        return explained


def rank_by_photo(
    ranker: BoostedRanker, dim: int
) -> Callable[[Sequence[FoundCard], Query], list[FoundCard]]:
    """The step of the search: cards that a photo alone found are ranked, others keep their order.

    It learned from photos alone: where words or likes take part, scores mean something else.
    """

    def rank(found: Sequence[FoundCard], query: Query) -> list[FoundCard]:
        if query.vector is None or not query.is_photo_alone:
            return best_first(found)
        evidence = ranker.evidence(shorten(query.vector, dim), query.hits)
        return ranker.rank(found, evidence, explain=query.request.explain)

    return rank


def save_ranker(
    folder: Path, manifest: RankerManifest, *, trees: str, clicks: Sequence[CardClicks]
) -> None:
    """Writes a trained ranker; the short vectors come with a release, see `write_ranker`."""
    write_text(folder / TREES, trees)
    write_table(folder / CLICKS, CardClicks, clicks)
    save_report(folder / MANIFEST, manifest)


def write_ranker(
    folder: Path, trained: Path, *, photo_ids: Sequence[str], vectors: Vectors
) -> None:
    """Adds a trained ranker to a release that is being made, with short vectors of its photos.

    Args:
        folder: Gets the files.
        trained: What `save_ranker` wrote.
        photo_ids: The photos in the index.
        vectors: Theirs, (n_photos, dim), by the model the ranker was trained for.
    """
    manifest = read_manifest(trained)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (TREES, CLICKS):
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


def ranker_id(trained: Path) -> str:
    """Equal rankers have equal ids: a release of another one is another release."""
    digest = hashlib.sha256()
    for name in (MANIFEST, TREES, CLICKS):
        digest.update((trained / name).read_bytes())
    return digest.hexdigest()[:12]


def is_better(trained: Path) -> bool:
    """Whether the trial found a trained ranker better than none; raises BadArtifact if damaged."""
    try:
        return bool(json.loads((trained / VERDICT).read_text())["is_better"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{trained / VERDICT} is not a verdict ({error}). Run `photosearch ranker` again."
        ) from None


def open_ranker(folder: Path, *, model_id: str) -> BoostedRanker:
    """Opens the ranker of a release.

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
        trees = Booster(model_str=(folder / TREES).read_text())
    except Exception as error:  # LightGBM raises an error of its own for a damaged file
        raise BadArtifact(
            f"The ranker in {folder} cannot be read ({error}). Run `photosearch release`."
        ) from None
    short = ShortVectors({photo_id: row for row, photo_id in enumerate(photo_ids)}, vectors)
    return BoostedRanker(manifest, trees, popularity(read_rows(folder / CLICKS, CardClicks)), short)
