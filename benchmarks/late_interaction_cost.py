"""What late interaction costs: the step, and a graph that gives more than vectors.

All times are of the processor, on one thread, so that other work of the machine counts little.

OMP_NUM_THREADS=1 python benchmarks/late_interaction_cost.py --home home/simulator
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.assembly import find_home
from photosearch.assembly_serving import graph_runtimes
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.export import export_graph
from photosearch.embedding.graph import SIGHT, VECTORS, Golden, GraphEmbedder, read_golden
from photosearch.embedding.layers import Layer
from photosearch.embedding.runtime_choice import Runtime
from photosearch.embedding.short_tokens import Projection, ProjectionManifest
from photosearch.home import Home
from photosearch.progress import configure_logging
from photosearch.release import live_release
from photosearch.search.found import FoundCard, Traits
from photosearch.search.late_interaction import compare_tokens
from photosearch.search.photo_tokens import (
    PhotoTokens,
    TokensManifest,
    open_photo_tokens,
    write_photo_tokens,
)

FOUND, ROUNDS = 100, 300
TURNS, RESAMPLES = 100, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--photos", type=int, default=100_000, help="in the file of tokens")
    asked = parser.parse_args()
    configure_logging()
    for cards in (20, 100):
        tell_step(asked.photos, cards)
    tell_graph(find_home(asked.home))


def tell_step(n_photos: int, cards: int) -> None:
    """Times the step over a file of drawn tokens."""
    dice = np.random.default_rng(7)
    layer = Layer(dice.standard_normal((64, 256)).astype(np.float32), np.zeros(64, np.float32))
    photos = [
        CuratedPhoto(f"c{n:08d}/0", f"c{n:08d}", "gallery", "", "train", is_card_seen=True)
        for n in range(n_photos)
    ]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "tokens"
        write_photo_tokens(
            folder,
            photos,
            lambda batch: dice.standard_normal((len(batch), 8, 256)).astype(np.float32),
            projection=Projection(ProjectionManifest("m", "drawn"), layer),
            manifest=TokensManifest("m", n_photos, cards, 0.5),
        )
        tokens = open_photo_tokens(folder, model_id="m", n_photos=n_photos)
        took_ms = [_step_ms(tokens, photos, dice) for _ in range(ROUNDS)]
        p50, p99 = np.percentile(took_ms, [50, 99])
        n_bytes = sum(path.stat().st_size for path in folder.iterdir()) / n_photos
        sys.stdout.write(
            f"{cards} of {FOUND} cards compared, {n_photos} photos of {n_bytes:.0f} bytes: "
            f"p50 {p50:.3f} ms, p99 {p99:.3f} ms\n"
        )


def _step_ms(tokens: PhotoTokens, photos: list[CuratedPhoto], dice: np.random.Generator) -> float:
    chosen = [photos[row] for row in dice.integers(len(photos), size=FOUND)]
    found = [
        FoundCard(Traits(p.card_id), p.photo_id, c, c)
        for p, c in zip(chosen, dice.random(FOUND).tolist(), strict=True)
    ]
    query = dice.standard_normal((8, 256)).astype(np.float32)
    return _ms(partial(compare_tokens, found, query, tokens))


def tell_graph(home: Home) -> None:
    """Times the graph of the release, and a new one loaded for vectors and for all it sees."""
    release = live_release(home.releases)
    golden = read_golden(release.graph, model=release.model)
    with tempfile.TemporaryDirectory() as made:
        graph = Path(made)
        export_graph(release.model, graph, [Image.fromarray(one) for one in golden.pixels])
        runtimes = [
            Runtime(f"{one.name}, {told}", one.precision, one.load)
            for told, folder, outputs in (
                ("the release's graph", release.graph, (VECTORS,)),
                ("new graph, vectors", graph, (VECTORS,)),
                ("new graph, all outputs", graph, SIGHT),
            )
            for one in graph_runtimes(folder, 1, outputs)
        ]
        embedders = [GraphEmbedder(release.model, one.load()) for one in runtimes]
        took_ms = _in_turns(embedders, golden)
        lines = ["| runtime | precision | ms a photo | median difference to the release's (95%) |"]
        lines.append("|---|---|---|---|")
        n_ways = len(runtimes) // 3
        for number, one in enumerate(runtimes):
            slower = took_ms[:, number] - took_ms[:, number % n_ways]
            low, high = _interval(slower)
            lines.append(
                f"| {one.name} | {one.precision} | {np.median(took_ms[:, number]):.2f} | "
                f"{np.median(slower):+.2f} ({low:+.2f} to {high:+.2f}) |"
            )
        sys.stdout.write("\n".join(lines) + "\n")


def _in_turns(embedders: Sequence[GraphEmbedder], golden: Golden) -> NDArray[np.float64]:
    """Time of each embedder for a photo at each turn, (TURNS, n); each turn in another order."""
    dice = np.random.default_rng(7)
    took_ms = np.zeros((TURNS + 1, len(embedders)))
    for turn in range(TURNS + 1):
        row = turn % len(golden.pixels)
        photo = golden.pixels[row : row + 1]
        for number in dice.permutation(len(embedders)):
            took_ms[turn, number] = _ms(partial(embedders[number].embed_pixels, photo))
    return took_ms[1:]  # the first turn warms up


def _ms(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95% of the bootstrap's medians."""
    rows = np.random.default_rng(7).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[rows], axis=1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
