"""Puts an object into a scene and takes the photo: perspective, shadow, light, blur, grain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from simulator.textures import GROUND_PX, LIGHTS, daylight, grain


@dataclass(frozen=True, slots=True)
class Shot:
    """Where and how an object stands in a scene; lengths in pixels of the scene."""

    x: float
    y: float
    size_px: float
    """Its longer side."""
    degrees: float
    squeeze: float
    """Its width seen from the side, as a share of the full width."""
    skew: float
    """How far perspective moves a corner, as a share of the size."""
    shadow: float
    """Darkness of its shadow in [0, 1]."""
    is_fine: bool = True
    """Sample bilinearly. Otherwise take the nearest pixel, four times faster: good for things that
    are softened and about twice as large as they are shown."""


def place_object(
    scene: Image.Image, thing: Image.Image, shot: Shot, chance: np.random.Generator
) -> None:
    """Draws the thing into the scene, with a shadow under it.

    Args:
        thing: Mode RGBa; what is transparent around it does not count for its size.
    """
    seen = look_at(thing, shot, chance)
    if seen is not None:
        put_down(scene, seen, shot)


@dataclass(frozen=True, slots=True)
class Seen:
    """A thing as a shot shows it, not yet in its scene."""

    image: Image.Image
    """Mode RGBA."""
    corner: tuple[int, int]
    """Where its upper left goes."""


def look_at(thing: Image.Image, shot: Shot, chance: np.random.Generator) -> Seen | None:
    """The thing in perspective; None if all of it is transparent."""
    box = thing.getbbox()
    if box is None:
        return None
    scale = shot.size_px / max(box[2] - box[0], box[3] - box[1])
    if shot.is_fine and scale < 0.6:  # bilinear sampling sees two pixels at most, so halve before
        thing = thing.reduce(2)
        box = thing.getbbox() or box
    quad = _corners(box, shot, chance)
    left, top = np.floor(quad.min(0)).astype(int).tolist()
    right, bottom = np.ceil(quad.max(0)).astype(int).tolist()
    seen = thing.transform(
        (right - left, bottom - top),
        Image.Transform.PERSPECTIVE,
        _perspective(quad - (left, top), box),
        Image.Resampling.BILINEAR if shot.is_fine else Image.Resampling.NEAREST,
    ).convert("RGBA")
    return Seen(seen, (left, top))


def put_down(scene: Image.Image, seen: Seen, shot: Shot) -> None:
    """Draws what a shot shows into the scene, with a shadow under it."""
    _cast_shadow(scene, seen.image, seen.corner, shot)
    scene.paste(seen.image, seen.corner, seen.image)


def develop(seed: int, scene: Image.Image, chance: np.random.Generator) -> Image.Image:
    """What a telephone makes of the scene: uneven coloured light, blur, contrast, grain."""
    light = _piece(daylight(seed, int(chance.integers(LIGHTS))), scene.size, chance)
    photo = ImageChops.multiply(scene, light)
    luck = float(chance.random())
    if luck < 0.22:
        photo = photo.filter(ImageFilter.BoxBlur(float(chance.uniform(0.5, 1.6))))
    elif luck < 0.3:
        reach = int(chance.integers(2, 6))
        photo = Image.blend(photo, ImageChops.offset(photo, reach, reach // 2), 0.5)
    photo = photo.point(_curve(chance))
    noise = _piece(grain(seed, int(chance.integers(2))), scene.size, chance)
    return ImageChops.add(photo, noise, 1, -128)


def _piece(whole: Image.Image, size: tuple[int, int], chance: np.random.Generator) -> Image.Image:
    x, y = chance.integers(0, (GROUND_PX - size[0], GROUND_PX - size[1])).tolist()
    return whole.crop((x, y, x + size[0], y + size[1]))


def _curve(chance: np.random.Generator) -> list[int]:
    """Exposure, contrast and colour cast as a table of 3 x 256 values."""
    gain = chance.uniform(0.9, 1.5) * chance.uniform(0.86, 1.04, (3, 1))
    curve = 255 * gain * (np.arange(256) / 255) ** chance.uniform(0.8, 1.15)
    table: list[int] = curve.clip(0, 255).astype(int).reshape(-1).tolist()
    return table


def _corners(
    box: tuple[int, int, int, int], shot: Shot, chance: np.random.Generator
) -> NDArray[np.float64]:
    """Where the corners of the box go, clockwise from the upper left. Shape (4, 2)."""
    width, height = box[2] - box[0], box[3] - box[1]
    half = np.array([width * shot.squeeze, height]) * shot.size_px / max(width, height) / 2
    flat = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    flat += chance.uniform(-1, 1, (4, 2)) * shot.skew * half.max()
    angle = np.radians(shot.degrees)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    corners: NDArray[np.float64] = flat @ turn + (shot.x, shot.y)
    return corners


def _perspective(quad: NDArray[np.float64], box: tuple[int, int, int, int]) -> list[float]:
    """The eight numbers by which Pillow finds the source of a target pixel.

    Source: Hartley and Zisserman 2004, "Multiple View Geometry", section 4.1, with h33 = 1.
    """
    left, top, right, bottom = box
    source = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    rows = np.zeros((8, 8))
    rows[0::2, 0:2], rows[0::2, 2] = quad, 1
    rows[1::2, 3:5], rows[1::2, 5] = quad, 1
    rows[0::2, 6:8] = -source[:, :1] * quad
    rows[1::2, 6:8] = -source[:, 1:] * quad
    numbers: list[float] = np.linalg.solve(rows, source.reshape(-1)).tolist()
    return numbers


def _cast_shadow(
    scene: Image.Image, seen: Image.Image, corner: tuple[int, int], shot: Shot
) -> None:
    """Darkens the ground below and to the right; made at a quarter of the size, as it is soft."""
    small = seen.getchannel("A").reduce(4)
    margin = 10
    mask = Image.new("L", (small.width + 2 * margin, small.height + 2 * margin), 0)
    mask.paste(small.point((np.arange(256) * shot.shadow).astype(int).tolist()), (margin, margin))
    soft = mask.filter(ImageFilter.BoxBlur(4))
    soft = soft.resize((mask.width * 4, mask.height * 4), Image.Resampling.BILINEAR)
    where = (corner[0] - 4 * margin + 8, corner[1] - 4 * margin + 14)
    scene.paste((24, 20, 26), where, soft)
