"""An index that a process of its own opens and searches: nobody else stands still meanwhile.

The embedded engine holds the interpreter's lock: a service that opened a million photos itself
would read no request for 5 s.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from photosearch.errors import IndexUnavailable
from photosearch.index.filters import CardFilter
from photosearch.index.vector_index import (
    Hit,
    PhotosOfCards,
    SearchedIndex,
    Vectors,
    check_query,
)
from photosearch.own_process import OwnProcess, ProcessEnded

Opens = Callable[[], SearchedIndex]
"""A function of a module, or a `partial` of one."""
HitColumns = tuple[list[str], list[str], list[float]]
"""Photo ids, card ids, cosines."""


class IndexProcess:
    """A `SearchedIndex` elsewhere, asked by one thread at a time; opened anew where it died."""

    def __init__(self, opens: Opens) -> None:
        """Starts the process and waits until the index is open; raises what `opens` raises."""
        self._process, self._is_closed = OwnProcess(partial(_Plain, opens)), False
        self.dim: int = self._process.ask("dim")

    @property
    def pid(self) -> int:
        """Of the process that holds the index now."""
        return self._process.pid

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        check_query("in a process of its own", self.dim, vector)
        asked = vector.astype(np.float32).tobytes()
        columns: HitColumns = self._ask("nearest", asked, limit=limit, where=where)
        return list(map(Hit, *columns))

    def vectors_of(self, card_ids: Sequence[str]) -> PhotosOfCards:
        known: PhotosOfCards = self._ask("vectors_of", card_ids)
        return known

    def close(self) -> None:
        """Has the index closed and the process end; calling twice is no error."""
        self._is_closed = True
        self._process.close()

    def _ask(self, method: str, *args: object, **kwargs: object) -> Any:
        try:
            return self._process.ask(method, *args, **kwargs)
        except ProcessEnded as error:
            if self._is_closed:
                raise IndexUnavailable("The index was closed. Open it again.") from None
            raise IndexUnavailable(
                f"The process that holds the index is gone: {error} It is opened again. Try again "
                "in a few seconds."
            ) from error


class _Plain:
    """An index asked with bytes, whose hits come as columns: pickled and read in half the time."""

    def __init__(self, opens: Opens) -> None:
        self._index = opens()
        self.dim = self._index.dim
        self.vectors_of, self.close = self._index.vectors_of, self._index.close

    def nearest(self, vector: bytes, *, limit: int, where: CardFilter | None) -> HitColumns:
        asked = np.frombuffer(vector, np.float32)
        hits = self._index.nearest(asked, limit=limit, where=where)
        return (
            [hit.photo_id for hit in hits],
            [hit.card_id for hit in hits],
            [hit.cosine for hit in hits],
        )
