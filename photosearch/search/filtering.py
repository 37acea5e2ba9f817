"""What found cards can be narrowed by, and which of them a shopper asked for; knows no vectors."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from photosearch.index.filters import CardFilter, Listing, passes
from photosearch.search.found import FoundCard
from photosearch.search.schemas import CardFacts, Facets, FacetValue

VALUES_MOST = 30
"""Brands, and paths of categories, that an answer tells: nobody reads a longer list."""
NO_FACETS = Facets(categories=[], brands=[], price_min=None, price_max=None, rating_max=None)

Value = TypeVar("Value", str, tuple[str, ...])


def is_wanted(card: CardFacts, where: CardFilter) -> bool:
    """Whether a card is what was asked for, by the rule that every index agrees with."""
    listing = Listing(
        card_id=card.card_id,
        category=tuple(card.category),
        brand=card.brand,
        price=card.price,
        rating=card.rating,
    )
    return passes(listing, where)


def facets_of(found: Sequence[FoundCard]) -> Facets:
    """What the found cards differ in: the VALUES_MOST most frequent, equal ones by name."""
    traits = [card.traits for card in found]
    paths = Counter[tuple[str, ...]]()
    for path, n_cards in Counter(card.category for card in traits).items():
        for depth in range(1, len(path) + 1):
            paths[path[:depth]] += n_cards
    brands = Counter(card.brand for card in traits if card.brand is not None)
    prices = [card.price for card in traits if card.price is not None]
    ratings = [card.rating for card in traits if card.rating]  # 0 where nobody has rated
    return Facets(
        categories=[FacetValue(value=list(path), n_cards=n) for path, n in _by_count(paths)],
        brands=[FacetValue(value=[brand], n_cards=n) for brand, n in _by_count(brands)],
        price_min=min(prices, default=None),
        price_max=max(prices, default=None),
        rating_max=max(ratings, default=None),
    )


def _by_count(counts: Counter[Value]) -> list[tuple[Value, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:VALUES_MOST]
