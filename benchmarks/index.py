"""Compares exact search with Qdrant Edge: recall@10, time a query, bytes a photo on disk.

    OMP_NUM_THREADS=1 python benchmarks/index.py --photos 20000 --dim 512

The vectors are made by chance, some twenty photos round each card's centre; queries are further
photos of the same cards. `edge plain` builds nothing, `edge graph` an HNSW graph and int8 codes.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.embedding.embedder import Vectors, unit
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index.vector_index import ExactIndex, VectorIndex

N_QUERIES = 500
BATCH = 1000
HEADER = "index       | recall@10 | p50 ms | p99 ms | add photos/s | optimise s | bytes a photo"


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    recall_at_10: float
    p50_ms: float
    p99_ms: float
    add_rate: float
    """Photos a second."""
    optimize_s: float
    bytes_a_photo: float
    """On disk; in memory for exact search, which has no folder."""

    def __str__(self) -> str:
        return (
            f"{self.name:11} | {self.recall_at_10:9.4f} | {self.p50_ms:6.2f} | {self.p99_ms:6.2f} |"
            f" {self.add_rate:12.0f} | {self.optimize_s:10.1f} | {self.bytes_a_photo:13.0f}"
        )


def make_vectors(n_photos: int, dim: int) -> tuple[Vectors, Vectors]:
    """Stored vectors (n_photos, dim) and queries (N_QUERIES, dim)."""
    dice = np.random.default_rng(7)
    centres = dice.normal(size=(max(1, n_photos // 20), dim)).astype(np.float32)
    cards = dice.integers(len(centres), size=n_photos + N_QUERIES)
    noise = dice.normal(size=(len(cards), dim)).astype(np.float32)
    vectors = unit(centres[cards] + noise)
    return vectors[:n_photos], vectors[n_photos:]


def measure(name: str, index: VectorIndex, folder: Path, data: tuple[Vectors, Vectors]) -> Row:
    """Fills the index and asks it every query."""
    vectors, queries = data
    started = time.perf_counter()
    for at in range(0, len(vectors), BATCH):
        ids = [f"p{row}" for row in range(at, min(at + BATCH, len(vectors)))]
        index.add(ids, ids, vectors[at : at + BATCH])
    added = time.perf_counter()
    index.optimize()
    optimized = time.perf_counter()
    took_ms, right = [], 0
    for query in queries:
        true = {f"p{row}" for row in np.argpartition(-(vectors @ query), 10)[:10]}
        asked = time.perf_counter()
        hits = index.nearest(query, limit=10)
        took_ms.append((time.perf_counter() - asked) * 1000)
        right += len(true & {hit.photo_id for hit in hits})
    index.close()
    on_disk = sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
    return Row(
        name=name,
        recall_at_10=right / (10 * len(queries)),
        p50_ms=float(np.percentile(took_ms, 50)),
        p99_ms=float(np.percentile(took_ms, 99)),
        add_rate=len(vectors) / (added - started),
        optimize_s=optimized - added,
        bytes_a_photo=(on_disk or vectors.nbytes) / len(vectors),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    asked = parser.parse_args()
    data = make_vectors(asked.photos, asked.dim)
    sys.stdout.write(f"{asked.photos} photos x {asked.dim}, {N_QUERIES} queries\n{HEADER}\n")
    sys.stdout.write(f"{measure('exact', ExactIndex(asked.dim), Path('/nowhere'), data)}\n")
    for name, plain_up_to in (("edge plain", 10 * asked.photos), ("edge graph", 1)):
        with tempfile.TemporaryDirectory() as folder:
            index = QdrantEdgeIndex.create(
                Path(folder), dim=asked.dim, model_id="benchmark", plain_up_to_photos=plain_up_to
            )
            sys.stdout.write(f"{measure(name, index, Path(folder), data)}\n")


if __name__ == "__main__":
    main()
