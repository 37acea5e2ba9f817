"""What pixels alone say of a photo: its hashes, light, sharpness, straight lines and skin.

Knows no rules: thresholds are in params.yaml, rules in `pixel_rules.py`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOOK_PX = 256
"""Photos are measured as squares of this side: the numbers do not depend on the camera."""
INNER_CUT = 0.02
"""What the inner hash leaves out on each side; it meets the plain hash of a cropped copy."""
FLAT_STEP = 1.5
"""Neighbours that differ by fewer grey levels are flat; JPEG noise is below this."""
TEXT_STEP = 50
MARGIN_PX = 8
"""Lines are not looked for so near the edge: frames of cameras and scanners are there."""
END_PX = 14
"""A line across the whole picture is seen in the first and the last so many pixels, too."""

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    hash: int
    """64-bit perceptual hash; half of its bits are set, so distances are even numbers."""
    inner_hash: int
    """That of the photo without its edges."""
    light: float
    """What 95% of the pixels stay below, in grey levels of 255."""
    sharpness: float
    """Steepest edges (99th percentile of the gradient) by the contrast of the photo."""
    flat: float
    """Share of pixels without any texture."""
    line: float
    """Height in grey levels of the step along the clearest line from edge to edge."""
    text: float
    """Strong steps in a busy row (90th percentile): letters make more than 30."""
    skin: float
    """Share of the middle in the colours of skin."""


def look_at(image: Image.Image) -> Look:
    """Measures an RGB photo."""
    small = image.resize((LOOK_PX, LOOK_PX), Image.Resampling.BILINEAR)
    rgb = np.asarray(small, dtype=np.float32)
    grey: Grey = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    plain, inner = look_hashes(image)
    return Look(
        hash=plain,
        inner_hash=inner,
        light=float(np.percentile(grey, 95)),
        sharpness=_sharpness(grey),
        flat=float(((across[1:] < FLAT_STEP) & (down[:, 1:] < FLAT_STEP)).mean()),
        line=max(_clearest_line(across), _clearest_line(down.T)),
        text=float(np.quantile((across > TEXT_STEP).sum(axis=1), 0.9)),
        skin=_skin_of_the_middle(rgb),
    )


def look_hashes(image: Image.Image) -> tuple[int, int]:
    """Perceptual hashes of the whole photo and of the photo without its edges."""
    import imagehash

    cut_x, cut_y = image.width * INNER_CUT, image.height * INNER_CUT
    inner = image.resize(
        (LOOK_PX // 2, LOOK_PX // 2),
        Image.Resampling.BOX,
        box=(cut_x, cut_y, image.width - cut_x, image.height - cut_y),
    )
    plain, inside = (int(str(imagehash.phash(one)), 16) for one in (image, inner))
    return plain, inside


def _sharpness(grey: Grey) -> float:
    gradient = np.hypot(grey[1:-1, 2:] - grey[1:-1, :-2], grey[2:, 1:-1] - grey[:-2, 1:-1])
    return float(np.percentile(gradient, 99) / (grey.std() + 1))


def _clearest_line(steps: Grey) -> float:
    """The step that nine tenths of some column show, and both of its ends.

    Args:
        steps: Between a pixel and the next one of its row; (rows, columns - 1).
    """
    inside = steps[:, MARGIN_PX:-MARGIN_PX]
    sharp = np.maximum(inside[:, 1:], inside[:, :-1])  # a line between two pixels shows in both
    ends = np.minimum(np.median(sharp[:END_PX], axis=0), np.median(sharp[-END_PX:], axis=0))
    return float(np.minimum(np.quantile(sharp, 0.1, axis=0), ends).max())


def _skin_of_the_middle(rgb: NDArray[np.float32]) -> float:
    """Share of pixels with a chroma that all human skins have.

    Source: Chai and Ngan 1999, "Face segmentation using skin-color map in videophone
    applications", with a wider map; brightness does not count.
    """
    middle = rgb[LOOK_PX // 4 : -LOOK_PX // 4, LOOK_PX // 4 : -LOOK_PX // 4]
    light = middle @ np.array([0.299, 0.587, 0.114], np.float32)
    blue = middle @ np.array([-0.168736, -0.331264, 0.5], np.float32)
    red = middle @ np.array([0.5, -0.418688, -0.081312], np.float32)
    is_skin = (red > 6) & (red < 48) & (blue < -4) & (blue > -50) & (light > 35)
    return float(is_skin.mean())
