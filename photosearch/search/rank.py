"""Puts found cards in order; knows nothing of how they were found."""

import math
from collections.abc import Sequence

from photosearch.search.candidates import EXACT_COSINE, EXACT_SCORE
from photosearch.search.features import Evidence, card_features
from photosearch.search.found import FoundCard
from photosearch.search.popularity import Popularity
from photosearch.search.query import Query
from photosearch.search.steps import Step
from photosearch.search.tag_overlap import overlaps_of
from photosearch.tagging.tag_index import Carried

BELOW_EXACT = EXACT_SCORE - 0.01
"""No card that is not the query itself gets a score above this."""
UNKNOWN = Popularity({}, math.nan)


def best_first(found: Sequence[FoundCard]) -> list[FoundCard]:
    """By score, highest first; equal scores by cosine, then card_id."""
    return sorted(found, key=lambda card: (-card.score, -card.cosine, card.traits.card_id))


def raised(card: FoundCard, by: float) -> float:
    """The card's score, higher or lower; one of the query photo itself keeps its own.

    That is the first place where the photo asks alone.
    """
    return card.score if card.cosine >= EXACT_COSINE else min(card.score + by, BELOW_EXACT)


def rank_by_evidence(tags: Carried | None) -> Step:
    """The step of a release without a ranker: the order of the evidence.

    Cards that a photo alone found get their features all the same, but for the probability by
    their cosine, which a ranker alone knows: clicks on them can teach.

    Args:
        tags: Of the release's cards, where it has any.
    """

    def rank(found: Sequence[FoundCard], query: Query) -> list[FoundCard]:
        ordered = best_first(found)
        if not query.is_photo_alone:
            return ordered
        overlaps = {} if tags is None else overlaps_of(ordered, query.hits, tags)
        evidence = Evidence(query.hits, tag_overlaps=overlaps)
        table = card_features(ordered, evidence, UNKNOWN, None)
        return [card._replace(features=row) for card, row in zip(ordered, table, strict=True)]

    return rank
