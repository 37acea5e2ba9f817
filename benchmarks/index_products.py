"""Products made by chance for `benchmarks/index.py`: vectors in clusters, listings, filters.

A vector is the sum of what its shop section, its category, its look and the product itself add,
each drawn from a normal distribution whose spread falls as 1 / sqrt(number of the dimension), and
brought to length 1. Some ten products share a look. A query is a photo of a stored product: its
vector and noise. Mean cosines that come of it: query and its product .83, products of one look .76,
of one category .39, of one section .15, others 0.

There are 20 sections with 25 categories each, of sizes as 1 / rank (Zipf); 4 brands for each 1,000
products, of which each category has 40, of popularity as 1 / rank, and 5% have none; prices are
log-normal round a level of their category; 30% are not rated, the others mostly between 4 and 5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors, unit
from photosearch.index.filters import CardFilter, Listing

SECTIONS, CATEGORIES, BRANDS_A_CATEGORY = 20, 500, 40
SHARES = (0.35, 0.45, 0.55, 0.45, 0.6)
"""Of section, category, look, product, and of a query's noise."""
BLOCK = 50_000

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Products:
    """Row by row: `vectors` (n, dim), the others (n,)."""

    vectors: Vectors
    category: Numbers
    brand: Numbers
    """-1 where there is none."""
    price: NDArray[np.float64]
    rating: NDArray[np.float64]
    """0 where nobody has rated."""

    def listing(self, row: int) -> Listing:
        brand = int(self.brand[row])
        return Listing(
            card_id=f"card-{row}",
            category=path(int(self.category[row])),
            brand=f"brand-{brand}" if brand >= 0 else None,
            price=float(self.price[row]),
            rating=float(self.rating[row]),
            n_reviews=row % 97,
            seller=f"seller-{row % 5003}",
            article=f"{row:07}-{row % 89}",
            status="on_sale",
        )


def path(category: int) -> tuple[str, str]:
    return (f"Section {category % SECTIONS}", f"Category {category}")


def make_products(n: int, dim: int, seed: int = 7) -> Products:
    """Draws `n` products."""
    dice = np.random.default_rng(seed)
    spread = 1 / np.sqrt(np.arange(1, dim + 1))
    popularity = 1 / np.arange(1, CATEGORIES + 1)
    looks = max(1, n // 10)
    category_of_look = dice.choice(CATEGORIES, size=looks, p=popularity / popularity.sum())
    look = dice.integers(looks, size=n)
    category = category_of_look[look]
    section_at, category_at, look_at = (
        unit(dice.normal(size=(many, dim)) * spread) for many in (SECTIONS, CATEGORIES, looks)
    )
    vectors = np.empty((n, dim), np.float32)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        own = unit(dice.normal(size=(rows.stop - start, dim)) * spread)
        vectors[rows] = unit(
            SHARES[0] * section_at[category[rows] % SECTIONS]
            + SHARES[1] * category_at[category[rows]]
            + SHARES[2] * look_at[look[rows]]
            + SHARES[3] * own
        )
    return Products(vectors, category, *_facts(category, dice))


def _facts(
    category: Numbers, dice: np.random.Generator
) -> tuple[Numbers, NDArray[np.float64], NDArray[np.float64]]:
    """Brand, price and rating of each product."""
    n = len(category)
    sold = dice.integers(max(BRANDS_A_CATEGORY, n // 250), size=(CATEGORIES, BRANDS_A_CATEGORY))
    popularity = 1 / np.arange(1, BRANDS_A_CATEGORY + 1)
    which = dice.choice(BRANDS_A_CATEGORY, size=n, p=popularity / popularity.sum())
    brand = np.where(dice.random(n) < 0.05, -1, sold[category, which])
    level = dice.normal(7, 1, size=CATEGORIES)
    price = np.round(np.exp(level[category] + dice.normal(0, 0.6, size=n)), 0)
    stars = np.clip(np.round(5 - dice.exponential(0.5, size=n), 1), 1, 5)
    return brand, price, np.where(dice.random(n) < 0.3, 0.0, stars)


def make_queries(products: Products, n: int, seed: int = 11) -> tuple[Vectors, Numbers]:
    """Photos of stored products: vectors (n, dim), the rows of the products."""
    dice = np.random.default_rng(seed)
    rows = dice.choice(len(products.vectors), size=n, replace=False)
    dim = products.vectors.shape[1]
    noise = unit(dice.normal(size=(n, dim)) / np.sqrt(np.arange(1, dim + 1)))
    # A product's vector had this length before it was brought to 1.
    length = np.sqrt(sum(share**2 for share in SHARES[:4]))
    return unit(length * products.vectors[rows] + SHARES[4] * noise), rows


Ask = Callable[[Products, int, np.random.Generator], CardFilter]
"""A filter for the query of one row."""


def _near_price(products: Products, row: int) -> CardFilter:
    price = float(products.price[row])
    return CardFilter(price_min=round(price * 0.7), price_max=round(price * 1.4))


def _any_price(products: Products, row: int, dice: np.random.Generator) -> CardFilter:
    del row
    price = float(dice.choice(products.price))
    return CardFilter(price_min=round(price * 0.98), price_max=round(price * 1.02))


def _brands(products: Products, *rows: int) -> CardFilter:
    known = sorted({f"brand-{max(0, int(products.brand[row]))}" for row in rows})
    return CardFilter(brands=tuple(known))


def _any_section(dice: np.random.Generator) -> tuple[str]:
    return (f"Section {dice.integers(SECTIONS)}",)


def _any(products: Products, dice: np.random.Generator) -> int:
    return int(dice.integers(len(products.vectors)))


FILTERS: dict[str, Ask] = {
    "none": lambda _, __, ___: CardFilter(),
    "section, own": lambda p, row, _: CardFilter(category=path(int(p.category[row]))[:1]),
    "section, any": lambda _, __, dice: CardFilter(category=_any_section(dice)),
    "category, own": lambda p, row, _: CardFilter(category=path(int(p.category[row]))),
    "category, any": lambda p, _, dice: CardFilter(category=path(int(p.category[_any(p, dice)]))),
    "brand, own": lambda p, row, _: _brands(p, row),
    "brands, any three": lambda p, _, dice: _brands(p, _any(p, dice), _any(p, dice), _any(p, dice)),
    "price, near own": lambda p, row, _: _near_price(p, row),
    "price, any 4% wide": _any_price,
    "rating 4": lambda _, __, ___: CardFilter(rating_min=4),
    "rating 4.9": lambda _, __, ___: CardFilter(rating_min=4.9),
    "section, own + price": lambda p, row, _: CardFilter(
        category=path(int(p.category[row]))[:1],
        price_min=_near_price(p, row).price_min,
        price_max=_near_price(p, row).price_max,
    ),
    "brand, own + rating 4": lambda p, row, _: CardFilter(
        brands=_brands(p, row).brands, rating_min=4
    ),
    "section, any + rating 4": lambda _, __, dice: CardFilter(
        category=_any_section(dice), rating_min=4
    ),
    "price, near own + rating 4": lambda p, row, _: CardFilter(
        price_min=_near_price(p, row).price_min,
        price_max=_near_price(p, row).price_max,
        rating_min=4,
    ),
    "section, any + rating 4.9": lambda _, __, dice: CardFilter(
        category=_any_section(dice), rating_min=4.9
    ),
}


def passing(products: Products, where: CardFilter) -> NDArray[np.bool_]:
    """Which products pass, (n,): `filters.passes`, for all of them at once."""
    passed = np.ones(len(products.category), np.bool_)
    match where.category:
        case (section,):
            passed &= products.category % SECTIONS == int(section.split()[1])
        case (_, category):
            passed &= products.category == int(category.split()[1])
    if where.brands:
        passed &= np.isin(products.brand, [int(name.split("-")[1]) for name in where.brands])
    if where.price_min is not None:
        passed &= products.price >= where.price_min
    if where.price_max is not None:
        passed &= products.price <= where.price_max
    if where.rating_min is not None:
        passed &= products.rating >= where.rating_min
    return passed
