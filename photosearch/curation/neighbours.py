"""Nearest photos of other product groups, exactly, in blocks of bounded memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors
from photosearch.progress import track

BLOCK_ROWS = 512
BLOCK_COLUMNS = 4096
"""A block of cosines takes 8 MB, however many photos there are."""


def neighbours_of_others(
    vectors: Vectors, groups: Sequence[str], *, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Finds the nearest photos of other groups, in blocks of bounded memory.

    Args:
        vectors: Unit vectors, (n, dim).
        groups: Product group by photo, (n,).
        k: Neighbours a photo.

    Returns:
        Row numbers and cosines, both (n, k), best first; cosine -inf where there is no neighbour.
    """
    _, group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    n = len(vectors)
    best = np.zeros((n, k), np.int64)
    best_cosines = np.full((n, k), -np.inf, np.float32)
    starts = range(0, n, BLOCK_ROWS)
    for start in track(starts, "comparing photos, blocks", len(starts)):
        part = slice(start, start + BLOCK_ROWS)
        for left in range(0, n, BLOCK_COLUMNS):
            across = slice(left, left + BLOCK_COLUMNS)
            cosines = vectors[part] @ vectors[across].T
            cosines[group[part, None] == group[None, across]] = -np.inf
            found = np.concatenate([best_cosines[part], cosines], axis=1)
            order = np.argpartition(-found, k - 1, axis=1)[:, :k]
            known = np.take_along_axis(best[part], np.minimum(order, k - 1), axis=1)
            best[part] = np.where(order < k, known, order - k + left)
            best_cosines[part] = np.take_along_axis(found, order, axis=1)
    order = np.lexsort((best, -best_cosines), axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(best_cosines, order, axis=1)
