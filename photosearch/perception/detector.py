"""The Detector protocol: a photo in, boxes of the things on it out; knows no model.

What every detector needs beside its model is here too: thinning out boxes that mean the same thing,
and cutting a thing out of its photo, with or without what is behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog.images import MIN_BOX_PX, Box, crop

Boxes = NDArray[np.float64]
"""(n, 4): left, top, right, bottom."""
BEHIND = (255, 255, 255)
"""What is painted where a thing is not: sellers show products on white."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A thing on a photo."""

    box: Box
    """Inside the photo and large enough to be cut out."""
    confidence: float
    """In [0, 1]."""
    name: str
    """Of its class."""
    mask: NDArray[np.bool_] | None = None
    """True where the thing is. Shape (height, width) of the box as `crop` cuts it; None where the
    detector gives no masks."""


class Detector(Protocol):
    """Finds things; may be called from several threads at once."""

    def find(self, photo: Image.Image) -> Sequence[Found]:
        """The things on an RGB photo, surest first; none is an answer too."""
        ...


def cut_out(photo: Image.Image, found: Found, *, keep_background: bool = True) -> Image.Image:
    """The part of the photo that shows a thing; without background, white where it is not.

    Where there is no mask, or an empty one, the background stays.
    """
    part = crop(photo, found.box)
    if keep_background or found.mask is None or not found.mask.any():
        return part
    return Image.composite(part, Image.new("RGB", part.size, BEHIND), Image.fromarray(found.mask))


def overlaps(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each box with each other one, (n, m); 0 for boxes of no area."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clip(0).prod(-1)
    areas, other_areas = ((b[:, 2:] - b[:, :2]).clip(0).prod(-1) for b in (boxes, others))
    union = areas[:, None] + other_areas[None] - shared
    share: NDArray[np.float64] = np.divide(
        shared, union, out=np.zeros_like(shared), where=union > 0
    )
    return share


def thin_out(boxes: Boxes, confidences: NDArray[np.float64], *, overlap_max: float) -> list[int]:
    """Rows of the boxes to keep, surest first: none overlaps a surer one by more than that.

    Source: non-maximum suppression; whatever the classes, for one thing needs one box.
    """
    waiting = np.argsort(-confidences, kind="stable")
    kept: list[int] = []
    while len(waiting):
        surest, waiting = waiting[0], waiting[1:]
        kept.append(int(surest))
        is_other = overlaps(boxes[surest][None], boxes[waiting])[0] <= overlap_max
        waiting = waiting[is_other]
    return kept


def inside(box: Sequence[float], size: tuple[int, int]) -> Box | None:
    """The part of a box that the photo shows; None where that is too small to be cut out.

    Args:
        box: Left, top, right, bottom in pixels, anywhere.
        size: Width and height of the photo.
    """
    width, height = size
    left, right = np.clip((box[0], box[2]), 0, width).tolist()
    top, bottom = np.clip((box[1], box[3]), 0, height).tolist()
    if right - left < MIN_BOX_PX or bottom - top < MIN_BOX_PX:
        return None
    return left, top, right, bottom
