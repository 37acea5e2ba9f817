"""A million tags: memory, build, processor time of a question, and what the codes miss.

    OMP_NUM_THREADS=1 python benchmarks/tags.py --tags 100000 1000000

Vectors are made by chance, some twenty tags round each centre; queries are further points round
them. Milliseconds and seconds are of the processor, all threads together. `exact` compares with
all; `codes` is what a release does above EXACT_UP_TO tags; `--graph` adds Qdrant Edge. Chips are
made of 100 found cards with 20 tags each, of 100,000 cards. Memory is that of a fresh process after
opening and asking once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from photosearch.catalog.schemas import CardTags, Tag
from photosearch.catalog.tables import arrow_schema
from photosearch.embedding.embedder import Vectors, unit
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.search.chips import chips
from photosearch.tagging.generate import CARRIED, TAGS
from photosearch.tagging.tag_index import EXACT_UP_TO, open_tags, save_vectors, with_codes

N_QUERIES, LIMIT = 200, 20
BATCH = 5_000
N_CARDS, TAGS_A_CARD = 100_000, 20


def make_vectors(n_tags: int, dim: int) -> tuple[Vectors, Vectors]:
    """Tags (n_tags, dim) and queries (N_QUERIES, dim)."""
    dice = np.random.default_rng(7)
    centres = dice.normal(size=(n_tags // 20, dim)).astype(np.float32)
    near = dice.integers(len(centres), size=n_tags + N_QUERIES)
    made = unit(centres[near] + dice.normal(size=(len(near), dim)).astype(np.float32))
    return made[:n_tags], made[n_tags:]


def processor_ms(ask: Callable[[Vectors], object], queries: Vectors) -> tuple[float, float, list]:
    """Median and 99th percentile of processor time, and the answers."""
    took, answers = [], []
    for query in queries:
        started = time.process_time()
        answers.append(ask(query))
        took.append((time.process_time() - started) * 1000)
    return float(np.percentile(took, 50)), float(np.percentile(took, 99)), answers


def recall(found: list[set[int]], true: list[set[int]]) -> float:
    return sum(len(a & b) for a, b in zip(found, true, strict=True)) / (LIMIT * len(true))


def exact_rows(vectors: Vectors, query: Vectors) -> set[int]:
    return set(np.argpartition(-(vectors @ query), LIMIT)[:LIMIT].tolist())


def make_tags(folder: Path, vectors: Vectors) -> float:
    """Writes the tags of a release; processor seconds of vectors and codes."""
    n_tags, dice = len(vectors), np.random.default_rng(7)
    texts = [f"tag {n}" for n in range(n_tags)]
    columns = [texts, ["en"] * n_tags, [9] * n_tags, ["title"] * n_tags]
    pq.write_table(pa.table(columns, schema=arrow_schema(Tag)), folder / TAGS)
    carried = np.sort(dice.integers(n_tags, size=(N_CARDS, TAGS_A_CARD)))
    columns = [[f"c{n}" for n in range(N_CARDS)], carried.tolist()]
    pq.write_table(pa.table(columns, schema=arrow_schema(CardTags)), folder / CARRIED)
    started = time.process_time()
    save_vectors(folder, with_codes(vectors.astype(np.float16)), "m")
    return time.process_time() - started


def measure(folder: Path, queries: Vectors, true: list[set[int]], built_s: float) -> None:
    """Asks the tags of a folder for the nearest, and for chips."""
    tags = open_tags(folder, model_id="m")
    kind = "codes" if len(tags) > EXACT_UP_TO else "exact"
    p50, p99, answers = processor_ms(lambda q: tags.nearest(q, limit=LIMIT), queries)
    found = [{near.row for near in answer} for answer in answers]
    told(f"{kind:10} | {recall(found, true):9.4f} | {p50:6.2f} | {p99:6.2f} | {built_s:7.1f}")
    dice = np.random.default_rng(8)
    shown = [f"c{n}" for n in dice.integers(N_CARDS, size=100)]
    p50, p99, _ = processor_ms(lambda q: chips(tags, q, shown, limit=12, language=None), queries)
    told(f"chips      | {'':9} | {p50:6.2f} | {p99:6.2f} |")


def measure_graph(vectors: Vectors, queries: Vectors, true: list[set[int]]) -> None:
    """An HNSW graph of Qdrant Edge over the same vectors."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        graph = QdrantEdgeIndex.create(
            Path(folder), dim=vectors.shape[1], model_id="m", plain_up_to_photos=1
        )
        for start in range(0, len(vectors), BATCH):
            rows = [str(row) for row in range(start, min(start + BATCH, len(vectors)))]
            graph.add(rows, rows, vectors[start : start + BATCH])
        graph.optimize()
        built_s = time.process_time() - started
        p50, p99, answers = processor_ms(lambda q: graph.nearest(q, limit=LIMIT), queries)
        graph.close()
        size = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*")) / 1e6
    found = [{int(hit.photo_id) for hit in answer} for answer in answers]
    row = f"{recall(found, true):9.4f} | {p50:6.2f} | {p99:6.2f} | {built_s:7.1f}"
    told(f"graph      | {row} | {size:.0f} MB on disk")


def memory_mb(folder: Path, dim: int) -> float:
    """Resident memory that opening the tags adds to a process that has imported everything."""
    script = (
        "import sys, pathlib, numpy as np\n"
        "from photosearch.tagging.tag_index import open_tags\n"
        "rss = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6\n"
        "before = rss()\n"
        f"tags = open_tags(pathlib.Path({str(folder)!r}), model_id='m')\n"
        f"tags.nearest(np.ones({dim}, np.float32), limit=20)\n"
        "print(rss() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return float(done.stdout)


def told(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tags", type=int, nargs="+", default=[100_000])
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--graph", action="store_true")
    asked = parser.parse_args()
    for n_tags in asked.tags:
        vectors, queries = make_vectors(n_tags, asked.dim)
        told(f"\n{n_tags} tags x {asked.dim}, {N_QUERIES} queries")
        told("search     | recall@20 | p50 ms | p99 ms | build s")
        p50, p99, true = processor_ms(lambda q, all_=vectors: exact_rows(all_, q), queries)
        told(f"exact      | {1:9.4f} | {p50:6.2f} | {p99:6.2f} |")
        with tempfile.TemporaryDirectory() as folder:
            built_s = make_tags(Path(folder), vectors)
            measure(Path(folder), queries, true, built_s)
            size = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*"))
            if asked.graph:
                measure_graph(vectors, queries, true)
            told(f"{size / 1e6:.0f} MB on disk, {memory_mb(Path(folder), asked.dim):.0f} in memory")


if __name__ == "__main__":
    main()
