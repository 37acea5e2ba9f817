"""Puts found cards in order; knows nothing of how they were found."""

from collections.abc import Sequence

from photosearch.search.schemas import FoundCard


def rank_by_score(found: Sequence[FoundCard]) -> list[FoundCard]:
    """The cards of the highest score first; equal scores by cosine, then card_id."""
    return sorted(found, key=lambda card: (-card.score, -card.cosine, card.facts.card_id))
