"""Photos with boxes round their products, from people or from the simulator; knows no detector.

Both write a table with one row a box (columns sha256, left, top, right, bottom; sides in shares of
the photo's) beside photos that are named by their content. The simulator also knows masks, and
which photos show no product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog.images import load, path_of
from photosearch.errors import BadTable
from photosearch.home import Home
from photosearch.progress import track

COLUMNS = ["sha256", "left", "top", "right", "bottom"]
MIN_SIDE = 0.01
"""Narrower boxes, in shares of the photo, are slips of the hand: left out."""


@dataclass(frozen=True, slots=True)
class BoxedPhoto:
    photo: Path
    boxes: NDArray[np.float32]
    """(n, 4): left, top, right, bottom in shares of the turned photo's sides; n may be 0."""
    mask: Path | None = None
    """White where a product is; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class BoxedPixels:
    """Photos in memory, all squashed to squares of one side."""

    pixels: NDArray[np.uint8]
    """(n, side, side, 3)."""
    masks: NDArray[np.uint8]
    """(n, side, side): 255 product, 0 none, UNKNOWN where nobody knows."""
    boxes: list[NDArray[np.float32]]


UNKNOWN = 128


def photos_of_scenes(folder: Path) -> list[BoxedPhoto]:
    """Scenes that `python -m simulator.scenes_folder` wrote, sorted by content.

    Raises:
        BadTable: The folder is not one of those.
    """
    boxes = _boxes(folder / "boxes.parquet")
    empty = (folder / "empty.txt").read_text().split()
    nothing = np.empty((0, 4), np.float32)
    return [
        BoxedPhoto(path_of(folder / "images", sha256), found, folder / "masks" / f"{sha256}.png")
        for sha256, found in sorted(({name: nothing for name in empty} | boxes).items())
    ]


def photos_of_home(home: Home) -> list[BoxedPhoto]:
    """Photos of a home that people drew boxes on; where several did, the boxes of all.

    Raises:
        BadTable: Nobody has drawn boxes yet.
    """
    boxes = _boxes(home.labels.with_name("boxes.parquet"))
    return [BoxedPhoto(path_of(home.images, sha256), boxes[sha256]) for sha256 in sorted(boxes)]


def read_pixels(photos: Sequence[BoxedPhoto], *, side_px: int) -> BoxedPixels:
    """Reads photos and masks into memory; raises BadPhoto for one that cannot be read."""
    n, size = len(photos), (side_px, side_px)
    pixels = np.empty((n, *size, 3), np.uint8)
    masks = np.full((n, *size), UNKNOWN, np.uint8)
    for row, photo in enumerate(track(photos, "reading photos", n)):
        opened = load(photo.photo.parents[1], photo.photo.name, draft_px=side_px)
        pixels[row] = np.asarray(opened.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
        if photo.mask is not None:
            mask = Image.open(photo.mask).convert("L").resize(size, Image.Resampling.BOX)
            masks[row] = np.where(np.asarray(mask) > 127, 255, 0)
    return BoxedPixels(pixels, masks, [photo.boxes for photo in photos])


def _boxes(path: Path) -> dict[str, NDArray[np.float32]]:
    """Boxes by photo."""
    try:
        table = pq.read_table(path, columns=COLUMNS)
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise BadTable(
            f"{path} has no boxes ({error}). Make them with `python -m simulator.scenes_folder`, "
            "or draw them in Label Studio: `photosearch label`."
        ) from None
    sides = np.stack([table[name].to_numpy() for name in COLUMNS[1:]], 1).astype(np.float32)
    is_box = np.all(sides[:, 2:] - sides[:, :2] >= MIN_SIDE, axis=1).tolist()
    found: dict[str, list[NDArray[np.float32]]] = {}
    for sha256, box, keep in zip(table["sha256"].to_pylist(), sides, is_box, strict=True):
        if keep:
            found.setdefault(sha256, []).append(box)
    return {sha256: np.stack(boxes) for sha256, boxes in found.items()}
