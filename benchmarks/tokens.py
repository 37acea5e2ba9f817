"""What a form of cached tokens costs, and whether training waits for them.

    python benchmarks/tokens.py --home home/simulator --seeds 2

Caches the tokens of a home's photos in each form, trains heads on them with the home's settings,
and asks photo -> card. Then trains the same head on the home's own cache and on the same rows
held in memory, in turns. The home stays as it is.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from photosearch.assembly import load_settings
from photosearch.catalog.schemas import Card, Label
from photosearch.catalog.tables import read_rows
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.tokens import cache_tokens, open_tokens
from photosearch.evaluation.benchmark import measure
from photosearch.evaluation.photo_to_card import cached_vectors, load_task, rank_task
from photosearch.head_settings import HeadParams
from photosearch.home import Home
from photosearch.progress import configure_logging
from photosearch.settings import Settings
from training.data import TokenBatches
from training.fit import set_up, train_head
from training.lightning_fit import fit
from training.products import products_from_labels

FORMS = [("bf16", 1), ("int8", 1), ("bf16", 2), ("int8", 2)]
LENGTHS = (512, 64)
TURNS = 3


class InMemory(TokenBatches):
    """The same rows, read once."""

    def __init__(self, stored: TokenBatches) -> None:
        super().__init__(stored.cache, stored.products.tolist())
        self.tokens = stored.cache.read(range(len(stored)))

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        return self.tokens[rows], self.products[rows]


def main() -> None:
    """Prints the tables of docs/experiments/tokens.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="one that has been trained")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    configure_logging()
    settings = load_settings(arguments.home)
    say("| form | squares | tokens | KB a row | recall@1 at 512 | at 64 |")
    say("|---|---|---|---|---|---|")
    for form, pool in FORMS:
        with home_beside(settings.home) as work:
            tell_form(work, settings, form=form, pool=pool, seeds=arguments.seeds)
    logging.getLogger().setLevel(logging.WARNING)
    tell_speed(settings.home, settings.params.head)


def tell_form(work: Home, settings: Settings, *, form: str, pool: int, seeds: int) -> None:
    """One row: bytes, and recall@1 of heads trained on this form, mean over seeds."""
    tokens = settings.params.tokens.model_copy(update={"form": form, "pool": pool})
    report = cache_tokens(work, OpenClipTower(work.tower, pool=pool), tokens=tokens)
    task, by_seed = load_task(work), []
    for seed in range(seeds):
        train_head(work, settings.params.head.model_copy(update={"seed": seed}))
        rankings = rank_task(task, cached_vectors(work, work.candidate), LENGTHS)
        by_seed.append([measure(rankings[n])["recall_at_1"].mean() for n in LENGTHS])
    told = " | ".join(f"{recall:.3f}" for recall in np.mean(by_seed, axis=0))
    kilobytes = report.bytes_a_row / 1000
    say(f"| {form} | {pool}x{pool} | {report.n_tokens} | {kilobytes:.1f} | {told} |")


def tell_speed(home: Home, head: HeadParams) -> None:
    """Steps a second from the cache and from memory, in turns."""
    cache = open_tokens(home.tokens)
    cards = read_rows(home.curated / "cards.parquet", Card)
    labels = read_rows(home.labels, Label)
    products = products_from_labels(cards, {r.photo_id: r.card_id for r in cache.rows}, labels)
    rates: dict[str, list[float]] = {"cache": [], "memory": []}
    for _ in range(TURNS):
        for place, of_place in rates.items():
            start = set_up(cache, products, head)
            batches = InMemory(start.batches) if place == "memory" else start.batches
            loader = DataLoader(batches, batch_sampler=start.sampler, collate_fn=lambda b: b)
            with tempfile.TemporaryDirectory() as resume:
                begun = time.monotonic()
                fit(start.module, loader, doing=place, epochs=head.epochs, resume=Path(resume))
            of_place.append(head.epochs * len(start.sampler) / (time.monotonic() - begun))
    ratios = [one / other for one, other in zip(rates["cache"], rates["memory"], strict=True)]
    for place, of_place in rates.items():
        say(f"- {place}: {np.median(of_place):.1f} steps/s (median of {TURNS})")
    say(f"- ratio of the pairs: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    say(f"- threads: {torch.get_num_threads()}, batch {head.batch}, tokens {cache.shape}")


@contextmanager
def home_beside(home: Home) -> Iterator[Home]:
    """A home that shares everything with `home` but tokens and candidate."""
    with tempfile.TemporaryDirectory() as folder:
        work = Home(Path(folder))
        work.build.mkdir()
        work.data.symlink_to(home.data)
        for part in (home.tower, home.curated):
            (work.build / part.name).symlink_to(part)
        yield work


def say(line: str) -> None:
    """A line of the tables, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
