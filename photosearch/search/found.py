"""A card on its way through the steps of a search."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from photosearch.search.schemas import CardFacts, Reason


@dataclass(frozen=True, slots=True)
class FoundCard:
    """A candidate with what is known of its card."""

    facts: CardFacts
    photo_id: str
    """The photo of this card nearest to the query."""
    cosine: float
    score: float
    reasons: tuple[Reason, ...] = ()
    """Told where the request asks to explain."""
    features: NDArray[np.float64] | None = field(default=None, compare=False)
    """Its row of the table that ranked it, (n_features,): see features.py. None: nothing looked at
    it, as with words or likes, or so far down."""
    probability: float | None = None
    """That it is the product; None: nobody knows, as with words or likes."""
    ranked_score: float | None = field(default=None, compare=False)
    """What the online re-ranker started from; None: it took no part."""
