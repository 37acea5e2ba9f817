"""Paints a product on nothing: colours, pattern, light and label on the outline of its kind."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from simulator.brands import label
from simulator.kinds import outline
from simulator.patterns import TILE_PX, pattern_mask
from simulator.shapes import Form, Part

SPRITE_PX = 640
"""Side of a sprite; pictures show it at about half the size, which smooths its edges."""

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (206, 38, 44),
    "orange": (240, 128, 28),
    "yellow": (246, 205, 48),
    "green": (44, 140, 66),
    "light blue": (120, 196, 232),
    "blue": (32, 66, 168),
    "purple": (122, 56, 158),
    "pink": (242, 140, 176),
    "brown": (122, 78, 48),
    "black": (42, 42, 48),
    "white": (242, 240, 234),
    "grey": (142, 146, 152),
}
FIXED: dict[str, Colour] = {
    "dark": (48, 46, 52),
    "metal": (184, 190, 198),
    "light": (244, 242, 236),
    "wood": (166, 118, 74),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Everything of a product that can be seen, its article number aside."""

    kind: str
    colour: str
    second: str
    pattern: str
    brand: int
    form: Form


@lru_cache(maxsize=8)
def sprite(seed: int, look: Look, article: str, turn: int) -> Image.Image:
    """The product on transparent ground.

    Args:
        turn: -1, 0 or 1: from which side it is seen.

    Returns:
        Mode RGBa (colours multiplied by alpha, as resampling needs it), `SPRITE_PX` wide and high.
    """
    drawing = outline(look.kind, look.form, turn=turn)
    colours = Image.new("RGB", (SPRITE_PX, SPRITE_PX), (60, 56, 56))
    alpha = Image.new("L", (SPRITE_PX, SPRITE_PX), 0)
    for part in drawing.parts:
        _paint(part, look, (drawing.pattern_pitch, turn), colours, alpha)
    x, y, width = drawing.badge
    badge = label(seed, look.brand, article, round(width * SPRITE_PX))
    if turn:
        badge = badge.resize((round(badge.width * 0.93), badge.height))
    corner = (round(x * SPRITE_PX - badge.width / 2), round(y * SPRITE_PX - badge.height / 2))
    colours.paste(badge, corner, badge)
    alpha.paste(255, (*corner, corner[0] + badge.width, corner[1] + badge.height), badge)
    colours.putalpha(alpha)
    return colours.convert("RGBa")


@lru_cache(maxsize=8)
def soft_sprite(seed: int, look: Look, article: str, turn: int) -> Image.Image:
    """The same, softened so that taking every second pixel or so leaves no jagged edges."""
    return sprite(seed, look, article, turn).filter(ImageFilter.BoxBlur(0.6))


def _paint(
    part: Part, look: Look, pattern: tuple[float, int], colours: Image.Image, alpha: Image.Image
) -> None:
    corners = part.outline * SPRITE_PX
    margin = 4 if part.width is None else int(part.width * SPRITE_PX / 2) + 4
    left, top = np.maximum(np.floor(corners.min(0)) - margin, 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(corners.max(0)) + margin, SPRITE_PX).astype(int).tolist()
    size = (right - left, bottom - top)
    line = [(x, y) for x, y in (corners - (left, top)).tolist()]
    mask = Image.new("L", size, 0)
    pen = ImageDraw.Draw(mask)
    if part.width is None:
        pen.polygon(line, fill=255)
    else:
        _stroke(pen, line, part.width * SPRITE_PX)
    fill = _fill(part, look, pattern, (left, top, *size))
    if part.width is None or part.light != "flat":
        _light(fill, part.light)
    if part.width is None:
        red, green, blue = fill.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
        ImageDraw.Draw(fill).line(
            [*line, line[0]], fill=(red * 2 // 3, green * 2 // 3, blue * 2 // 3), width=4
        )
    colours.paste(fill, (left, top), mask)
    alpha.paste(255, (left, top, right, bottom), mask)


def _stroke(pen: ImageDraw.ImageDraw, line: list[tuple[float, float]], width_px: float) -> None:
    """A line with round ends and joints."""
    if len(line) < 12:
        pen.line(line, fill=255, width=max(2, round(width_px)), joint="curve")
    else:  # a fine curve is a ribbon between two parallels; joints would take five times longer
        path = np.array(line)
        along = np.gradient(path, axis=0)
        across = along[:, ::-1] * (-1, 1) / np.linalg.norm(along, axis=1, keepdims=True).clip(1e-9)
        left, right = path + across * width_px / 2, path - across * width_px / 2
        pen.polygon([(x, y) for x, y in np.vstack([left, right[::-1]]).tolist()], fill=255)
    r = width_px / 2 - 0.5
    for x, y in (line[0], line[-1]):
        pen.ellipse((x - r, y - r, x + r, y + r), fill=255)


def _fill(
    part: Part, look: Look, pattern: tuple[float, int], box: tuple[int, int, int, int]
) -> Image.Image:
    width, height = box[2:]
    main, second = COLOURS[look.colour], COLOURS[look.second]
    match part.paint:
        case "body":
            fill = Image.new("RGB", (width, height), main)
            if look.pattern != "plain":
                pitch, turn = pattern
                mask = pattern_mask(look.pattern, round(pitch * SPRITE_PX))
                fill.paste(second, (0, 0), _wrap(mask, part, turn, box))
            return fill
        case "shade":
            red, green, blue = (int(value * 0.72) for value in main)
            return Image.new("RGB", (width, height), (red, green, blue))
        case "trim":
            return Image.new("RGB", (width, height), second)
        case fixed:
            return Image.new("RGB", (width, height), FIXED[fixed])


def _wrap(mask: Image.Image, part: Part, turn: int, box: tuple[int, int, int, int]) -> Image.Image:
    """Cuts the pattern for a part; round parts press it together towards their sides."""
    left, top, width, height = box
    inset = (TILE_PX - SPRITE_PX) // 2
    if part.light not in {"round", "ball"}:
        x = left + inset + turn * SPRITE_PX // 40
        return mask.crop((x, top + inset, x + width, top + inset + height))
    u = np.linspace(-0.98, 0.98, width)
    reach = width / 2 * 1.15
    centre = left + width / 2 + inset + turn * width * 0.12
    columns = np.clip(centre + reach * np.arcsin(u) / 1.37, 0, TILE_PX - 1).astype(np.intp)
    rows = np.asarray(mask)[top + inset : top + inset + height]
    return Image.fromarray(rows[:, columns])


def _light(fill: Image.Image, light: str) -> None:
    """Darkens and brightens in place; the light comes from the upper left."""
    dark, bright = _lights(light)
    fill.paste((16, 12, 24), (0, 0), dark.resize(fill.size, Image.Resampling.BILINEAR))
    if bright is not None:
        fill.paste((255, 255, 255), (0, 0), bright.resize(fill.size, Image.Resampling.BILINEAR))


@lru_cache(maxsize=8)
def _lights(light: str) -> tuple[Image.Image, Image.Image | None]:
    """Masks of shadow and of highlight, 64 px."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    match light:
        case "round":
            dark = 0.5 * np.clip(np.abs(x + 0.2), 0, 2) ** 2.2 + 0.06 * (y + 1)
            bright = 0.42 * np.exp(-(((x + 0.45) / 0.16) ** 2))
        case "ball":
            distance = np.hypot(x + 0.3, y + 0.35)
            dark = 0.4 * np.clip(distance - 0.35, 0, 2) ** 1.4
            bright = 0.5 * np.exp(-((distance / 0.34) ** 2))
        case "cloth":
            folds = 0.06 * np.sin(5 * x + 2.3 * y) + 0.05 * np.sin(2.1 * x - 4.2 * y)
            dark = np.clip(0.1 + 0.09 * y + 0.1 * x + folds, 0, 1)
            bright = np.clip(0.08 - 0.12 * x - 0.1 * y - folds, 0, 1)
        case _:
            dark = np.clip(0.08 + 0.07 * x + 0.07 * y, 0, 1)
            return _as_mask(dark), None
    return _as_mask(dark), _as_mask(bright)


def _as_mask(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray((np.clip(values, 0, 0.85) * 255).astype(np.uint8))
