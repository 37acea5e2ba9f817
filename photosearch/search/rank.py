"""Puts found cards in order; knows nothing of how they were found."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from photosearch.evaluation.calibration import SameProbability
from photosearch.search.candidates import EXACT_COSINE, EXACT_SCORE
from photosearch.search.features import Evidence, card_features
from photosearch.search.popularity import Popularity
from photosearch.search.query import Query
from photosearch.search.schemas import FoundCard

BELOW_EXACT = EXACT_SCORE - 0.01
"""No card that is not the query itself gets a score above this."""
UNKNOWN = Popularity({}, math.nan)


def best_first(found: Sequence[FoundCard]) -> list[FoundCard]:
    """By score, highest first; equal scores by cosine, then card_id."""
    return sorted(found, key=lambda card: (-card.score, -card.cosine, card.facts.card_id))


def raised(card: FoundCard, by: float) -> FoundCard:
    """The card with a higher or lower score; a card of the query photo itself stays first."""
    if card.cosine >= EXACT_COSINE:
        return card
    return replace(card, score=min(card.score + by, BELOW_EXACT))


def rank_by_evidence(
    curve: SameProbability | None,
) -> Callable[[Sequence[FoundCard], Query], list[FoundCard]]:
    """The step of a release without a ranker: the order of the evidence.

    Cards that a photo alone found get their features all the same: clicks on them can teach.

    Args:
        curve: From cosine to the probability of the same product; None where nobody knows it.
    """

    def rank(found: Sequence[FoundCard], query: Query) -> list[FoundCard]:
        ordered = best_first(found)
        if not query.is_photo_alone:
            return ordered
        table = card_features(ordered, Evidence(query.hits), UNKNOWN, curve)
        return [replace(card, features=row) for card, row in zip(ordered, table, strict=True)]

    return rank
