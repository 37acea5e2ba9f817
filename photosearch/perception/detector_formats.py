"""How photos go into exported detectors and what their numbers mean; runs no model.

ours     `training/detector.py`: (1, 3, S, S) RGB in 0..255, squashed; boxes in shares, confidences,
         foreground.
rtdetr   RT-DETR, RT-DETRv2 and D-FINE as transformers exports them: (1, 3, S, S) RGB in 0..1,
         squashed; `logits` (1, Q, C) and `pred_boxes` (1, Q, 4) as centre and sides in shares.
yolox    YOLOX's tools/export_onnx.py as it is: (1, 3, H, W) BGR in 0..255, in the upper left of
         grey 114; (1, N, 5 + C) with offsets from cells at strides 8, 16 and 32.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog.images import rgbx_of
from photosearch.perception.detector import Boxes

Format = Literal["ours", "rtdetr", "yolox"]
Floats = NDArray[np.floating]
Outputs = Mapping[str, Floats]
"""What a graph gives, by name."""

HALF = 2
"""OpenCV averages two by two pixels in an eighth of the time of three by three."""
STRIP = 4
"""So many times as long as it is shown, a side would lose what is thin."""
YOLOX_STRIDES = (8, 16, 32)
YOLOX_GREY = 114
LARGEST_LOG = 20.0
"""A side of e^20 cells is larger than any photo; above, exp would overflow."""


@dataclass(frozen=True, slots=True)
class Things:
    """All that a graph says about a photo, also what it is not sure of."""

    boxes: Boxes
    """(n, 4) left, top, right, bottom in pixels of the photo; may leave it, or be no numbers."""
    confidences: NDArray[np.float64]
    """(n,)."""
    classes: NDArray[np.int64]
    """(n,) numbers of classes."""
    foreground: Floats | None = None
    """(h, w) probability of "a product is here", over the whole photo."""


def shown(photo: Image.Image, format_: Format, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The photo as a graph sees it: squashed to its size, for YOLOX in the upper left of grey.

    (height, width, 3) RGB.

    What was shown already stays as it is, so one process may shrink and another look.

    Args:
        photo: RGB.
        format_: Which export.
        size: Width and height that the graph takes.
    """
    if format_ == "yolox":
        scale = _letterbox_scale(photo.size, size)
        inner = (int(photo.width * scale) or 1, int(photo.height * scale) or 1)
        page = Image.new("RGB", size, (YOLOX_GREY,) * 3)
        page.paste(photo.resize(inner, Image.Resampling.BILINEAR), (0, 0))
        return np.asarray(page)
    if format_ == "ours":
        # a quarter of the time of Pillow's bicubic: docs/experiments/detector.md
        rgbx: NDArray[Any] = rgbx_of(photo)
        while (by := _halving(rgbx, size)) != (1, 1):
            width, height = rgbx.shape[1] // by[0], rgbx.shape[0] // by[1]
            even = rgbx[: height * by[1], : width * by[0]]
            rgbx = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(cv2.resize(rgbx, size), cv2.COLOR_RGBA2RGB), np.uint8)
    return np.asarray(photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def _halving(pixels: NDArray[Any], size: tuple[int, int]) -> tuple[int, int]:
    """By what each side is divided next; of a strip the longer one alone, which takes long."""
    times = pixels.shape[1] / size[0], pixels.shape[0] / size[1]
    if min(times) >= HALF:
        return HALF, HALF
    return HALF if times[0] >= STRIP else 1, HALF if times[1] >= STRIP else 1


def as_input(photo: Image.Image, format_: Format, size: tuple[int, int]) -> NDArray[np.float32]:
    """What a graph of this format takes, (1, 3, height, width).

    Args:
        photo: RGB; shrunk by `shown` or not.
        format_: Which export.
        size: Width and height that the graph takes.
    """
    pixels = shown(photo, format_, size).astype(np.float32)
    if format_ == "yolox":
        pixels = pixels[..., ::-1]
    elif format_ == "rtdetr":
        pixels /= 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def as_things(
    outputs: Outputs, format_: Format, size: tuple[int, int], photo_size: tuple[int, int]
) -> Things:
    """What the outputs of a graph mean for the photo that went in.

    Args:
        outputs: Of one photo.
        format_: Which export.
        size: Width and height that the graph takes.
        photo_size: Width and height of the photo.

    Raises:
        KeyError: An output is missing.
        ValueError: An output has another shape than this format's.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # whoever asks leaves out what is no number
        match format_:
            case "ours":
                return _ours(outputs, photo_size)
            case "rtdetr":
                return _rtdetr(outputs, photo_size)
            case "yolox":
                return _yolox(outputs, size, _letterbox_scale(photo_size, size))


def _ours(outputs: Outputs, photo_size: tuple[int, int]) -> Things:
    boxes, confidences = _one(outputs["boxes"], 4), outputs["confidences"][0].astype(np.float64)
    if confidences.shape != boxes.shape[:1]:
        raise ValueError(f"{len(boxes)} boxes and confidences of shape {confidences.shape}")
    classes = np.zeros(len(boxes), np.int64)
    foreground = outputs["foreground"][0]
    if foreground.ndim != 2:
        raise ValueError(f"foreground has shape {outputs['foreground'].shape}, not (1, h, w)")
    return Things(boxes * (photo_size * 2), confidences, classes, foreground)


def _rtdetr(outputs: Outputs, photo_size: tuple[int, int]) -> Things:
    centred, logits = _one(outputs["pred_boxes"], 4), _one(outputs["logits"], None)
    if len(centred) != len(logits):
        raise ValueError(f"{len(centred)} boxes and {len(logits)} rows of logits")
    boxes = _corners(centred[:, :2], centred[:, 2:]) * (photo_size * 2)
    confidences = 1 / (1 + np.exp(-logits.max(1).clip(-LARGEST_LOG, LARGEST_LOG)))
    return Things(boxes, confidences, logits.argmax(1))


def _yolox(outputs: Outputs, size: tuple[int, int], scale: float) -> Things:
    rows = _one(next(iter(outputs.values())), None)
    cells, strides = _yolox_cells(size)
    if len(rows) != len(cells) or rows.shape[1] < 6:
        raise ValueError(
            f"shape {rows.shape} instead of ({len(cells)}, 5 + classes), the cells of "
            f"{size[0]} x {size[1]} pixels at strides {YOLOX_STRIDES}"
        )
    centres = (rows[:, :2] + cells) * strides
    sides = np.exp(rows[:, 2:4].clip(max=LARGEST_LOG)) * strides
    by_class = rows[:, 4:5] * rows[:, 5:]
    return Things(_corners(centres, sides) / scale, by_class.max(1), by_class.argmax(1))


def _yolox_cells(size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column and row of each cell, (n, 2), and its stride, (n, 1), row by row, finest first."""
    cells, strides = [], []
    for stride in YOLOX_STRIDES:
        y, x = np.mgrid[: size[1] // stride, : size[0] // stride]
        cells.append(np.stack([x.ravel(), y.ravel()], 1).astype(np.float64))
        strides.append(np.full((x.size, 1), float(stride)))
    return np.concatenate(cells), np.concatenate(strides)


def _letterbox_scale(photo_size: tuple[int, int], size: tuple[int, int]) -> float:
    return min(size[0] / photo_size[0], size[1] / photo_size[1])


def _corners(centres: Floats, sides: Floats) -> NDArray[np.float64]:
    corners: NDArray[np.float64] = np.concatenate(
        [centres - sides / 2, centres + sides / 2], 1, dtype=np.float64
    )
    return corners


def _one(output: Floats, columns: int | None) -> NDArray[np.float64]:
    """The rows of a batch of one photo, (1, n, columns) -> (n, columns)."""
    if output.ndim != 3 or len(output) != 1 or columns not in {None, output.shape[2]}:
        raise ValueError(f"shape {output.shape} instead of (1, n, {columns or 'classes'})")
    rows: NDArray[np.float64] = output[0].astype(np.float64)
    return rows
