"""Outlines a product is made of, in a unit square with y down; knows no colours and no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Corners of an outline. Shape (n_points, 2), columns x and y."""

Paint = Literal["body", "shade", "trim", "dark", "metal", "light", "wood"]
"""`body` carries the pattern; `shade` is the plain main colour, darker; `trim` the second one."""

Light = Literal["round", "ball", "cloth", "flat"]
"""How light falls on a part: a standing cylinder, a ball, soft folds, a plane."""


@dataclass(frozen=True, slots=True)
class Part:
    """One area of one paint; parts are drawn in order, later ones cover earlier ones."""

    outline: Points
    paint: Paint
    light: Light = "flat"
    width: float | None = None
    """Thickness of a line along `outline`; None fills the outline."""


@dataclass(frozen=True, slots=True)
class Drawing:
    parts: list[Part]
    badge: tuple[float, float, float]
    """Centre x, centre y and width of the label with brand mark and article number."""
    pattern_pitch: float = 0.1
    """Distance between two stripes."""


@dataclass(frozen=True, slots=True)
class Form:
    """What tells two products of one kind apart by shape."""

    tall: float
    """Height in [0, 1]; 0 is the lowest product of this kind."""
    wide: float
    """Width in [0, 1]."""
    style: int
    """0, 1 or 2: another handle, collar, base..., as the kind has it."""


def points(*corners: tuple[float, float]) -> Points:
    return np.array(corners, dtype=np.float64)


def smooth(*corners: tuple[float, float], is_closed: bool = True, steps: int = 10) -> Points:
    """A Catmull-Rom curve through the corners."""
    p = points(*corners)
    if is_closed:
        before, after, last = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    else:
        padded = np.vstack([p[:1], p, p[-1:]])
        before, after, last, p = padded[:-3], padded[2:-1], padded[3:], padded[1:-2]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    before, p, after, last = (row[:, None] for row in (before, p, after, last))
    curve = 0.5 * (
        2 * p
        + (after - before) * t
        + (2 * before - 5 * p + 4 * after - last) * t**2
        + (3 * p - before - 3 * after + last) * t**3
    )
    flat: Points = curve.reshape(-1, 2)
    return flat if is_closed else np.vstack([flat, points(corners[-1])])


def oval(x: float, y: float, rx: float, ry: float) -> Points:
    return arc(x, y, rx, ry, (0, 360))[:-1]


def arc(x: float, y: float, rx: float, ry: float, degrees: tuple[float, float]) -> Points:
    """Part of an oval; 0 degrees is right, 90 is down."""
    angle = np.radians(np.linspace(*degrees, 41))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> Points:
    """A rectangle with round corners."""
    r = min(radius, (right - left) / 2, (bottom - top) / 2)
    corners = [
        (right - r, top + r, -90),
        (right - r, bottom - r, 0),
        (left + r, bottom - r, 90),
        (left + r, top + r, 180),
    ]
    return np.vstack([arc(x, y, r, r, (a, a + 90))[::5] for x, y, a in corners])


def lathe(x: float, profile: Sequence[tuple[float, float]], depth: float = 0.14) -> Points:
    """The outline of a turned body seen slightly from above.

    Args:
        profile: (y, radius) from top to bottom.
        depth: How far the round bottom bulges down, in radii.
    """
    side = smooth(*[(radius, y) for y, radius in profile], is_closed=False)
    (top, r_top), (bottom, r_bottom) = profile[0], profile[-1]
    right = np.stack([x + side[:, 0], side[:, 1]], axis=1)
    left = np.stack([x - side[:, 0], side[:, 1]], axis=1)[::-1]
    below = arc(x, bottom, r_bottom, r_bottom * depth, (0, 180))
    above = arc(x, top, r_top, r_top * depth, (180, 360))
    return np.vstack([right, below, left, above])
