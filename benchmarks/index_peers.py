"""faiss and hnswlib over the same vectors, for `benchmarks/index.py`: no filters, no payload.

They come with `uv sync --group benchmark`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from photosearch.embedding.embedder import Vectors

PEERS = ("exact", "hnswlib", "faiss_hnsw_fp16", "faiss_ivfpq")
M, EF_CONSTRUCT, EF = 16, 128, 128
"""As for Qdrant Edge: index/qdrant_points.py."""
LIMIT = 100


@dataclass(frozen=True, slots=True)
class Peer:
    build_s: float
    bytes_a_photo: float
    """Of its file."""
    nearest: Callable[[int], list[str]]
    """Photo ids for a query's number."""

    def told(self) -> dict[str, float]:
        return {"build_s": self.build_s, "disk_bytes": self.bytes_a_photo}


def measure_peer(name: str, vectors: Vectors, queries: Vectors) -> Peer:
    """Builds an engine over `vectors` (n, dim), to be asked with `queries` (n_queries, dim)."""
    started = time.perf_counter()
    find, save = _BUILD[name](vectors)
    built_s = time.perf_counter() - started
    with TemporaryDirectory() as folder:
        file = Path(folder) / "index"
        save(file)
        size = file.stat().st_size
    return Peer(
        built_s,
        size / len(vectors),
        lambda at: [f"card-{row}/gallery/0" for row in find(queries[at])],
    )


Built = tuple[Callable[[Vectors], list[int]], Callable[[Path], None]]


def _exact(vectors: Vectors) -> Built:
    def find(query: Vectors) -> list[int]:
        cosines = vectors @ query
        best = np.argpartition(-cosines, LIMIT)[:LIMIT]
        return [int(row) for row in best[np.argsort(-cosines[best])]]

    return find, lambda file: file.write_bytes(vectors.tobytes())


def _hnswlib(vectors: Vectors) -> Built:
    import hnswlib

    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=M, ef_construction=EF_CONSTRUCT)
    index.add_items(vectors, np.arange(len(vectors)))
    index.set_ef(EF)
    return (
        lambda query: index.knn_query(query[None], k=LIMIT, num_threads=1)[0][0].tolist(),
        lambda file: index.save_index(str(file)),
    )


def _faiss_hnsw(vectors: Vectors) -> Built:
    import faiss

    index = faiss.IndexHNSWSQ(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, M, faiss.METRIC_INNER_PRODUCT
    )
    index.hnsw.efConstruction = EF_CONSTRUCT
    index.train(vectors[:10_000])
    index.add(vectors)
    index.hnsw.efSearch = EF
    return _faiss(index)


def _faiss_ivfpq(vectors: Vectors) -> Built:
    import faiss

    dim = vectors.shape[1]
    lists = max(16, int(2 * len(vectors) ** 0.5))
    coarse = faiss.IndexFlatIP(dim)
    codes = faiss.IndexIVFPQ(coarse, dim, lists, 64, 8, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexRefine(
        codes,
        faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT),
    )
    index.train(vectors[: max(40 * lists, 20_000)])
    index.add(vectors)
    codes.nprobe = max(8, lists // 16)
    index.k_factor = 4
    return _faiss(index)


def _faiss(index: object) -> Built:
    import faiss

    faiss.omp_set_num_threads(1)
    return (
        lambda query: index.search(query[None], LIMIT)[1][0].tolist(),
        lambda file: faiss.write_index(index, str(file)),
    )


_BUILD: dict[str, Callable[[Vectors], Built]] = {
    "exact": _exact,
    "hnswlib": _hnswlib,
    "faiss_hnsw_fp16": _faiss_hnsw,
    "faiss_ivfpq": _faiss_ivfpq,
}
