"""How a held-out photo asks: whole, by the box of the product, by a wrong box, or spoilt."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from photosearch.catalog.images import MIN_BOX_PX, Box, crop
from photosearch.catalog.schemas import CuratedPhoto, DrawnBox
from photosearch.catalog.tables import read_rows
from photosearch.evaluation import corruptions
from photosearch.judging_settings import BenchmarkParams

WHOLE, BOX, WRONG_BOX = "whole photo", "box", "wrong box"
CORRUPTIONS = ("crop", "rotation", "screenshot", "compression", "dark")
VIEWS = (WHOLE, BOX, WRONG_BOX, *CORRUPTIONS)


def drawn_boxes(path: Path) -> dict[str, DrawnBox]:
    """The largest box that people drew on each photo, by photo_id; empty where there are none."""
    boxes: dict[str, DrawnBox] = {}
    for box in read_rows(path, DrawnBox) if path.exists() else []:
        if box.photo_id not in boxes or _area(box) > _area(boxes[box.photo_id]):
            boxes[box.photo_id] = box
    return boxes


def seen_as(
    view: str,
    photo: Image.Image,
    of: CuratedPhoto,
    *,
    drawn: Mapping[str, DrawnBox],
    strength: BenchmarkParams,
) -> Image.Image:
    """The photo as a view shows it; chance hangs on the seed, the view and the photo's content.

    Args:
        view: One of VIEWS.
        photo: RGB.
        of: Names the photo.
        drawn: Boxes of people; where there is none, the product is taken to be in the middle.
        strength: How far views go from the photo.
    """
    random = np.random.default_rng([strength.seed, VIEWS.index(view), int(of.sha256[:12], 16)])
    if view in CORRUPTIONS:
        return corrupted(view, photo, strength, random)
    box = box_of(drawn.get(of.photo_id), photo.size, strength.middle_side)
    match view:
        case "box":
            return crop(photo, box)
        case "wrong box":
            return crop(photo, wrong_box(box, photo.size, strength.wrong_box_shift, random))
    return photo


def corrupted(
    name: str, photo: Image.Image, strength: BenchmarkParams, random: np.random.Generator
) -> Image.Image:
    """The photo after one of CORRUPTIONS."""
    match name:
        case "crop":
            return corruptions.cropped(photo, strength.crop_side, random)
        case "rotation":
            return corruptions.rotated(photo, strength.turn_degrees, random)
        case "screenshot":
            return corruptions.screenshot(photo, random)
        case "compression":
            return corruptions.compressed(photo, strength.jpeg_quality, strength.jpeg_side_px)
        case "dark":
            return corruptions.darkened(photo, strength.dark_light, random)
    raise ValueError(f"{name!r} is not one of {', '.join(CORRUPTIONS)}.")


def box_of(drawn: DrawnBox | None, size: tuple[int, int], middle_side: float) -> Box:
    """The drawn box in pixels, or the middle of the photo; inside it and not too small to cut."""
    low = (1 - middle_side) / 2
    shares = (low, low, 1 - low, 1 - low)
    if drawn is not None:
        shares = (drawn.left, drawn.top, drawn.right, drawn.bottom)
    sides = (*size, *size)
    return _inside([share * side for share, side in zip(shares, sides, strict=True)], size)


def wrong_box(box: Box, size: tuple[int, int], shift: float, random: np.random.Generator) -> Box:
    """A box moved by `shift` of its sides in any direction, each side 0.7 to 1.4 times as long."""
    left, top, right, bottom = box
    angle = float(random.uniform(0, 2 * np.pi))
    width, height = (np.array([right - left, bottom - top]) * random.uniform(0.7, 1.4, 2)).tolist()
    x = (left + right) / 2 + shift * (right - left) * np.cos(angle)
    y = (top + bottom) / 2 + shift * (bottom - top) * np.sin(angle)
    return _inside([x - width / 2, y - height / 2, x + width / 2, y + height / 2], size)


def _inside(box: Sequence[float], size: tuple[int, int]) -> Box:
    """The part of a box that is inside the photo, made 8 pixels wide and high where it is less."""
    low = [min(max(0.0, box[n]), size[n] - MIN_BOX_PX) for n in (0, 1)]
    high = [max(min(float(size[n]), box[n + 2]), low[n] + MIN_BOX_PX) for n in (0, 1)]
    return low[0], low[1], high[0], high[1]


def _area(box: DrawnBox) -> float:
    return (box.right - box.left) * (box.bottom - box.top)
