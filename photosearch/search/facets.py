"""What found cards can be narrowed by: counts by category, brand, price and rating."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from photosearch.search.schemas import FoundCard, Wire

BRANDS_MOST = 20
PRICE_PARTS = 4
STARS = (4.5, 4.0, 3.0)


class CategoryCount(Wire):
    category: list[str]
    """Path from the root, as a filter takes it."""
    count: int
    """Cards in it and below."""


class BrandCount(Wire):
    brand: str
    count: int


class PriceRange(Wire):
    price_min: float
    price_max: float
    """Both ends belong to it, as in a filter."""
    count: int


class RatingCount(Wire):
    rating_min: float
    count: int
    """Cards rated so well or better."""


class Facets(Wire):
    """Of what was found, not of the catalogue; values that no card has are absent."""

    categories: list[CategoryCount]
    """Every level, parents before children."""
    brands: list[BrandCount]
    """Most frequent first, BRANDS_MOST at most."""
    prices: list[PriceRange]
    """Parts of about equally many cards, cheapest first; the whole range where prices are few."""
    ratings: list[RatingCount]


def facets_of(found: Sequence[FoundCard]) -> Facets:
    """Counts over the cards found; a card that does not tell a fact is not counted by it."""
    facts = [card.facts for card in found]
    paths = Counter(
        tuple(card.category[:level]) for card in facts for level in range(1, len(card.category) + 1)
    )
    brands = Counter(card.brand for card in facts if card.brand)
    ratings = [card.rating for card in facts if card.rating is not None]
    above = {stars: sum(rating >= stars for rating in ratings) for stars in STARS}
    return Facets(
        categories=[
            CategoryCount(category=list(path), count=count) for path, count in sorted(paths.items())
        ],
        brands=[
            BrandCount(brand=brand, count=count)
            for brand, count in sorted(brands.items(), key=lambda one: (-one[1], one[0]))
        ][:BRANDS_MOST],
        prices=_price_ranges([card.price for card in facts if card.price is not None]),
        ratings=[
            RatingCount(rating_min=stars, count=count) for stars, count in above.items() if count
        ],
    )


def _price_ranges(prices: Sequence[float]) -> list[PriceRange]:
    """Ends are prices of cards, so that no card falls between two ranges."""
    parts = np.array_split(np.sort(prices), PRICE_PARTS)
    ranges: list[PriceRange] = []
    for part in parts:
        if not len(part):
            continue
        least, most = float(part[0]), float(part[-1])
        if ranges and least == ranges[-1].price_max:  # equal prices stay in one range
            least_before, count_before = ranges[-1].price_min, ranges[-1].count
            ranges[-1] = PriceRange(
                price_min=least_before, price_max=most, count=count_before + len(part)
            )
            continue
        ranges.append(PriceRange(price_min=least, price_max=most, count=len(part)))
    return ranges
