"""The mark of a brand and the label that carries it; knows brands only by number."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simulator.dice import dice
from simulator.words import BRANDS

PLATES = ("disc", "ring", "square", "diamond", "triangle", "hexagon", "shield")
EMBLEMS = ("star", "bar", "chevron", "dot", "cross", "bolt")
INKS = ((190, 24, 40), (20, 70, 170), (12, 110, 70), (30, 30, 36), (150, 60, 10), (110, 30, 130))
PAPER = (250, 248, 242)

Ink = tuple[int, int, int]
Point = tuple[float, float]


@lru_cache(maxsize=64)
def brand_mark(seed: int, brand: int, side_px: int) -> Image.Image:
    """A square picture of the mark on label paper; no two brands have the same plate and emblem."""
    order = dice(seed, "marks").permutation(len(PLATES) * len(EMBLEMS))
    plate, emblem = divmod(int(order[brand % len(order)]), len(EMBLEMS))
    ink = INKS[int(dice(seed, "ink", brand).integers(len(INKS)))]
    image = Image.new("RGB", (side_px * 2, side_px * 2), PAPER)
    draw = ImageDraw.Draw(image)
    _draw_plate(draw, PLATES[plate], ink, side_px)
    hole = ink if PLATES[plate] == "ring" else PAPER
    _draw_emblem(draw, EMBLEMS[emblem], hole, side_px)
    return image.reduce(2)


@lru_cache(maxsize=16)
def label(seed: int, brand: int, article: str, width_px: int) -> Image.Image:
    """A paper label: mark and brand name above, article number below. Mode RGBA."""
    height = round(width_px * 0.62)
    image = Image.new("RGBA", (width_px, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    edge = max(2, width_px // 50)
    draw.rounded_rectangle(
        (0, 0, width_px - 1, height - 1), edge * 4, (*PAPER, 255), (70, 70, 70, 255), edge
    )
    mark = round(height * 0.56)
    image.paste(brand_mark(seed, brand, mark), (round(width_px * 0.06), round(height * 0.07)))
    left = width_px * 0.1 + mark
    _fit(draw, BRANDS[brand][0], (left, height * 0.1, width_px * 0.95, height * 0.6))
    _fit(draw, article, (width_px * 0.07, height * 0.64, width_px * 0.93, height * 0.95))
    return image


@lru_cache(maxsize=128)
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font. It has no Cyrillic letters, so pictures print Latin ones only."""
    made = ImageFont.load_default(size=size_px)
    if not isinstance(made, ImageFont.FreeTypeFont):
        raise RuntimeError(
            "Pillow was built without FreeType, so the simulator cannot print article numbers. "
            "Install Pillow from its wheel."
        )
    return made


def _fit(draw: ImageDraw.ImageDraw, text: str, box: tuple[float, float, float, float]) -> None:
    """Prints text as large as the box allows, in its middle."""
    left, top, right, bottom = box
    at_100 = font(100).getlength(text)
    size = max(6, int(min((right - left) * 100 / at_100, (bottom - top) * 1.1)))
    middle = ((left + right) / 2, (top + bottom) / 2)
    draw.text(middle, text, font=font(size), fill=(28, 28, 34, 255), anchor="mm", stroke_width=1,
              stroke_fill=(28, 28, 34, 255))  # fmt: skip


def _draw_plate(draw: ImageDraw.ImageDraw, plate: str, ink: Ink, r: int) -> None:
    n_corners = {"diamond": 4, "triangle": 3, "hexagon": 6}
    if plate in n_corners:
        n = n_corners[plate]
        flat = math.cos(math.pi / n)  # this waist makes a polygon of the star
        draw.polygon(_star((r, r * (1.08 if n == 3 else 1)), r * 0.98, n, flat), fill=ink)
    elif plate == "disc":
        draw.ellipse((1, 1, 2 * r - 2, 2 * r - 2), fill=ink)
    elif plate == "ring":
        draw.ellipse((1, 1, 2 * r - 2, 2 * r - 2), outline=ink, width=max(2, r // 4))
    elif plate == "square":
        draw.rectangle((r * 0.12, r * 0.12, r * 1.88, r * 1.88), fill=ink)
    else:
        low = [(0.1, 0.1), (1.9, 0.1), (1.9, 1.0), (1.0, 1.98), (0.1, 1.0)]
        draw.polygon([(x * r, y * r) for x, y in low], fill=ink)


def _draw_emblem(draw: ImageDraw.ImageDraw, emblem: str, ink: Ink, r: int) -> None:
    outlines = {
        "bar": [(0.5, 0.85), (1.5, 0.85), (1.5, 1.2), (0.5, 1.2)],
        "chevron": [(0.5, 1.3), (1, 0.7), (1.5, 1.3), (1.25, 1.35), (1, 1.05), (0.75, 1.35)],
        "cross": [
            (0.85, 0.5), (1.15, 0.5), (1.15, 0.85), (1.5, 0.85), (1.5, 1.15), (1.15, 1.15),
            (1.15, 1.5), (0.85, 1.5), (0.85, 1.15), (0.5, 1.15), (0.5, 0.85), (0.85, 0.85),
        ],
        "bolt": [(1.1, 0.45), (0.65, 1.1), (0.95, 1.1), (0.85, 1.55), (1.35, 0.9), (1.05, 0.9)],
    }  # fmt: skip
    if emblem == "dot":
        draw.ellipse((r * 0.68, r * 0.72, r * 1.32, r * 1.36), fill=ink)
    elif emblem == "star":
        draw.polygon(_star((r, r * 1.04), r * 0.55, 5, 0.42), fill=ink)
    else:
        draw.polygon([(x * r, y * r) for x, y in outlines[emblem]], fill=ink)


def _star(middle: tuple[float, float], radius: float, n: int, waist: float) -> list[Point]:
    """A star with `n` rays; `waist` is the inner radius as a share of the outer one."""
    angles = np.radians(np.arange(2 * n) * 180 / n - 90)
    sizes = np.where(np.arange(2 * n) % 2 == 0, radius, radius * waist)
    x, y = middle[0] + sizes * np.cos(angles), middle[1] + sizes * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))
