"""The nearest cards of every query in a gallery of any size: block by block, a running top.

Knows neither what is right nor who made the vectors, which may lie in a memory map.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors, shorten

PHOTOS_A_BLOCK = 4096
QUERIES_A_BLOCK = 256

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Nearest:
    """What a gallery answers, best card first."""

    cards: Numbers
    """(n_queries, k) numbers of cards; -1 where the gallery has fewer."""
    cosines: Vectors
    """(n_queries, k), of the card's nearest photo; -inf where the gallery has fewer."""


def numbered(card_ids: Sequence[str]) -> tuple[list[str], Numbers]:
    """The distinct ids in order, and the number of each given one among them, (n,)."""
    names = sorted(set(card_ids))
    number_of = {name: number for number, name in enumerate(names)}
    return names, np.fromiter((number_of[name] for name in card_ids), np.int64, len(card_ids))


def nearest_cards(
    queries: Vectors,
    photos: NDArray[np.floating],
    card_of_photo: Numbers,
    *,
    length: int,
    k: int,
) -> Nearest:
    """The `k` cards with the nearest photo, exactly; of equal ones the lower number first.

    Memory beside what is given: 24 bytes a photo and k numbers a query; vectors and cosines are
    held for PHOTOS_A_BLOCK photos (or one card's) and QUERIES_A_BLOCK queries at a time.

    Args:
        queries: Unit vectors, (n_queries, dim).
        photos: Unit vectors of any float type, (n_photos, dim); may be a memory map.
        card_of_photo: (n_photos,).
        length: Numbers of each vector that count.
        k: Cards wanted.
    """
    cards = np.full((len(queries), k), -1, np.int64)
    cosines = np.full((len(queries), k), -np.inf, np.float32)
    asked = shorten(queries, length)
    order = np.argsort(card_of_photo, kind="stable")
    card_in_order = card_of_photo[order]
    for block in _blocks(card_in_order):
        stored = np.asarray(photos[:, :length][order[block]], np.float32)
        here, starts = np.unique(card_in_order[block], return_index=True)
        vectors = shorten(stored, length)
        for start in range(0, len(asked), QUERIES_A_BLOCK):
            part = slice(start, start + QUERIES_A_BLOCK)
            by_card = np.maximum.reduceat(vectors @ asked[part].T, starts, axis=0)
            cards[part], cosines[part] = _merged(cards[part], cosines[part], here, by_card)
    return Nearest(cards, cosines)


def _blocks(card_in_order: Numbers) -> Iterator[slice]:
    """Stretches of about PHOTOS_A_BLOCK photos that cut no card."""
    start, n_photos = 0, len(card_in_order)
    while start < n_photos:
        end = min(start + PHOTOS_A_BLOCK, n_photos)
        if end < n_photos:
            end = int(np.searchsorted(card_in_order, card_in_order[end], "left"))
        if end <= start:  # a card of more photos than a block
            end = int(np.searchsorted(card_in_order, card_in_order[start], "right"))
        yield slice(start, end)
        start = end


def _merged(
    cards: Numbers, cosines: Vectors, here: Numbers, by_card: Vectors
) -> tuple[Numbers, Vectors]:
    """The best k of those so far, (n, k), and of a block's, `by_card` (n_cards_here, n)."""
    n, k = cards.shape
    floor = cosines[:, -1]  # an equal one comes later, so it has a higher number
    if len(here) > k and not np.isfinite(floor).all():
        kth = np.partition(by_card, -k, axis=0)[-k]
        floor = np.maximum(floor, np.nextafter(kth, -np.inf, dtype=np.float32))
    place, query = np.nonzero(by_card > floor)
    if not len(place):
        return cards, cosines
    of_query = np.concatenate([np.repeat(np.arange(n), k), query])
    all_cards = np.concatenate([cards.ravel(), here[place]])
    all_cosines = np.concatenate([cosines.ravel(), by_card[place, query]])
    best_first = np.lexsort((all_cards, -all_cosines, of_query))
    counts = np.bincount(of_query, minlength=n)
    chosen = best_first[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
    return all_cards[chosen], all_cosines[chosen]
