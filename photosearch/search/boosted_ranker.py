"""Ranks found cards with boosted trees that start from the order of the evidence; needs no torch.

The trees move a card's score up or down; without trees nothing moves. Scores keep the units of
cosines, so that later steps weigh the same whether the ranker is on or off. Beside words a photo
means something else, so other trees rank what both have found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from lightgbm import Booster
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors, shorten
from photosearch.evaluation.calibration import SameProbability
from photosearch.index.id_rows import UNKNOWN, IdRows
from photosearch.index.vector_index import Hit
from photosearch.search.features import FEATURES, Evidence, Features, card_features
from photosearch.search.found import FoundCard
from photosearch.search.popularity import Popularity
from photosearch.search.query import Query
from photosearch.search.rank import best_first, raised, rank_by_evidence
from photosearch.search.schemas import Reason
from photosearch.search.steps import Step
from photosearch.search.tag_overlap import overlaps_of
from photosearch.tagging.tag_index import Carried

REASONS_MOST = 5
"""Told of a card, the strongest."""


def trees_of(text: str) -> Booster:
    """Trees in LightGBM's text format; raises LightGBMError where it is not whole."""
    return Booster(model_str=text)


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

    photos: IdRows
    vectors: NDArray[np.float16]
    """(n_photos, length), unit length; may be a memory map."""

    def cosines(self, vector: Vectors, hits: Sequence[Hit]) -> dict[str, float]:
        """Cosines to the query's vector, (dim,), by photo_id; photos it does not know left out."""
        photo_ids = [hit.photo_id for hit in hits]
        rows = self.photos.rows(photo_ids)
        known = compress(photo_ids, rows != UNKNOWN)
        stored = self.vectors[rows[rows != UNKNOWN]].astype(np.float32)
        asked = shorten(vector[None], self.vectors.shape[1])[0]
        return dict(zip(known, (stored @ asked).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class BoostedRanker:
    """A step of the search; loaded once, shared by threads."""

    manifest: RankerManifest
    trees: Booster
    popular: Popularity
    short: ShortVectors

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
        `cards_most` keep their order behind the others. Beside words no features are told on:
        who learns from clicks knows photos alone.
        """
        ordered = best_first(found)
        ranked, rest = ordered[: self.manifest.cards_most], ordered[self.manifest.cards_most :]
        if not ranked:
            return []
        table = self.features(ranked, evidence)
        moved = self.moves(table)
        rows = list(table) if evidence.text_scores is None else [None] * len(ranked)
        made = [
            card._replace(score=raised(card, by), features=row)
            for card, by, row in zip(ranked, moved.tolist(), rows, strict=True)
        ]
        if explain:
            made = self._explained(made, table)
        made = best_first(made)
        floor = made[-1].score
        return made + [card if card.score <= floor else card._replace(score=floor) for card in rest]

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
            explained.append(card._replace(reasons=card.reasons + reasons))
        return explained


@dataclass(frozen=True, slots=True)
class Rankers:
    """Those of a release, over the same facts; None where one did not rank better than none."""

    alone: BoostedRanker | None
    """Where a photo asks alone."""
    with_words: BoostedRanker | None
    """Where a photo and words ask."""


def rank_by_photo(rankers: Rankers, dim: int, tags: Carried | None) -> Step:
    """The step of the search: cards that a photo found are ranked, with words or without.

    Where words ask alone or likes take part, scores mean something else: nobody learned from such.

    Args:
        rankers: Of the release.
        dim: Vector length of its index.
        tags: Of its cards, where it has any.
    """
    plain = rank_by_evidence(tags)

    def rank(found: Sequence[FoundCard], query: Query) -> Sequence[FoundCard]:
        asked = query.request
        ranker = rankers.with_words if asked.text else rankers.alone
        if ranker is None or query.vector is None or asked.liked or asked.disliked:
            return plain(found, query)
        evidence = Evidence(
            query.hits,
            ranker.short.cosines(shorten(query.vector, dim), query.hits),
            {} if tags is None else overlaps_of(found, query.hits, tags),
            query.text_scores,
        )
        return ranker.rank(found, evidence, explain=asked.explain)

    return rank
