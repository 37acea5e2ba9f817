"""Late interaction: the best cards are compared anew, token by token; knows no model."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors
from photosearch.errors import BadArtifact
from photosearch.search.found import FoundCard
from photosearch.search.photo_tokens import PhotoTokens
from photosearch.search.query import Query
from photosearch.search.rank import best_first, raised
from photosearch.search.schemas import Reason

STEP = "late_interaction"


def max_sim(query: Vectors, found: Vectors) -> NDArray[np.float32]:
    """How well each of the query's tokens finds its like on a photo, averaged over these tokens.

    Args:
        query: Unit vectors, (n_tokens, dim).
        found: Unit vectors of several photos, (n_photos, n_tokens, dim).

    Returns:
        Numbers in [-1, 1], (n_photos,).

    Source: Khattab and Zaharia 2020, "ColBERT", section 3.3, with a mean for its sum.
    """
    cosines = np.matmul(found, query.T)  # (n_photos, tokens found, tokens asked)
    likeness: NDArray[np.float32] = cosines.max(axis=1).mean(axis=1)
    return likeness


def compare_tokens(
    found: Sequence[FoundCard], tokens: Vectors, photo_tokens: PhotoTokens
) -> list[FoundCard]:
    """Raises the score of the best cards by the MaxSim of their nearest photo; best card first.

    No card loses score, so those that are compared stay before those that are not. A card of the
    query photo itself stays first.

    Args:
        found: In any order.
        tokens: Of the query, as the head gives them, (n_tokens, width).
        photo_tokens: Of the release's photos; they say how many cards, and with which weight.

    Raises:
        BadArtifact: A card's photo has no tokens.
    """
    ordered = best_first(found)
    how = photo_tokens.manifest
    best, rest = ordered[: how.cards], ordered[how.cards :]
    if not best:
        return []
    query = photo_tokens.projection.shorten(tokens)
    likeness = max_sim(query, photo_tokens.of([card.photo_id for card in best]))
    compared = [
        _compared(card, how.weight * max(float(value), 0.0))
        for card, value in zip(best, likeness, strict=True)
    ]
    return [*best_first(compared), *rest]


def compare_by_photo(
    photo_tokens: PhotoTokens,
) -> Callable[[Sequence[FoundCard], Query], Sequence[FoundCard]]:
    """The step of the search: cards that a photo alone found are compared, others stay.

    Its weight is in the units of a photo's scores: see `Query.is_photo_alone`.
    """

    def compare(found: Sequence[FoundCard], query: Query) -> Sequence[FoundCard]:
        if not query.is_photo_alone:
            return found
        if query.tokens is None:
            raise BadArtifact(
                "The release compares tokens, and its model made none of the query. Make the "
                "release again: `photosearch index`."
            )
        return compare_tokens(found, query.tokens, photo_tokens)

    return compare


def _compared(card: FoundCard, by: float) -> FoundCard:
    reason = Reason(step=STEP, what="max_sim", value=round(by, 6))
    return card._replace(score=raised(card, by), reasons=(*card.reasons, reason))
