"""Finds alike photos among a million: by hashes, by vectors; and compares two closely.

Knows neither cards nor files. No function here looks at all pairs.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors

HASH_BITS = 64
BLOCKS_AGREE = 3
"""Hashes are sorted by so many blocks at a time; see `near_hashes`."""
MAX_RUN = 256
"""Of more hashes that agree in a key each meets the next so many: blank photos have one hash."""
EXACT_ROWS = 20_000
"""So few vectors are compared with all others, in blocks."""
CELLS_A_VECTOR = 2
BLOCK_ROWS = 4096

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]


def near_hashes(hashes: Hashes, inner: Hashes, *, max_bits: int) -> Rows:
    """Pairs of photos whose hashes are close: plain to plain, or plain to inner.

    Hashes within `d` bits agree wholly in at least 3 of any `d + 3` blocks. So all are sorted by
    each choice of 3 blocks, and those that agree there are compared: none is missed, except in
    runs of over 256 equal keys.

    Args:
        hashes: (n,)
        inner: Of the same photos without their edges, (n,).
        max_bits: Largest distance that counts as close, at most 61.

    Returns:
        (n_pairs, 2), the lower row first, sorted, each pair once.

    Source: Manku et al. 2007, "Detecting near-duplicates for web crawling", section 3.
    """
    n, both = len(hashes), np.concatenate([hashes, inner])
    found = [np.empty(0, np.int64)]
    for mask in _masks(max_bits + BLOCKS_AGREE):
        for left, right in _neighbours(both & mask):
            is_near = np.bitwise_count(both[left] ^ both[right]) <= max_bits
            is_near &= np.minimum(left, right) < n
            a, b = left[is_near] % n, right[is_near] % n
            low, high = np.minimum(a, b), np.maximum(a, b)
            found.append(np.unique((low * n + high)[low != high]))
    codes = np.unique(np.concatenate(found))
    return np.stack([codes // max(n, 1), codes % max(n, 1)], axis=1)


def near_vectors(vectors: Vectors, *, cosine_min: float) -> tuple[Rows, NDArray[np.float32]]:
    """Pairs of unit vectors with at least this cosine.

    Up to 20,000 are compared exactly. More are put into the cells of their two nearest centres
    and compared within a cell, which misses some pairs: benchmarks/duplicates.py counts them.

    Args:
        vectors: (n, dim).
        cosine_min: Meant to be near 1.

    Returns:
        Pairs (n_pairs, 2), the lower row first, sorted; and their cosines (n_pairs,).
    """
    n = len(vectors)
    codes, cosines = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for cell in _cells(vectors):
        for start in range(0, len(cell), BLOCK_ROWS):
            block = cell[start : start + BLOCK_ROWS]
            near = vectors[block] @ vectors[cell[start:]].T
            i, j = np.nonzero(near >= cosine_min)
            a, b = block[i], cell[start:][j]
            codes.append((np.minimum(a, b) * n + np.maximum(a, b))[a != b])
            cosines.append(near[i, j][a != b])
    every, first = np.unique(np.concatenate(codes), return_index=True)
    pairs = np.stack([every // max(n, 1), every % max(n, 1)], axis=1)
    return pairs, np.concatenate(cosines)[first]


def _masks(n_blocks: int) -> Iterator[np.uint64]:
    """Every choice of `BLOCKS_AGREE` of the blocks of a hash, as bits that are looked at."""
    edges = [block * HASH_BITS // n_blocks for block in range(n_blocks + 1)]
    blocks = [((1 << (high - low)) - 1) << low for low, high in pairwise(edges)]
    for chosen in combinations(blocks, BLOCKS_AGREE):
        yield np.uint64(sum(chosen))


def _neighbours(keys: Hashes) -> Iterator[tuple[Rows, Rows]]:
    """Rows with equal keys, pair by pair: each with the next of its run, the one after, ..."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    active = np.arange(len(order))
    for gap in range(1, MAX_RUN):
        active = active[active + gap < len(order)]
        active = active[ordered[active] == ordered[active + gap]]
        if not len(active):
            return
        yield order[active], order[active + gap]


def _cells(vectors: Vectors) -> Iterator[Rows]:
    """Rows of each cell; one cell of all if there are few."""
    n = len(vectors)
    if n <= EXACT_ROWS:
        yield np.arange(n)
        return
    dice = np.random.default_rng(0)  # the same input gives the same pairs
    centres = vectors[dice.choice(n, size=2 * int(np.sqrt(n)), replace=False)]
    homes = np.empty((n, CELLS_A_VECTOR), np.int32)
    for start in range(0, n, BLOCK_ROWS):
        near = vectors[start : start + BLOCK_ROWS] @ centres.T
        homes[start : start + BLOCK_ROWS] = np.argpartition(-near, CELLS_A_VECTOR, axis=1)[
            :, :CELLS_A_VECTOR
        ]
    order = np.argsort(homes.ravel(), kind="stable")
    starts = np.searchsorted(homes.ravel()[order], np.arange(len(centres) + 1))
    for low, high in pairwise(starts):
        yield order[low:high] // CELLS_A_VECTOR
