"""A card on its way through the steps of a search."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card
from photosearch.search.schemas import Reason


class Traits(NamedTuple):
    """What rules and rankers ask of a card; a tuple, for a search makes a hundred.

    A listing of the index less the article, of which each card has another.
    """

    card_id: str
    category: tuple[str, ...] = ()
    """Path from the root."""
    brand: str | None = None
    price: float | None = None
    rating: float | None = None
    """Mean stars, 0 to 5."""
    n_reviews: int | None = None
    seller: str | None = None
    status: str | None = None
    """In the source's own word: `on_sale`, `out_of_stock`, ..."""


class FoundCard(NamedTuple):
    """A candidate with what is known of its card; a tuple, for each step makes a hundred anew."""

    traits: Traits
    photo_id: str
    """The photo of this card nearest to the query."""
    cosine: float
    score: float
    reasons: tuple[Reason, ...] = ()
    """Told where the request asks to explain."""
    features: NDArray[np.float64] | None = None
    """Its row of the table that ranked it, (n_features,): see features.py. None: nothing looked at
    it, as with words or likes, or so far down."""
    probability: float | None = None
    """That it is the product; None: nobody knows, as with words or likes."""
    ranked_score: float | None = None
    """What the online re-ranker started from; None: it took no part."""


def traits_of(card: Card) -> Traits:
    """What rules and rankers ask of a card of the catalogue."""
    return Traits(
        card_id=card.card_id,
        category=tuple(card.category),
        brand=card.brand,
        price=card.price,
        rating=card.rating,
        n_reviews=card.n_reviews,
        seller=card.seller,
        status=card.status,
    )
