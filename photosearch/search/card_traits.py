"""What rules and rankers ask of each card, a million in a row; knows no search.

A search takes a hundred, and finds none of them in the processor's caches once it has waited for
its model: what is asked of a card lies together, in 40 bytes, its words by their numbers.
"""

from collections.abc import Sequence
from math import isnan
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from photosearch.search.found import Traits

BELOW = "\x1f"
"""Stands between the steps of a category's path; a character that no name has."""
UNKNOWN = -1
"""How many reviews there are, where the card does not tell."""
ROW = np.dtype([
    ("price", np.float64), ("rating", np.float64), ("n_reviews", np.int64),
    ("category", np.int32), ("brand", np.int32), ("seller", np.int32), ("status", np.int32),
])  # fmt: skip


class CardTraits:
    """Traits of all cards, by row."""

    def __init__(self, cards: pa.Table) -> None:
        """`cards`: rows of cards.parquet."""
        self._rows = np.empty(len(cards), ROW)
        for name in ("price", "rating"):
            known = pc.if_else(pc.is_finite(cards[name]), cards[name], None)
            self._rows[name] = pc.fill_null(known, np.nan)
        self._rows["n_reviews"] = pc.fill_null(cards["n_reviews"], UNKNOWN)
        paths, self._rows["category"] = _numbered(pc.binary_join(cards["category"], BELOW))
        self._categories = [tuple(path.split(BELOW)) if path else () for path in paths]
        self._brands, self._rows["brand"] = _numbered(cards["brand"])
        self._sellers, self._rows["seller"] = _numbered(cards["seller"])
        self._statuses, self._rows["status"] = _numbered(cards["status"])

    def of(self, card_ids: Sequence[str], rows: NDArray[np.int64]) -> list[Traits]:
        """Traits of the cards in these rows, in their order; ids are not kept here."""
        return [
            Traits(
                card_id,
                self._categories[category],
                self._brands[brand],
                None if isnan(price) else price,
                None if isnan(rating) else rating,
                None if n_reviews == UNKNOWN else n_reviews,
                self._sellers[seller],
                self._statuses[status],
            )
            for card_id, (price, rating, n_reviews, category, brand, seller, status) in zip(
                card_ids, self._rows[rows].tolist(), strict=True
            )
        ]


def _numbered(words: pa.ChunkedArray) -> tuple[list[Any], NDArray[np.int32]]:
    """Each word once, None among them where one is missing; and the number of each, (n_cards,)."""
    numbered = pc.dictionary_encode(words, null_encoding="encode").combine_chunks()
    return numbered.dictionary.to_pylist(), numbered.indices.to_numpy()
