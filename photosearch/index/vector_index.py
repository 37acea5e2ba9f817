"""The VectorIndex protocol and its reference: exact search by matrix product."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from photosearch.errors import DimensionMismatch

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo found near a query vector."""

    photo_id: str
    card_id: str
    cosine: float


class VectorIndex(Protocol):
    """Unit vectors of photos, searchable by cosine."""

    dim: int

    def add(self, photo_ids: Sequence[str], card_ids: Sequence[str], vectors: Vectors) -> None:
        """Stores photos; one that is there already is replaced. `vectors`: (n, dim), unit length.

        Raises:
            DimensionMismatch: `vectors` has another width.
        """
        ...

    def remove(self, photo_ids: Sequence[str]) -> None:
        """Forgets photos; unknown ids are no error."""
        ...

    def nearest(self, vector: Vectors, *, limit: int) -> list[Hit]:
        """At most `limit` photos, nearest first; equal cosines in order of photo_id."""
        ...

    def count(self) -> int:
        """Photos stored."""
        ...

    def scroll(self, batch: int = 1000) -> Iterator[tuple[list[str], list[str], Vectors]]:
        """All photos in batches: ids, cards, vectors (n, dim)."""
        ...

    def optimize(self) -> None:
        """Builds what makes search fast; call once after many changes."""
        ...

    def close(self) -> None:
        """Flushes and lets go of files or connections; calling twice is no error."""
        ...


class ExactIndex:
    """Compares with everything: the reference in tests and checks, and fast enough to 100,000."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows: dict[str, int] = {}
        self._photo_ids: list[str] = []
        self._card_ids: list[str] = []
        self._vectors = np.empty((0, dim), np.float32)

    def add(self, photo_ids: Sequence[str], card_ids: Sequence[str], vectors: Vectors) -> None:
        if vectors.shape[1:] != (self.dim,):
            raise DimensionMismatch("exact", self.dim, vectors.shape[-1])
        self.remove(photo_ids)
        last = {photo_id: row for row, photo_id in enumerate(photo_ids)}  # the last of equals wins
        self._photo_ids += list(last)
        self._card_ids += [card_ids[row] for row in last.values()]
        self._vectors = np.concatenate([self._vectors, vectors[list(last.values())]])
        self._rows = {photo_id: row for row, photo_id in enumerate(self._photo_ids)}

    def remove(self, photo_ids: Sequence[str]) -> None:
        gone = {self._rows[photo_id] for photo_id in photo_ids if photo_id in self._rows}
        if not gone:
            return
        kept = [row for row in range(len(self._photo_ids)) if row not in gone]
        self._photo_ids = [self._photo_ids[row] for row in kept]
        self._card_ids = [self._card_ids[row] for row in kept]
        self._vectors = self._vectors[kept]
        self._rows = {photo_id: row for row, photo_id in enumerate(self._photo_ids)}

    def nearest(self, vector: Vectors, *, limit: int) -> list[Hit]:
        if vector.shape != (self.dim,):
            raise DimensionMismatch("exact", self.dim, vector.shape[-1])
        cosines = self._vectors @ vector
        order = sorted(range(len(cosines)), key=lambda row: (-cosines[row], self._photo_ids[row]))
        return [
            Hit(self._photo_ids[row], self._card_ids[row], float(cosines[row]))
            for row in order[:limit]
        ]

    def count(self) -> int:
        return len(self._photo_ids)

    def scroll(self, batch: int = 1000) -> Iterator[tuple[list[str], list[str], Vectors]]:
        for start in range(0, len(self._photo_ids), batch):
            part = slice(start, start + batch)
            yield self._photo_ids[part], self._card_ids[part], self._vectors[part]

    def optimize(self) -> None:
        """Nothing to build."""

    def close(self) -> None:
        """Nothing to let go of."""
