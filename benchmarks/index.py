"""Measures the engine of the index: recall, time, bytes, under every filter and quantisation.

    OMP_NUM_THREADS=1 python benchmarks/index.py --work /tmp/index_benchmark
    ... --size 1000000 --quantisation int8 --part search

Without --size, --quantisation and --part it does all of them, each part in a process of its own,
and leaves out what --work holds already. Parts of a quantisation, in this order: `build` fills an
index and optimises it; `search` asks it, opened anew; `refresh` changes 1% of a copy. The other
parts are engines beside ours, on the same vectors. `show` prints the tables of all in --work.

Times are of the clock, and of the processor: on a busy machine only the latter means something.
What is stored and asked: benchmarks/index_products.py. Truth: a matrix product over all vectors.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
from index_peers import PEERS, measure_peer
from index_products import FILTERS, Numbers, Products, make_products, make_queries, passing
from index_tables import show

from photosearch.embedding.embedder import Vectors
from photosearch.index.filters import CardFilter
from photosearch.index.index_folder import copy_folder
from photosearch.index.lifecycle import verify
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index_settings import Quantisation
from photosearch.search.candidates import nearest_cards

SIZES = (10_000, 100_000, 1_000_000)
QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)
PARTS = ("build", "search", "refresh")
DIM = 256
K = 10
HITS_PER_QUERY = 100
"""As in params.yaml: photos fetched, then collapsed into cards."""
BATCH = 1000
WARM_UP = 3000
"""Searches before those that are timed, by other vectors."""
TRUTH_BLOCK = 20
"""Queries compared with all products at a time."""
MODEL = "benchmark"


def truth(work: Path, size: int, n_queries: int) -> dict[str, Any]:
    """What is asked, the same of all engines: queries, and by filter the true K nearest rows.

    Returns:
        `queries`: (n_queries, DIM); `filters`: by name `where`, `share` that passes, and `rows`,
        each a list with one entry a query.
    """
    file = work / f"truth.{size}.{n_queries}.json"
    if not file.exists():
        products = make_products(size, DIM)
        queries, rows = make_queries(products, n_queries)
        filters = _nearest_by_filter(products, queries, rows)
        file.write_text(json.dumps({"queries": queries.tolist(), "filters": filters}))
    return json.loads(file.read_text())  # type: ignore[no-any-return]


def _nearest_by_filter(products: Products, queries: Vectors, rows: Numbers) -> dict[str, Any]:
    dice = np.random.default_rng(13)
    asked: dict[str, Any] = {name: {"where": [], "share": [], "rows": []} for name in FILTERS}
    for start in range(0, len(queries), TRUTH_BLOCK):
        cosines = queries[start : start + TRUTH_BLOCK] @ products.vectors.T
        for row, of_query in zip(rows[start : start + TRUTH_BLOCK], cosines, strict=True):
            for name, ask in FILTERS.items():
                where = ask(products, int(row), dice)
                passed = np.flatnonzero(passing(products, where))
                best = passed[np.argpartition(-of_query[passed], min(K, len(passed) - 1))[:K]]
                asked[name]["where"].append(asdict(where))
                asked[name]["share"].append(len(passed) / len(of_query))
                asked[name]["rows"].append(best.tolist())
    return asked


def build(work: Path, size: int, quantisation: Quantisation) -> dict[str, Any]:
    """Fills an index and builds its graph and codes."""
    products = make_products(size, DIM)
    folder = work / f"{size}-{quantisation}"
    index = QdrantEdgeIndex.create(
        folder, dim=DIM, model_id=MODEL, quantisation=quantisation, plain_up_to_photos=size // 50
    )
    started, processor_started = time.perf_counter(), time.process_time()
    for start in range(0, size, BATCH):
        rows = range(start, min(start + BATCH, size))
        listings = [products.listing(row) for row in rows]
        index.add([photo_id(row) for row in rows], listings, products.vectors[rows])
    added = time.perf_counter()
    index.optimize()
    optimized = time.perf_counter()
    index.close()
    return {
        "add_s": added - started,
        "optimize_s": optimized - added,
        "processor_s": time.process_time() - processor_started,
        "disk_bytes": sum(path.stat().st_blocks * 512 for path in folder.rglob("*")) / size,
        "built_with_mb": memory_bytes("VmHWM") / 1e6,
    }


def search(work: Path, size: int, quantisation: Quantisation, n_queries: int) -> dict[str, Any]:
    """Asks an index that was opened anew: cards, as the page does, under every filter."""
    asked = truth(work, size, n_queries)
    queries = np.array(asked["queries"], np.float32)
    warm_up = make_products(size, DIM).vectors[:WARM_UP].copy()
    before = memory_bytes("RssAnon"), memory_bytes("VmRSS")
    started = time.perf_counter()
    index = QdrantEdgeIndex.open(work / f"{size}-{quantisation}", model_id=MODEL)
    opened_s = time.perf_counter() - started
    for vector in warm_up:  # a service that has just started is not what shoppers meet
        nearest_cards(index, vector, hits_per_query=HITS_PER_QUERY)
    by_filter: dict[str, dict[str, float]] = {}
    took_ms: list[float] = []
    for name, one in asked["filters"].items():
        filters = [_as_filter(said) for said in one["where"]]
        by_filter[name], each_ms = ask_all(
            lambda at, filters=filters: [
                card.photo_id
                for card in nearest_cards(
                    index, queries[at], hits_per_query=HITS_PER_QUERY, where=filters[at]
                )
            ],
            one["rows"],
        )
        by_filter[name]["share"] = float(np.mean(one["share"]))
        if name != "none":
            took_ms += each_ms
    anonymous, resident = memory_bytes("RssAnon") - before[0], memory_bytes("VmRSS") - before[1]
    index.close()
    return {
        "open_s": opened_s,
        "resident_bytes": resident / size,
        "anonymous_bytes": anonymous / size,
        "filtered_p99_ms": float(np.percentile(took_ms, 99)),
        "filters": by_filter,
    }


def refresh(work: Path, size: int, quantisation: Quantisation) -> dict[str, Any]:
    """Changes 1% of an index: half of it new vectors, 40% other prices, 10% gone."""
    products = make_products(size, DIM)
    folder = work / f"{size}-{quantisation}-changed"
    started = time.perf_counter()
    copy_folder(work / f"{size}-{quantisation}", folder)
    copied = time.perf_counter()
    index = QdrantEdgeIndex.open(folder, model_id=MODEL)
    n = size // 100
    new, priced, gone = np.split(
        np.random.default_rng(17).permutation(size)[:n], [n // 2, n * 9 // 10]
    )
    opened = time.perf_counter()
    shifted = products.vectors[np.roll(new, 1)]  # the vectors of other products
    index.add([photo_id(row) for row in new], [products.listing(row) for row in new], shifted)
    index.remove([photo_id(row) for row in gone])
    changed = time.perf_counter()
    index.update_listings([products.listing(row) for row in priced])
    listed = time.perf_counter()
    index.optimize()
    optimized = time.perf_counter()
    recall = verify(index, n_queries=50)
    index.close()
    shutil.rmtree(folder)
    return {
        "copy_s": copied - started,
        "vectors_s": changed - opened,
        "listings_s": listed - changed,
        "optimize_s": optimized - listed,
        "recall_at_10": recall,
    }


def ask_all(
    ask: Callable[[int], list[str]], true: Sequence[Sequence[int]]
) -> tuple[dict[str, float], list[float]]:
    """Recall of the first K photos that each question finds, and its time; each one's in ms."""
    took_ms, processor_ms, right, there = [], [], 0, 0
    for at, rows in enumerate(true):
        started, processor_started = time.perf_counter(), time.process_time()
        found = ask(at)
        took_ms.append((time.perf_counter() - started) * 1000)
        processor_ms.append((time.process_time() - processor_started) * 1000)
        right += len({photo_id(row) for row in rows} & set(found[:K]))
        there += len(rows)
    told = {
        "recall_at_10": right / there,
        "p50_ms": float(np.percentile(took_ms, 50)),
        "p99_ms": float(np.percentile(took_ms, 99)),
        "processor_p50_ms": float(np.percentile(processor_ms, 50)),
        "processor_p99_ms": float(np.percentile(processor_ms, 99)),
    }
    return told, took_ms


def photo_id(row: int) -> str:
    return f"card-{row}/gallery/0"


def memory_bytes(what: str) -> int:
    """Of this process: `VmRSS` is resident, `RssAnon` not a file's, `VmHWM` the most resident."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status does not tell {what}: run this on Linux.")


def _as_filter(said: dict[str, Any]) -> CardFilter:
    return CardFilter(
        **said | {"category": tuple(said["category"]), "brands": tuple(said["brands"])}
    )


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """One part, in this process."""
    work, size = asked.work, asked.size
    match asked.part:
        case "build":
            return build(work, size, asked.quantisation)
        case "search":
            return search(work, size, asked.quantisation, asked.queries)
        case "refresh":
            return refresh(work, size, asked.quantisation)
    true = truth(work, size, asked.queries)
    queries = np.array(true["queries"], np.float32)
    found = measure_peer(asked.part, make_products(size, DIM).vectors, queries)
    return found.told() | ask_all(found.nearest, true["filters"]["none"]["rows"])[0]


def each_part(asked: argparse.Namespace) -> list[tuple[int, str, str]]:
    """What was asked for: size, quantisation (`peers` for other engines), part."""
    sizes = [asked.size] if asked.size else SIZES
    kinds = [asked.quantisation] if asked.quantisation else QUANTISATIONS
    parts = [asked.part] if asked.part else [*PARTS, *PEERS]
    ours = [
        (size, kind, part)
        for size in sizes
        for kind in kinds
        for part in parts
        if part in PARTS and kind != "peers"
    ]
    return ours + [(size, "peers", part) for size in sizes for part in parts if part in PEERS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--size", type=int)
    parser.add_argument("--quantisation", choices=[*QUANTISATIONS, "peers"])
    parser.add_argument("--part", choices=[*PARTS, *PEERS, "show"])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--here", action="store_true", help="in this process; kept in --work")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.here:
        file = asked.work / f"result.{asked.size}.{asked.quantisation}.{asked.part}.json"
        file.write_text(json.dumps(measure(asked), indent=1))
        return
    for size, kind, part in each_part(asked) if asked.part != "show" else []:
        if not (asked.work / f"result.{size}.{kind}.{part}.json").exists():
            sys.stderr.write(f"{size} {kind} {part}\n")
            again = ["--here", f"--size={size}", f"--quantisation={kind}", f"--part={part}"]
            told = [f"--work={asked.work}", f"--queries={asked.queries}"]
            subprocess.run([sys.executable, __file__, *again, *told], check=True)
    sys.stdout.write(show(asked.work))


if __name__ == "__main__":
    main()
