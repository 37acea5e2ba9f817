"""The life of an index: filled, verified, named; knows no engine."""

import hashlib
from collections.abc import Iterable
from itertools import islice

import numpy as np

from photosearch.index.vector_index import ROUNDING, Batch, VectorIndex, Vectors
from photosearch.index_settings import Quantisation
from photosearch.progress import track

LAYOUT = 3
"""Of what a photo carries; 2: its card's listing; 3: shelves.

Another layout makes another index.
"""

WARM_UP, WARM_UP_HITS = 1000, 100
"""Searches, which take 3 s of a million photos, and photos that each finds."""
BLOCK = 4096
"""Photos compared at a time."""


def fill(index: VectorIndex, batches: Iterable[Batch], total: int) -> int:
    """Adds `batches` and builds what makes search fast.

    Args:
        total: Photos expected, for the progress line.

    Returns:
        Photos in the index afterwards.
    """
    told = track(batches, "adding photos to the index", total, size=lambda batch: len(batch[0]))
    for photo_ids, listings, vectors in told:
        index.add(photo_ids, listings, vectors)
    index.optimize()
    return index.count()


def verify(index: VectorIndex, *, n_queries: int = 200, k: int = 10, seed: int = 7) -> float:
    """Share of the `k` true nearest photos that the index finds, for a sample of its own photos.

    A photo is not its own neighbour. Where cosines are equal, either photo is right. Memory does
    not grow with the index: truth is found block by block.

    Returns:
        A share in [0, 1]; 1 for an index with no two photos, which has nothing to miss.
    """
    n_photos = index.count()
    k = min(k, n_photos - 1)
    if k < 1:
        return 1.0
    photo_ids, queries = _sample(index, n_queries, seed)
    found = [
        [hit.photo_id for hit in index.nearest(query, limit=k + 1) if hit.photo_id != photo_id][:k]
        for photo_id, query in zip(photo_ids, queries, strict=True)
    ]
    cosines = np.full((len(queries), k), -np.inf, np.float32)  # of what was found
    truth = np.full((len(queries), k), -np.inf, np.float32)  # of what there is to find
    for block_ids, _, vectors in index.scroll(BLOCK):
        block = queries @ vectors.T  # (n_queries, n_block)
        column = {photo_id: at for at, photo_id in enumerate(block_ids)}
        for row, photo_id in enumerate(photo_ids):
            if photo_id in column:
                block[row, column[photo_id]] = -np.inf
            for place, hit_id in enumerate(found[row]):
                if hit_id in column:
                    cosines[row, place] = block[row, column[hit_id]]
        truth = np.partition(np.hstack([truth, block]), -k, axis=1)[:, -k:]
    return float((cosines >= truth.min(axis=1, keepdims=True) - ROUNDING).mean())


def warm_up(index: VectorIndex) -> None:
    """Searches with photos of the index, so that its memory is there when shoppers come.

    Of a million photos the first searches take five times as long as later ones.
    """
    for _, _, vectors in islice(index.scroll(WARM_UP), 1):
        for vector in vectors:
            index.nearest(vector, limit=WARM_UP_HITS)


def recall_of(index: VectorIndex, photos: Vectors, *, k: int = 10) -> float:
    """The same for photos of the index whose vectors are known; the engine tells the truth itself.

    `verify` reads every vector into this process, which takes longer than it took to change 1% of
    a million. A photo that is its own nearest is left out on both sides.

    Args:
        index: Holds the photos.
        photos: Their vectors, (n_photos, dim).

    Returns:
        A share in [0, 1]; 1 where there is nothing to find.
    """
    right = wanted = 0
    for vector in photos:
        true = index.nearest_exactly(vector, limit=k + 1)[1:]
        found = index.nearest(vector, limit=k + 1)[1:]
        last = true[-1].cosine if true else 1.0
        right += sum(hit.cosine >= last - ROUNDING for hit in found)
        wanted += len(true)
    return right / wanted if wanted else 1.0


def index_id(
    model_id: str, *, dim: int, quantisation: Quantisation = "int8", photo_ids: Iterable[str]
) -> str:
    """12 hex digits; equal model, vector length, codes and photos give equal ids, in any order."""
    said = hashlib.sha256(f"{LAYOUT}\0{model_id}\0{dim}\0{quantisation}".encode())
    for photo_id in sorted(photo_ids):
        said.update(b"\0" + photo_id.encode())
    return said.hexdigest()[:12]


def _sample(index: VectorIndex, n_queries: int, seed: int) -> tuple[list[str], Vectors]:
    """Photos of the index chosen by chance: ids, vectors (at most n_queries, dim)."""
    n_photos = index.count()
    chosen = np.random.default_rng(seed).permutation(n_photos)[:n_queries]
    photo_ids: list[str] = []
    parts: list[Vectors] = []
    seen = 0
    for ids, _, vectors in index.scroll(BLOCK):
        rows = np.sort(chosen[(chosen >= seen) & (chosen < seen + len(ids))] - seen)
        photo_ids += [ids[row] for row in rows]
        parts.append(vectors[rows])
        seen += len(ids)
    return photo_ids, np.concatenate(parts)
