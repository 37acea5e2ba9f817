"""A category with a price or a rating as one word, so that an engine looks up both at once.

An engine reads all photos of the rarer condition and checks the others one by one: of 72,000 photos
in a section that took 13 ms of a search's 15. Looked up by shelf it reads few that do not pass.
A shelf holds a range of prices or ratings, so these themselves are still asked; the category is
not, since two shelves are one word by a chance of one in 10^14.
"""

import hashlib
import math

from photosearch.index.filters import CardFilter, Listing

PRICES_AN_E_FOLD = 4
"""Shelves of prices that differ by a factor of e: each goes up by 28%."""
PRICE_LEAST, PRICE_MOST = 0.01, 1e9
"""Prices beyond share the first and the last shelf."""
RATINGS_A_STAR = 10
STARS = 5
RATING_SHELVES_AT_MOST = 5
"""More are not asked for: most rated cards stand there, and each word is another comparison at each
photo that the graph comes by. Of a section from 4 stars up the graph took twice as long by shelf.
"""


def shelves_of(listing: Listing) -> list[str]:
    """Where a card stands: for each category on its path, by price and by rating."""
    places: list[str] = []
    if listing.price is not None:
        places.append(f"price {_price_shelf(listing.price)}")
    if listing.rating is not None:
        places.append(f"rating {_rating_shelf(listing.rating)}")
    path = listing.category
    return [_word(path[:depth], place) for depth in range(1, len(path) + 1) for place in places]


def shelves_by_price(where: CardFilter) -> tuple[str, ...]:
    """The shelves of the category where cards of these prices may stand; none asked for: empty."""
    if not where.category or (where.price_min is None and where.price_max is None):
        return ()
    first = _price_shelf(PRICE_LEAST if where.price_min is None else where.price_min)
    last = _price_shelf(PRICE_MOST if where.price_max is None else where.price_max)
    return tuple(_word(where.category, f"price {n}") for n in range(first, last + 1))


def shelves_by_rating(where: CardFilter) -> tuple[str, ...]:
    """The same for ratings; empty too where these would be too many."""
    if not where.category or where.rating_min is None:
        return ()
    first, last = _rating_shelf(where.rating_min), STARS * RATINGS_A_STAR
    if last - first >= RATING_SHELVES_AT_MOST:
        return ()
    return tuple(_word(where.category, f"rating {n}") for n in range(first, last + 1))


def is_whole_shelf(rating_min: float | None) -> bool:
    """Whether the shelves from this rating on hold no card below it."""
    return rating_min is not None and _rating_shelf(rating_min) == rating_min * RATINGS_A_STAR


def _price_shelf(price: float) -> int:
    within = min(max(price, PRICE_LEAST), PRICE_MOST)
    return math.floor(math.log(within) * PRICES_AN_E_FOLD)


def _rating_shelf(rating: float) -> int:
    return math.floor(min(max(rating, 0), STARS) * RATINGS_A_STAR)


def _word(path: tuple[str, ...], place: str) -> str:
    # Short: a photo carries six.
    said = "\x1f".join((*path, place))
    return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()
