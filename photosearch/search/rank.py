"""Puts found cards in order; knows nothing of how they were found."""

from collections.abc import Sequence

from photosearch.search.schemas import FoundCard, RankedCard


def rank_by_score(found: Sequence[FoundCard], limit: int) -> list[RankedCard]:
    """The `limit` cards of the highest score, best first; equal scores by cosine, then card_id."""
    ordered = sorted(found, key=lambda card: (-card.score, -card.cosine, card.facts.card_id))
    return [
        RankedCard(
            card=card.facts,
            rank=rank,
            score=card.score,
            cosine=card.cosine,
            matched_photo_id=card.photo_id,
        )
        for rank, card in enumerate(ordered[:limit], start=1)
    ]
