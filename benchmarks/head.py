"""What each technique of the attention head is worth: photo -> card, cards never seen in training.

    python benchmarks/head.py --home home/simulator --seeds 3

Trains heads on the token cache of a home, which stays as it is, with one setting changed at a
time. A figure is the mean over queries and seeds; its interval is a bootstrap over queries.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from photosearch.assembly import load_settings
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.head import AttentionHead
from photosearch.embedding.model import mean_pooling_of, read_model
from photosearch.evaluation.benchmark import measure
from photosearch.evaluation.photo_to_card import (
    Task,
    cached_vectors,
    load_task,
    mean_vectors,
    rank_task,
)
from photosearch.head_settings import HeadParams
from photosearch.home import Home
from photosearch.progress import configure_logging, track
from training.fit import TrainReport, train_head

LENGTHS = (512, 256, 128, 64)
VARIANTS: dict[str, dict[str, Any]] = {
    "UnLearnable token, Matryoshka, fixed temperature": {},
    "learned query": {"query": "learned"},
    "learned temperature": {"learn_temperature": True},
    "no Matryoshka": {"lengths": [512]},
    "hard negatives, 5 a photo": {"hard_negatives": 5},
}
FROM_IDENTITY: dict[str, dict[str, Any]] = {
    "the first row, but started at mean pooling": {},
    "no Matryoshka, started at mean pooling": {"lengths": [512]},
}
RESAMPLES = 2000

Figures = dict[int, NDArray[np.float64]]
"""recall@1 by vector length, one number a query."""


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    figures: Figures
    """Means over seeds."""
    reports: list[TrainReport]


def main() -> None:
    """Prints the tables of docs/experiments/head.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="one that has been trained")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    configure_logging()
    settings = load_settings(arguments.home)
    head = settings.params.head.model_copy(update={"query": "anchored", "learn_temperature": False})
    task = load_task(settings.home)
    rows = [*_without_a_head(settings.home, task)]
    with _work_beside(settings.home) as work:
        rows += [
            _trained(work, task, head.model_copy(update=changes), name, seeds=arguments.seeds)
            for name, changes in VARIANTS.items()
        ]
        with mock.patch.object(AttentionHead, "start_at"):  # stays the identity
            rows += [
                _trained(work, task, head.model_copy(update=changes), name, seeds=arguments.seeds)
                for name, changes in FROM_IDENTITY.items()
            ]
    for title, chosen in (("never seen", ~task.is_seen), ("all", np.ones(len(task.queries), bool))):
        sys.stdout.write(_table(rows, chosen, title))
    sys.stdout.write(_entropies(rows, head.tokens))


def _without_a_head(home: Home, task: Task) -> Iterator[Measured]:
    mean = mean_pooling_of(read_model(home.candidate).head)
    yield Measured("mean pooling", _figures(task, mean_vectors(home, mean), LENGTHS), [])
    tower = OpenClipTower(home.tower)
    own = _figures(task, _tower_vectors(home, tower), [256])
    yield Measured("the tower's own vector (256)", own, [])


def _tower_vectors(home: Home, tower: OpenClipTower) -> VectorsOf:
    from photosearch.catalog.images import load

    def vectors_of(photos: Sequence[CuratedPhoto]) -> Vectors:
        starts = range(0, len(photos), 64)
        return np.concatenate([
            tower.embed_photos([load(home.images, p.sha256) for p in photos[n : n + 64]])
            for n in track(starts, "batches by the tower", len(starts))
        ])  # fmt: skip

    return vectors_of


def _trained(work: Home, task: Task, head: HeadParams, name: str, *, seeds: int) -> Measured:
    reports, by_seed = [], []
    for seed in range(seeds):
        reports.append(train_head(work, head.model_copy(update={"seed": seed})))
        by_seed.append(_figures(task, cached_vectors(work, work.candidate), LENGTHS))
    figures = {length: np.mean([one[length] for one in by_seed], axis=0) for length in LENGTHS}
    return Measured(name, figures, reports)


def _figures(task: Task, vectors_of: VectorsOf, lengths: Sequence[int]) -> Figures:
    rankings = rank_task(task, vectors_of, lengths)
    return {length: measure(ranking)["recall_at_1"] for length, ranking in rankings.items()}


@contextmanager
def _work_beside(home: Home) -> Iterator[Home]:
    """A home that shares everything with `home` but the candidate."""
    with tempfile.TemporaryDirectory() as folder:
        work = Home(Path(folder))
        work.build.mkdir()
        work.data.symlink_to(home.data)
        for part in (home.tower, home.tokens, home.curated):
            (work.build / part.name).symlink_to(part)
        yield work


def _table(rows: Sequence[Measured], chosen: NDArray[np.bool_], title: str) -> str:
    head = f"\n{title}, {chosen.sum()} queries, recall@1 (95% interval):\n\n| |"
    lines = [head + "".join(f" {length} |" for length in LENGTHS), "|---" * 5 + "|"]
    for row in rows:
        told = [_told(row.figures[n][chosen]) if n in row.figures else "" for n in LENGTHS]
        lines.append(f"| {row.name} | " + " | ".join(told) + " |")
    return "\n".join(lines) + "\n"


def _told(figures: NDArray[np.float64]) -> str:
    dice = np.random.default_rng(0)
    means = figures[dice.integers(0, len(figures), (RESAMPLES, len(figures)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{figures.mean():.3f} ({low:.2f} to {high:.2f})"


def _entropies(rows: Sequence[Measured], n_tokens: int) -> str:
    lines = [
        f"\nEntropy of the pooling attention, nats; all {n_tokens} tokens alike would be "
        f"{math.log(n_tokens):.2f}. First seed, then the temperature at the end:\n"
    ]
    for row in rows:
        if row.reports:
            told = " ".join(f"{entropy:.2f}" for entropy in row.reports[0].pooling_entropy)
            lines.append(f"- {row.name}: {told}; {row.reports[0].temperature}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
