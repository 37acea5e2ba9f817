"""The VectorIndex protocol and its reference: exact search by matrix product."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from photosearch.errors import DimensionMismatch
from photosearch.index.filters import CardFilter, Listing, passes

Vectors = NDArray[np.float32]

Batch = tuple[Sequence[str], Sequence[Listing], Vectors]
"""Photo ids, the listings of their cards, vectors (n, dim)."""
PhotosOfCards = dict[str, tuple[list[str], Vectors]]
"""By card: photo ids and vectors (n, dim)."""

ROUNDING = 1e-6
"""Cosines of equal rows may differ by so much in a matrix product: it sums them in other orders."""


class Hit(NamedTuple):
    """A photo found near a query vector; a tuple, for a hundred cross processes in a search."""

    photo_id: str
    card_id: str
    cosine: float


class SearchedIndex(Protocol):
    """What a search asks of an index: unit vectors of photos, by cosine."""

    dim: int

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        """At most `limit` photos of cards that pass `where`, nearest first.

        Equal cosines come in order of photo_id.

        An approximate engine chooses which of the photos with the last cosine come in; those that
        come in are in this order.

        Raises:
            DimensionMismatch: `vector` is not (dim,).
        """
        ...

    def vectors_of(self, card_ids: Sequence[str]) -> PhotosOfCards:
        """Photos of these cards: ids in order, vectors (n, dim); a card without any is absent."""
        ...

    def close(self) -> None:
        """Flushes and lets go of files or connections; calling twice is no error."""
        ...


class VectorIndex(SearchedIndex, Protocol):
    """One that can be filled, changed and looked through too."""

    def add(self, photo_ids: Sequence[str], listings: Sequence[Listing], vectors: Vectors) -> None:
        """Stores photos, each with its card's listing; one that is there already is replaced.

        `vectors`: (n, dim), unit length.

        Raises:
            DimensionMismatch: `vectors` has another width.
            ValueError: Ids and rows differ in number, or a number is NaN or infinite.
        """
        ...

    def remove(self, photo_ids: Sequence[str]) -> None:
        """Forgets photos; unknown ids are no error."""
        ...

    def update_listings(self, listings: Sequence[Listing]) -> None:
        """Changes what all photos of these cards carry, not their vectors; unknown cards: no error.

        Where a card is named twice, the last is kept.
        """
        ...

    def nearest_exactly(self, vector: Vectors, *, limit: int) -> list[Hit]:
        """What `nearest` should find: the engine compares with every photo, by stored vectors."""
        ...

    def count(self) -> int:
        """Photos stored."""
        ...

    def scroll(self, batch: int = 1000) -> Iterator[Batch]:
        """All photos in batches, as `add` takes them. Change nothing meanwhile."""
        ...

    def optimize(self) -> None:
        """Builds what makes search fast; call once after many changes."""
        ...


def check_rows(
    index: str, dim: int, photo_ids: Sequence[str], listings: Sequence[Listing], vectors: Vectors
) -> None:
    """Refuses what `add` cannot store; raises what `VectorIndex.add` raises."""
    if vectors.ndim != 2 or not len(photo_ids) == len(listings) == len(vectors):
        raise ValueError(
            f"{len(photo_ids)} photo ids, {len(listings)} listings and vectors of shape "
            f"{vectors.shape} do not match. Give one of each a photo."
        )
    if vectors.shape[1] != dim:
        raise DimensionMismatch(index, dim, vectors.shape[1])
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        bad = photo_ids[int(np.argmin(finite))]
        raise ValueError(
            f"The vector of photo {bad} holds NaN or infinity. Check the model that made it."
        )


def check_query(index: str, dim: int, vector: Vectors) -> None:
    """Refuses a query that is not one vector of the index's width."""
    if vector.shape != (dim,):
        raise DimensionMismatch(index, dim, vector.shape[-1] if vector.ndim else 0)


NOT_YET = Listing("")
"""Keeps the place of a row whose listing comes next."""


def by_card(batches: Iterable[Batch]) -> PhotosOfCards:
    """Sorts what `scroll` gives to the cards, photos in order of photo_id."""
    found: dict[str, list[tuple[str, Vectors]]] = {}
    for photo_ids, listings, vectors in batches:
        for photo_id, listing, vector in zip(photo_ids, listings, vectors, strict=True):
            found.setdefault(listing.card_id, []).append((photo_id, vector))
    ordered = {card: sorted(own, key=lambda one: one[0]) for card, own in found.items()}
    return {
        card: ([photo_id for photo_id, _ in own], np.stack([vector for _, vector in own]))
        for card, own in ordered.items()
    }


class ExactIndex:
    """Compares with everything: the reference in tests and checks, and fast enough to 100,000."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows: dict[str, int] = {}
        self._photo_ids: list[str] = []
        self._listings: list[Listing] = []
        self._vectors = np.empty((0, dim), np.float32)  # grows by doubling: more rows than photos

    def add(self, photo_ids: Sequence[str], listings: Sequence[Listing], vectors: Vectors) -> None:
        check_rows("exact", self.dim, photo_ids, listings, vectors)
        rows = [self._row(photo_id) for photo_id in photo_ids]
        self._make_room(len(self._photo_ids))
        self._vectors[rows] = vectors  # where a row is named twice, numpy keeps the last
        for row, listing in zip(rows, listings, strict=True):
            self._listings[row] = listing

    def remove(self, photo_ids: Sequence[str]) -> None:
        for photo_id in photo_ids:
            row = self._rows.pop(photo_id, None)
            if row is None:
                continue
            last_photo, last_listing = self._photo_ids.pop(), self._listings.pop()
            if last_photo != photo_id:  # the last row fills the gap
                self._photo_ids[row], self._listings[row] = last_photo, last_listing
                self._vectors[row] = self._vectors[len(self._photo_ids)]
                self._rows[last_photo] = row

    def update_listings(self, listings: Sequence[Listing]) -> None:
        changed = {listing.card_id: listing for listing in listings}
        self._listings = [changed.get(old.card_id, old) for old in self._listings]

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        check_query("exact", self.dim, vector)
        rows = np.arange(len(self._photo_ids))
        if where is not None:
            rows = np.array([row for row in rows if passes(self._listings[row], where)], np.int64)
        if limit <= 0 or len(rows) == 0:
            return []
        rough = self._vectors[: len(self._photo_ids)] @ vector
        if limit < len(rows):
            last = np.partition(rough[rows], -limit)[-limit]
            rows = rows[rough[rows] >= last - ROUNDING]
        cosines = (self._vectors[rows] * vector).sum(axis=1)  # equal rows, equal cosines
        found = sorted(
            zip((-cosines).tolist(), (self._photo_ids[row] for row in rows), rows, strict=True)
        )
        return [
            Hit(photo_id, self._listings[row].card_id, -negated)
            for negated, photo_id, row in found[:limit]
        ]

    def nearest_exactly(self, vector: Vectors, *, limit: int) -> list[Hit]:
        return self.nearest(vector, limit=limit)

    def count(self) -> int:
        return len(self._photo_ids)

    def scroll(self, batch: int = 1000) -> Iterator[Batch]:
        n = len(self._photo_ids)
        for start in range(0, n, batch):
            part = slice(start, min(start + batch, n))
            yield self._photo_ids[part], self._listings[part], self._vectors[part].copy()

    def vectors_of(self, card_ids: Sequence[str]) -> PhotosOfCards:
        wanted = set(card_ids)
        rows = [row for row, listing in enumerate(self._listings) if listing.card_id in wanted]
        photo_ids = [self._photo_ids[row] for row in rows]
        return by_card([(photo_ids, [self._listings[row] for row in rows], self._vectors[rows])])

    def optimize(self) -> None:
        """Nothing to build."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _row(self, photo_id: str) -> int:
        if photo_id not in self._rows:
            self._rows[photo_id] = len(self._photo_ids)
            self._photo_ids.append(photo_id)
            self._listings.append(NOT_YET)
        return self._rows[photo_id]

    def _make_room(self, n_rows: int) -> None:
        if n_rows > len(self._vectors):
            larger = np.empty((max(n_rows, 2 * len(self._vectors)), self.dim), np.float32)
            larger[: len(self._vectors)] = self._vectors
            self._vectors = larger
