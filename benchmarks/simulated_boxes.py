"""Writes data/labels/boxes.parquet of a simulator's home: where the product of each query lies.

The simulator's own drawing is watched: the product alone, without its shadow, on the same scene.

python benchmarks/simulated_boxes.py --home home/simulator
"""

import argparse
import copy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from photosearch.assembly import load_settings
from photosearch.catalog.schemas import CuratedPhoto, DrawnBox
from photosearch.catalog.tables import write_table
from photosearch.evaluation.photo_to_card import load_task
from simulator import pictures
from simulator.camera import Shot, place_object
from simulator.photos import find_picture, truth
from simulator.world import World

Pixels = tuple[int, int, int, int]


class Watched:
    """Takes the place of `place_object` in simulator/pictures.py: draws, and remembers where."""

    def __init__(self) -> None:
        self.size, self.box = (0, 0), (0, 0, 0, 0)

    def __call__(
        self, scene: Image.Image, thing: Image.Image, shot: Shot, chance: np.random.Generator
    ) -> None:
        alone = scene.copy()
        place_object(alone, thing, replace(shot, shadow=0.0), copy.deepcopy(chance))
        self.size = scene.size
        self.box = ImageChops.difference(alone, scene).getbbox() or (0, 0, *scene.size)
        place_object(scene, thing, shot, chance)


def box_of(photo: CuratedPhoto, world: World, image: str, watched: Watched) -> DrawnBox:
    """The part of the photo that the product takes."""
    pictures.render(world, find_picture(world, image))
    left, top, right, bottom = watched.box
    width, height = watched.size
    return DrawnBox(
        photo.photo_id, photo.sha256, left / width, top / height, right / width, bottom / height,
        "simulator", "2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def main() -> None:
    """Writes a box for each query."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(parser.parse_args().home)
    world = World(settings.params.simulator.seed, settings.params.simulator.cards)
    told = [truth(world, number)["pictures"] for number in range(world.n_cards)]
    image_of = {
        picture["photo_id"]: picture["image"].rpartition("/")[2]
        for of_card in told
        for picture in of_card  # type: ignore[attr-defined]
    }
    watched = Watched()
    pictures.place_object = watched  # type: ignore[assignment, attr-defined]
    boxes = [
        box_of(photo, world, image_of[photo.photo_id], watched)
        for photo in load_task(settings.home).queries
    ]
    write_table(settings.home.boxes, DrawnBox, boxes)
    shares = [(box.right - box.left) * (box.bottom - box.top) for box in boxes]
    sys.stdout.write(f"{len(boxes)} boxes, {np.median(shares):.2f} of the photo in the middle\n")


if __name__ == "__main__":
    main()
