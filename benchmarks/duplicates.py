"""Near duplicates among a million photos: seconds, memory and what is found.

    OMP_NUM_THREADS=2 python benchmarks/duplicates.py --photos 1000000 --dim 256

Hashes and vectors are made by chance; a share of the photos repeats an earlier one: its hash with
some bits turned, its vector a little moved. All of them are to be found again.
"""

import argparse
import resource
import sys
import time

import numpy as np
from numpy.typing import NDArray

from photosearch.curation.alike import near_hashes, near_vectors
from photosearch.embedding.embedder import Vectors

REPEATED_SHARE = 0.05
MAX_BITS = 8
COSINE = 0.98
COSINE_OF_COPIES = 0.99
BLOCK_ROWS = 50_000


def originals(
    n_photos: int, dice: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that repeat, and the rows that they repeat; all different."""
    rows = dice.permutation(n_photos)[: 2 * int(n_photos * REPEATED_SHARE)]
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def make_hashes(n_photos: int, dice: np.random.Generator) -> tuple[NDArray[np.uint64], set[int]]:
    """Hashes (n_photos,), and the pairs to find as `low * n_photos + high`."""
    hashes = dice.integers(0, 2**64, n_photos, dtype=np.uint64)
    copies, of = originals(n_photos, dice)
    turned = np.zeros(len(copies), np.uint64)
    for _ in range(MAX_BITS):  # the same bit twice turns back: 0 to 8 bits differ
        turned ^= np.uint64(1) << dice.integers(0, 64, len(copies), dtype=np.uint64)
    hashes[copies] = hashes[of] ^ turned
    return hashes, codes(np.stack([copies, of], axis=1), n_photos)


def make_vectors(n_photos: int, dim: int, dice: np.random.Generator) -> tuple[Vectors, set[int]]:
    """Unit vectors (n_photos, dim) round cards of twenty, and the pairs to find."""
    centres = dice.standard_normal((max(1, n_photos // 20), dim), dtype=np.float32)
    vectors = np.empty((n_photos, dim), np.float32)
    for start in range(0, n_photos, BLOCK_ROWS):
        n = min(BLOCK_ROWS, n_photos - start)
        block = centres[dice.integers(len(centres), size=n)]
        vectors[start : start + n] = block + dice.standard_normal((n, dim), dtype=np.float32)
    normalise(vectors)
    copies, of = originals(n_photos, dice)
    sideways = dice.standard_normal((len(copies), dim), dtype=np.float32)
    normalise(sideways)
    slope = np.float32(np.sqrt(1 / COSINE_OF_COPIES**2 - 1))
    vectors[copies] = vectors[of] + slope * sideways
    normalise(vectors)
    return vectors, codes(np.stack([copies, of], axis=1), n_photos)


def normalise(vectors: Vectors) -> None:
    """In place and by blocks: a second million would not fit."""
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        block /= np.linalg.norm(block, axis=1, keepdims=True)


def codes(pairs: NDArray[np.int64], n_photos: int) -> set[int]:
    ordered = np.sort(pairs, axis=1)
    return set((ordered[:, 0] * n_photos + ordered[:, 1]).tolist())


def tell(what: str, found: NDArray[np.int64], true: set[int], n_photos: int, took_s: float) -> None:
    right = len(codes(found, n_photos) & true)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(
        f"{what:8} | {n_photos:9,} photos | {took_s:7.1f} s | {len(found):9,} pairs | found "
        f"{right / len(true):.4f} of {len(true):,} | peak {peak_gib:.2f} GiB\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Measures both searches; the peak is that of the process so far, the data included."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256)
    arguments = parser.parse_args()
    n, dice = arguments.photos, np.random.default_rng(7)

    hashes, true = make_hashes(n, dice)
    inner = hashes ^ (np.uint64(1) << dice.integers(0, 64, n, dtype=np.uint64))
    started = time.perf_counter()
    found = near_hashes(hashes, inner, max_bits=MAX_BITS)
    tell("hashes", found, true, n, time.perf_counter() - started)

    vectors, true = make_vectors(n, arguments.dim, dice)
    started = time.perf_counter()
    found, _ = near_vectors(vectors, cosine_min=COSINE)
    tell("vectors", found, true, n, time.perf_counter() - started)


if __name__ == "__main__":
    main()
