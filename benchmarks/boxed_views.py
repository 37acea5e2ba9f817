"""What views cut out by the detector's boxes do for queries that are cut so, and for whole photos.

    python benchmarks/boxed_views.py --home home/simulator --seeds 2

Caches the tokens of a home's photos with 0, 1 and 2 of 3 augmented views cut by the detector's
box, moved as params.yaml says, and trains heads on them. Its query photos then ask for cards by
the whole photo, by the detector's surest box, and by that box moved twice as far. The home stays as
it is. Intervals: bootstrap over queries, 95%; differences are paired.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tokens import home_beside

from photosearch.assembly import boxed_views, load_settings
from photosearch.assembly_perception import load_detector
from photosearch.catalog.images import crop, load
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.model import read_model
from photosearch.embedding.tokens import cache_tokens
from photosearch.embedding.torch_runtime import load_head, pool_tokens
from photosearch.evaluation.benchmark import Gallery, PhotoVectors, measure, rank_cards
from photosearch.evaluation.photo_to_card import Task, cached_vectors, load_task
from photosearch.head_settings import BoxedViewsParams
from photosearch.home import Home
from photosearch.perception.box_jitter import Jitter, jittered_boxes
from photosearch.progress import configure_logging, track
from photosearch.settings import Settings
from training.fit import train_head

MOVED = BoxedViewsParams(views=1, shift=0.1, scale=0.15, wrong=0.05)
FAR = Jitter(shift=0.2, scale=0.3, wrong=0.1)
RESAMPLES = 2000
BATCH = 64

Figures = dict[str, NDArray[np.float64]]
"""recall@1 of each query, mean over seeds, by how the query was cut."""


def main() -> None:
    """Prints the table of docs/experiments/head.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="one that has been trained")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    configure_logging()
    settings = load_settings(arguments.home)
    task = load_task(settings.home)
    asked = dict(_asked(settings, task))
    rows = {n: _figures(settings, task, asked, n, arguments.seeds) for n in (0, 1, 2)}
    sys.stdout.write("| boxed views |" + "".join(f" {cut} |" for cut in asked) + "\n|---")
    sys.stdout.write("|---" * len(asked) + "|\n")
    for n, figures in rows.items():
        told = " | ".join(_told(figures[cut], rows[0][cut] if n else None) for cut in asked)
        sys.stdout.write(f"| {n} of 3 | {told} |\n")
    sys.stdout.write(f"\n{len(task.queries)} queries\n")


def _asked(settings: Settings, task: Task) -> Iterator[tuple[str, Vectors]]:
    """Tokens of the queries by how they are cut."""
    home = settings.home
    detector = load_detector(settings.params.detector, home)
    if detector is None:
        raise SystemExit("The home has no detector (detector.model is none).")
    tower = OpenClipTower(home.tower)

    def whole(photo: Image.Image, _: int) -> Image.Image:
        return photo

    def boxed(photo: Image.Image, _: int) -> Image.Image:
        found = detector.find(photo)
        return crop(photo, found[0].box) if found else photo

    def moved(photo: Image.Image, seed: int) -> Image.Image:
        boxes = [found.box for found in detector.find(photo)]
        drawn = jittered_boxes(boxes, photo.size, 1, jitter=FAR, seed=seed)
        return crop(photo, drawn[0]) if drawn else photo

    cuts: dict[str, Callable[[Image.Image, int], Image.Image]] = {
        "whole photo": whole, "surest box": boxed, "moved box": moved,
    }  # fmt: skip
    for name, cut in cuts.items():
        starts = range(0, len(task.queries), BATCH)
        yield name, np.concatenate([
            tower.tokens([
                cut(load(home.images, query.sha256), int(query.sha256[:12], 16))
                for query in task.queries[start : start + BATCH]
            ])
            for start in track(starts, f"tokens of queries, {name}", len(starts))
        ])  # fmt: skip


def _figures(
    settings: Settings, task: Task, asked: dict[str, Vectors], n_boxed: int, seeds: int
) -> Figures:
    by_seed: dict[str, list[NDArray[np.float64]]] = {cut: [] for cut in asked}
    with home_beside(settings.home) as work:
        _cache(settings, work, n_boxed)
        for seed in range(seeds):
            train_head(work, settings.params.head.model_copy(update={"seed": seed}))
            for cut, tokens in asked.items():
                by_seed[cut].append(_recall_at_1(work, task, tokens))
    return {cut: np.mean(of_cut, axis=0) for cut, of_cut in by_seed.items()}


def _cache(settings: Settings, work: Home, n_boxed: int) -> None:
    boxed = MOVED.model_copy(update={"views": n_boxed}) if n_boxed else None
    tokens = settings.params.tokens.model_copy(update={"boxed": boxed})
    params = settings.params.model_copy(update={"tokens": tokens})
    views = boxed_views(settings.model_copy(update={"params": params}))
    cache_tokens(work, OpenClipTower(work.tower, pool=tokens.pool), tokens=tokens, boxed=views)


def _recall_at_1(work: Home, task: Task, tokens: Vectors) -> NDArray[np.float64]:
    manifest = read_model(work.candidate)
    head = load_head(work.candidate, manifest)
    groups = [task.group_of_card[photo.card_id] for photo in task.queries]
    gallery_groups = [task.group_of_card[photo.card_id] for photo in task.gallery]
    card_ids = [photo.card_id for photo in task.gallery]
    vectors = cached_vectors(work, work.candidate)(task.gallery)
    gallery = Gallery(card_ids, gallery_groups, vectors)
    queries = PhotoVectors(groups, pool_tokens(head, tokens))
    return measure(rank_cards(queries, gallery, length=manifest.head.out))["recall_at_1"]


def _told(figures: NDArray[np.float64], without: NDArray[np.float64] | None) -> str:
    if without is None:
        return f"{figures.mean():.3f}"
    gain = figures - without
    dice = np.random.default_rng(0)
    means = gain[dice.integers(0, len(gain), (RESAMPLES, len(gain)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{figures.mean():.3f} ({gain.mean():+.3f}: {low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    main()
