"""Ranks galleries of growing size by the benchmark's own search: seconds and memory.

Vectors are made by chance, three photos a card, and lie in a file that is mapped into memory.
Memory is what the process holds without the pages of mapped files, which the system takes back
when it needs them: before ranking (ids and queries) and the most while it ranks.

OMP_NUM_THREADS=1 python benchmarks/evaluation.py --photos 10000 100000 1000000 --kept /tmp/gallery
"""

import argparse
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors, unit
from photosearch.evaluation.asked import Asked, StoredCards, answer

PHOTOS_A_CARD = 3
ROWS_AT_ONCE = 10_000
LENGTHS = (512, 256, 128, 64)
MEGABYTE = 2**20
HEADER = (
    "| photos | file, MB | length | seconds | memory before, MB | most while ranking, MB "
    "| recall@1 |"
)


@dataclass(frozen=True, slots=True)
class Made:
    gallery: StoredCards
    queries: Vectors
    asked: Asked


def make(path: Path, n_photos: int, dim: int, n_queries: int) -> Made:
    """A gallery in a file, and queries that are noisy photos of its first cards."""
    stored = np.memmap(path, np.float32, "w+", shape=(n_photos, dim))
    card_of_photo = np.arange(n_photos) // PHOTOS_A_CARD
    for start in range(0, n_photos, ROWS_AT_ONCE):
        cards = card_of_photo[start : start + ROWS_AT_ONCE]
        stored[start : start + len(cards)] = _vectors(cards, dim, seed=start + 1)
    stored.flush()
    n_cards = int(card_of_photo[-1]) + 1
    card_ids = [f"c{number:07}" for number in range(n_cards)]
    wanted = np.linspace(0, n_cards - 1, n_queries).astype(np.int64)
    names = [card_ids[number] for number in wanted]
    asked = Asked(names, names, names, [frozenset({name}) for name in names],
                  [frozenset()] * n_queries)  # fmt: skip
    mapped = np.memmap(path, np.float32, "r", shape=(n_photos, dim))
    return Made(StoredCards(card_ids, card_of_photo, mapped), _vectors(wanted, dim, seed=0), asked)


def _vectors(cards: NDArray[np.int64], dim: int, *, seed: int) -> Vectors:
    """A card's own direction, the same at each call, and as much noise."""
    centres = np.stack(
        [np.random.default_rng(card).standard_normal(dim, np.float32) for card in cards.tolist()]
    )
    noise = np.random.default_rng([seed, 7]).standard_normal(centres.shape, np.float32)
    return unit(centres + noise)


class Watch(threading.Thread):
    """Looks at the process's own memory every 20 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.most = own_memory()
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, own_memory())

    def stop(self) -> None:
        self._done.set()
        self.join()


def own_memory() -> int:
    """Bytes that are nobody's file: RssAnon of the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def main() -> None:
    """Prints a row for each gallery and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--kept", type=Path, required=True, help="folder for the vectors")
    options = parser.parse_args()
    options.kept.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"{options.queries} queries\n{HEADER}\n|---|---|---|---|---|---|---|\n")
    for n_photos in options.photos:
        path = options.kept / f"{n_photos}.f32"
        made = make(path, n_photos, max(LENGTHS), options.queries)
        for length in LENGTHS:
            watch = Watch()
            watch.start()
            started = time.perf_counter()
            answered = answer(made.asked, made.queries, made.gallery, length=length)
            seconds = time.perf_counter() - started
            watch.stop()
            sys.stdout.write(
                f"| {n_photos} | {path.stat().st_size / MEGABYTE:.0f} | {length} | {seconds:.1f} "
                f"| {watch.before / MEGABYTE:.0f} | {watch.most / MEGABYTE:.0f} "
                f"| {answered.per_query['recall_at_1'].mean():.3f} |\n"
            )
            sys.stdout.flush()
        path.unlink()


if __name__ == "__main__":
    main()
