"""What a box, and painting its background white, do to photo -> card on the simulator.

    OMP_NUM_THREADS=1 python benchmarks/detector_retrieval.py COPY_OF_HOME --scenes 150

Two kinds of queries, both against the gallery pictures of a home of the simulator (world 7, 120
cards), by the model of its live release, 512 numbers:

- scenes of that world with one product, and with two to four, which the home never saw. Each
  product is a query: by the whole photo, its true box, the box that the detector found there (the
  one that overlaps the true box most; the whole photo where none overlaps at all), the same with
  the detector's mask, and the true box with the true mask;
- the home's own query photos (of any home; `--scenes 0` asks nothing else): the whole photo, the
  surest box, the same with the mask. There is no true box; where nothing is found the whole photo
  is the query.

Intervals: bootstrap over scenes or photos, 95%; differences are paired.
"""

import argparse
import io
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from photosearch.catalog.images import Box, load, open_photo
from photosearch.embedding.torch_runtime import TorchEmbedder
from photosearch.evaluation.benchmark import Gallery, PhotoVectors, rank_cards
from photosearch.evaluation.metrics import recall_at_k
from photosearch.evaluation.photo_to_card import load_task
from photosearch.home import Home
from photosearch.perception.detector import Found, cut_out, inside, overlaps
from photosearch.perception.onnx_detector import CLASSES_OF_OURS, OURS, OnnxDetector
from photosearch.progress import configure_logging, track
from photosearch.release import live_release
from photosearch.settings import load_params
from simulator.dice import dice
from simulator.scenes import ShownProduct, make_scene
from simulator.world import World, card_id

WORLD = World(7, 120)
FIRST_SCENE = 1_000_000
HOMES = "the home's query photos"
RESAMPLES = 2000
Pictures = dict[str, list[Image.Image]]
"""What is asked with, by how it was cut; one list place a query."""


def scene_queries(
    detector: OnnxDetector, counts: Sequence[int], n_scenes: int
) -> tuple[Pictures, list[str], list[int]]:
    """Pictures, card and scene of each query."""
    pictures: Pictures = defaultdict(list)
    cards, scenes = [], []
    for number in track(range(n_scenes), "scenes", n_scenes):
        chance = dice("retrieval", counts[0], number)
        shown = chance.choice(WORLD.n_cards, int(chance.choice(counts)), replace=False).tolist()
        scene = make_scene(WORLD, FIRST_SCENE + 1000 * counts[0] + number, cards=shown)
        content = io.BytesIO()
        scene.image.save(content, "JPEG", quality=75)
        photo = open_photo(content.getvalue(), name="scene")
        things = detector.find(photo)
        for product in scene.products:
            for name, picture in _cuts(photo, product, things).items():
                pictures[name].append(picture)
            cards.append(card_id(product.card))
            scenes.append(number)
    return pictures, cards, scenes


def _cuts(
    photo: Image.Image, product: ShownProduct, things: Sequence[Found]
) -> dict[str, Image.Image]:
    left, top, right, bottom = product.box
    box: Box = inside(product.box, photo.size) or (0.0, 0.0, *map(float, photo.size))
    mask = product.mask[top:bottom, left:right]
    true = Found(box, 1.0, "product", mask)
    nearest = _nearest(things, product.box)
    return {
        "whole photo": photo,
        "true box": cut_out(photo, true),
        "true box and mask": cut_out(photo, true, keep_background=False),
        "found box": photo if nearest is None else cut_out(photo, nearest),
        "found box and mask": photo
        if nearest is None
        else cut_out(photo, nearest, keep_background=False),
    }


def _nearest(things: Sequence[Found], box: Sequence[float]) -> Found | None:
    if not things:
        return None
    shared = overlaps(np.array([thing.box for thing in things]), np.array([box], float))[:, 0]
    return things[int(shared.argmax())] if shared.max() > 0 else None


def home_queries(detector: OnnxDetector, home: Home) -> tuple[Pictures, list[str], list[int]]:
    """Pictures and card of each query photo of the home."""
    pictures: Pictures = defaultdict(list)
    queries = load_task(home).queries
    n_found = 0
    for query in track(queries, "query photos", len(queries)):
        photo = load(home.images, query.sha256)
        things = detector.find(photo)
        n_found += bool(things)
        pictures["whole photo"].append(photo)
        pictures["surest box"].append(cut_out(photo, things[0]) if things else photo)
        pictures["surest box and mask"].append(
            cut_out(photo, things[0], keep_background=False) if things else photo
        )
    sys.stdout.write(f"\nsomething found on {n_found} of {len(queries)} query photos\n")
    return pictures, [query.card_id for query in queries], list(range(len(queries)))


def table(
    embedder: TorchEmbedder, home: Home, queries: tuple[Pictures, list[str], list[int]]
) -> str:
    """recall@1 of each way to cut, and its difference to the whole photo."""
    pictures, cards, units = queries
    task = load_task(home)
    gallery_photos = [load(home.images, photo.sha256) for photo in task.gallery]
    gallery = Gallery(
        [photo.card_id for photo in task.gallery],
        [task.group_of_card[photo.card_id] for photo in task.gallery],
        embedder.embed(gallery_photos),
    )
    groups = [task.group_of_card[card] for card in cards]
    rows = [
        f"{len(cards)} queries",
        "",
        "| cut | recall@1 | 95% | against the whole photo | 95% |",
        "|---|---|---|---|---|",
    ]
    right = {}
    for name, cut in pictures.items():
        ranking = rank_cards(PhotoVectors(groups, embedder.embed(cut)), gallery, length=512)
        right[name] = recall_at_k(ranking.found, ranking.n_relevant, 1)
        gain = right[name] - right["whole photo"]
        low, high = _interval(right[name], units)
        least, most = _interval(gain, units)
        rows.append(
            f"| {name} | {right[name].mean():.3f} | {low:.3f} to {high:.3f} | "
            f"{gain.mean():+.3f} | {least:+.3f} to {most:+.3f} |"
        )
    for name in [name for name in right if name.endswith("and mask")]:
        change = right[name] - right[name.removesuffix(" and mask")]
        low, high = _interval(change, units)
        rows.append(f"\n{name}, the mask alone: {change.mean():+.3f} ({low:+.3f} to {high:+.3f})")
    return "\n".join(rows)


def _interval(values: np.ndarray, units: Sequence[int]) -> tuple[float, float]:
    """Bootstrap over scenes or photos."""
    names, place = np.unique(units, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    chance = np.random.default_rng(7)
    drawn = chance.integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.percentile(means, (2.5, 97.5)).tolist()
    return low, high


def main() -> None:
    """Prints the tables."""
    configure_logging()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--scenes", type=int, default=150, help="of each kind; 0: no scenes")
    parser.add_argument("--detector", type=Path, default=OURS)
    arguments = parser.parse_args()
    home = Home(arguments.home.resolve())
    params = load_params(Path("simulator/params.yaml")).detector
    detector = OnnxDetector(
        arguments.detector,
        format_="ours",
        classes=CLASSES_OF_OURS,
        confidence_min=params.confidence_min,
        overlap_max=params.overlap_max,
        keep_masks=True,
        threads=1,
    )
    embedder = TorchEmbedder(live_release(home.releases).model)
    kinds = {
        "scenes with one product": lambda: scene_queries(detector, (1,), arguments.scenes),
        "scenes with two to four": lambda: scene_queries(detector, (2, 3, 4), arguments.scenes),
        HOMES: lambda: home_queries(detector, home),
    }
    asked = kinds if arguments.scenes else {HOMES: kinds[HOMES]}
    for name, queries in asked.items():
        sys.stdout.write(f"\n{name}: {table(embedder, home, queries())}\n")


if __name__ == "__main__":
    main()
