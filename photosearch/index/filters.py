"""What a card's photos carry in the index, and which of them a search may return."""

from dataclasses import dataclass

from photosearch.catalog.schemas import Card


@dataclass(frozen=True, slots=True)
class Listing:
    """What the index knows of the card that a photo shows."""

    card_id: str
    category: tuple[str, ...] = ()
    """Path from the root."""
    brand: str | None = None
    price: float | None = None
    rating: float | None = None
    """Mean stars, 0 to 5."""
    n_reviews: int | None = None
    seller: str | None = None
    article: str | None = None
    status: str | None = None
    """In the source's own word: `on_sale`, `out_of_stock`, ..."""


@dataclass(frozen=True, slots=True)
class CardFilter:
    """What a shopper asked for; a card that does not tell a wanted fact is left out."""

    category: tuple[str, ...] = ()
    """The card's path begins with this one; empty takes all."""
    brands: tuple[str, ...] = ()
    """One of these; empty takes all."""
    price_min: float | None = None
    price_max: float | None = None
    rating_min: float | None = None


def listing_of(card: Card) -> Listing:
    """What the index knows of a card of the catalogue."""
    return Listing(
        card_id=card.card_id,
        category=tuple(card.category),
        brand=card.brand,
        price=card.price,
        rating=card.rating,
        n_reviews=card.n_reviews,
        seller=card.seller,
        article=card.article,
        status=card.status,
    )


def passes(card: Listing, wanted: CardFilter) -> bool:
    """Whether a card is what was asked for: what every engine must agree with."""
    return (
        card.category[: len(wanted.category)] == wanted.category
        and (not wanted.brands or card.brand in wanted.brands)
        and _is_within(card.price, wanted.price_min, wanted.price_max)
        and _is_within(card.rating, wanted.rating_min, None)
    )


def _is_within(value: float | None, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    return (
        value is not None and (least is None or value >= least) and (most is None or value <= most)
    )
