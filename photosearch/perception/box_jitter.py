"""Moves a product's box as detectors and hurried shoppers do: shifted, scaled, wrongly chosen.

Knows no detector and no pixels; for training on crops that are as wrong as those of real queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photosearch.catalog.images import MIN_BOX_PX, Box

WRONG_SIDES = (0.45, 0.8)
"""Sides of a wrongly chosen box where no other thing is known, as shares of the product's: its IoU
with the product is then at most .64, its place inside the product is chance."""


@dataclass(frozen=True, slots=True)
class Jitter:
    """How far a box may go wrong."""

    shift: float = 0.1
    """Standard deviation of the centre's move, as a share of the box's own width or height."""
    scale: float = 0.15
    """Standard deviation of the logarithm of each side's factor: .15 is mostly .75 to 1.35."""
    wrong: float = 0.05
    """Share of boxes wrongly chosen: another thing on the photo, or a part of the product."""


def jitter_box(
    box: Box,
    size: tuple[int, int],
    rng: np.random.Generator,
    jitter: Jitter,
    others: Sequence[Box] = (),
) -> Box:
    """A box as a detector might have given it; the same state of `rng` gives the same box.

    Args:
        box: Round the product, inside the photo.
        size: Width and height of the photo in pixels.
        rng: Five numbers are drawn from it, whatever happens, so that boxes stay comparable
            between settings.
        jitter: How far it may go.
        others: Boxes of other things on the photo, from which a wrong one is chosen.

    Returns:
        In whole pixels, inside the photo, at least 8 wide and high: `catalog.images.crop` takes it.

    Raises:
        ValueError: The photo is smaller than 8 pixels.
    """
    if min(size) < MIN_BOX_PX:
        raise ValueError(f"A photo of {size} has no room for a box. Leave such photos out.")
    luck = float(rng.random())
    moves, factors = rng.standard_normal(2), rng.standard_normal(2)
    if luck < jitter.wrong:
        share = luck / jitter.wrong  # uniform in [0, 1) once we know that the box is wrong
        box = others[int(share * len(others))] if others else _part(box, share, moves)
    left, top, right, bottom = box
    centre = np.array([left + right, top + bottom]) / 2
    sides = np.array([right - left, bottom - top])
    centre = centre + jitter.shift * moves * sides
    return _inside(centre, sides * np.exp(jitter.scale * factors), size)


def jittered_boxes(
    found: Sequence[Box], size: tuple[int, int], wanted: int, *, jitter: Jitter, seed: int
) -> list[Box]:
    """Boxes round the surest thing as real queries might have them; none where nothing was found.

    Args:
        found: Boxes of the things on a photo, surest first.
        size: Width and height of the photo in pixels.
        wanted: Boxes to draw.
        jitter: How far they may go.
        seed: Equal seeds give equal boxes.
    """
    rng = np.random.default_rng(seed)
    return [
        jitter_box(found[0], size, rng, jitter, found[1:]) for _ in range(wanted if found else 0)
    ]


def _part(box: Box, share: float, moves: np.ndarray) -> Box:
    """A part of the product, somewhere in it: `share` tells how large, `moves` where."""
    left, top, right, bottom = box
    sides = np.array([right - left, bottom - top])
    part = sides * (WRONG_SIDES[0] + (WRONG_SIDES[1] - WRONG_SIDES[0]) * share)
    x, y = (np.array([left, top]) + (sides - part) * (0.5 + np.arctan(moves) / np.pi)).tolist()
    return x, y, x + float(part[0]), y + float(part[1])


def _inside(centre: np.ndarray, sides: np.ndarray, size: tuple[int, int]) -> Box:
    """The part of a box that the photo shows, made 8 pixels wide and high where it is less."""
    most = np.array(size, float)
    low = np.clip((centre - sides / 2).round(), 0, most - MIN_BOX_PX)
    high = np.clip((centre + sides / 2).round(), low + MIN_BOX_PX, most)
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    return left, top, right, bottom
