"""From near photos to cards: a card is scored by all its photos among the nearest."""

import math
from collections.abc import Sequence

from photosearch.index.filters import CardFilter
from photosearch.index.vector_index import Hit, SearchedIndex, Vectors
from photosearch.search.query import Candidate

VOTERS = 10
"""Nearest photos whose votes count."""
SHARPNESS = 15.0
"""How much more a nearer photo's vote weighs. Measured with VOTERS: docs/decisions.md."""

EXACT_COSINE = 0.9995
"""A photo this near is the query itself, give or take fp16: its card goes first."""
EXACT_SCORE = 2.0
"""More than any vote: ten photos at cosine 1 make 1 + ln(10) / SHARPNESS = 1.15."""


def nearest_cards(
    index: SearchedIndex, vector: Vectors, *, hits_per_query: int, where: CardFilter | None = None
) -> list[Candidate]:
    """Searches photos and collapses them into unique cards that pass `where`, best first."""
    return collapse(index.nearest(vector, limit=hits_per_query, where=where))


def collapse(hits: Sequence[Hit]) -> list[Candidate]:
    """Makes cards of photos, nearest photo first.

    Score: the soft maximum of the cosines of the card's photos among the VOTERS nearest, so that
    several near photos outweigh a single one that is slightly nearer; for a card with none among
    them, the cosine of its best photo. It is at least that cosine, and equals it for one photo.
    Votes never outweigh a photo that is the query itself.

    Source: distance-weighted k-nearest-neighbour vote, Dudani 1976, with exponential weights as in
    Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination".
    """
    best: dict[str, Hit] = {}
    votes: dict[str, float] = {}
    for rank, hit in enumerate(hits):
        best.setdefault(hit.card_id, hit)
        if rank < VOTERS:
            vote = math.exp(SHARPNESS * (hit.cosine - 1))
            votes[hit.card_id] = votes.get(hit.card_id, 0.0) + vote
    candidates = [
        Candidate(card_id, hit.photo_id, hit.cosine, _score(votes.get(card_id), hit.cosine))
        for card_id, hit in best.items()
    ]
    return sorted(candidates, key=lambda card: (-card.score, -card.cosine, card.card_id))


def _score(vote: float | None, cosine: float) -> float:
    if cosine >= EXACT_COSINE:
        return EXACT_SCORE
    return cosine if vote is None else max(cosine, 1 + math.log(vote) / SHARPNESS)
