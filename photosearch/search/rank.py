"""Puts found cards in order; knows nothing of how they were found."""

from collections.abc import Sequence
from dataclasses import replace

from photosearch.search.candidates import EXACT_COSINE, EXACT_SCORE
from photosearch.search.schemas import FoundCard

BELOW_EXACT = EXACT_SCORE - 0.01
"""No card that is not the query itself gets a score above this."""


def best_first(found: Sequence[FoundCard]) -> list[FoundCard]:
    """By score, highest first; equal scores by cosine, then card_id."""
    return sorted(found, key=lambda card: (-card.score, -card.cosine, card.facts.card_id))


def raised(card: FoundCard, by: float) -> FoundCard:
    """The card with a higher or lower score; a card of the query photo itself stays first."""
    if card.cosine >= EXACT_COSINE:
        return card
    return replace(card, score=min(card.score + by, BELOW_EXACT))
