"""Grounds that buyers put things on: wood, grass, carpet, tiles...; made once a process, kept."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from simulator.dice import dice

GROUND_PX = 760
VARIANTS = 2
LIGHTS = 6

Floats = NDArray[np.float32]
Rgb = tuple[float, float, float]


@lru_cache(maxsize=32)
def ground(seed: int, name: str, variant: int) -> Image.Image:
    """A square of ground, `GROUND_PX` wide; photos cut their own piece of it."""
    return GROUNDS[name](dice(seed, "ground", name, variant))


@lru_cache(maxsize=LIGHTS)
def daylight(seed: int, variant: int) -> Image.Image:
    """Uneven grey light to multiply a photo with, `GROUND_PX` wide."""
    chance = dice(seed, "light", variant)
    patches = chance.uniform(0.62, 1.0, (5, 5)) * 255
    grey = Image.fromarray(patches.astype(np.uint8))
    return grey.resize((GROUND_PX, GROUND_PX), Image.Resampling.BICUBIC).convert("RGB")


@lru_cache(maxsize=4)
def grain(seed: int, variant: int) -> Image.Image:
    """Sensor noise around 128, `GROUND_PX` wide."""
    noise = dice(seed, "grain", variant).normal(128, 4 + 5 * variant, (GROUND_PX, GROUND_PX, 3))
    return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))


def _cloud(chance: np.random.Generator, across: int, down: int) -> Floats:
    """Smooth noise in [0, 1] with so many hills across and down. Shape (GROUND_PX, GROUND_PX)."""
    small = Image.fromarray(chance.random((down, across), dtype=np.float32))
    big = small.resize((GROUND_PX, GROUND_PX), Image.Resampling.BICUBIC)
    hills: Floats = np.clip(np.asarray(big), 0, 1)
    return hills


def _between(low: Rgb, high: Rgb, share: Floats) -> Image.Image:
    """Mixes two colours pixel by pixel."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    mixed = a + (b - a) * np.clip(share, 0, 1)[..., None]
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _wood(chance: np.random.Generator) -> Image.Image:
    tone = chance.uniform(0.55, 1.15)
    fibres = (
        0.55 * _cloud(chance, 5, 240) + 0.3 * _cloud(chance, 3, 50) + 0.2 * _cloud(chance, 9, 9)
    )
    low: Rgb = (98 * tone, 62 * tone, 36 * tone)
    image = _between(low, (204 * tone, 152 * tone, 98 * tone), fibres)
    draw = ImageDraw.Draw(image)
    for y in range(int(chance.integers(40, 120)), GROUND_PX, int(chance.integers(130, 220))):
        draw.line((0, y, GROUND_PX, y), fill=(58, 38, 24), width=3)
    return image


def _grass(chance: np.random.Generator) -> Image.Image:
    image = _between((34, 62, 22), (74, 112, 42), _cloud(chance, 30, 30))
    draw = ImageDraw.Draw(image)
    roots = chance.uniform(0, GROUND_PX, (7000, 2))
    bends = chance.normal((0, -16), (7, 7), (7000, 2))
    shades = chance.integers((50, 96, 20), (128, 178, 74), (7000, 3))
    for (x, y), (dx, dy), shade in zip(
        roots.tolist(), bends.tolist(), shades.tolist(), strict=True
    ):
        draw.line((x, y, x + dx, y + dy), fill=tuple(shade), width=2)
    return image


def _carpet(chance: np.random.Generator) -> Image.Image:
    hue = chance.uniform(60, 200, 3)
    pile = 0.7 * chance.random((GROUND_PX, GROUND_PX), dtype=np.float32) + 0.3 * _cloud(
        chance, 12, 12
    )
    y, x = np.mgrid[:GROUND_PX, :GROUND_PX]
    period = int(chance.integers(120, 200))
    figure = (np.abs(x % period - period / 2) + np.abs(y % period - period / 2)) < period * 0.28
    low = tuple((hue * 0.55).tolist())
    soft = _between(low, tuple(hue.tolist()), pile * np.where(figure, 0.55, 1).astype(np.float32))
    return soft.filter(ImageFilter.BoxBlur(1))


def _tiles(chance: np.random.Generator) -> Image.Image:
    tone = chance.uniform(150, 225)
    image = _between((tone - 24, tone - 26, tone - 32), (tone + 8, tone + 4, tone - 4),
                     0.6 * _cloud(chance, 14, 14) + 0.4 * _cloud(chance, 70, 70))  # fmt: skip
    draw = ImageDraw.Draw(image)
    side, start = int(chance.integers(150, 260)), int(chance.integers(20, 120))
    for at in range(start, GROUND_PX, side):
        draw.line((0, at, GROUND_PX, at), fill=(116, 112, 106), width=5)
        draw.line((at, 0, at, GROUND_PX), fill=(116, 112, 106), width=5)
    return image


def _sheet(chance: np.random.Generator) -> Image.Image:
    hue = chance.uniform(165, 245, 3)
    folds = 0.6 * _cloud(chance, 6, 5) + 0.4 * np.abs(np.sin(9 * _cloud(chance, 4, 4)))
    return _between(tuple((hue * 0.68).tolist()), tuple(hue.tolist()), folds.astype(np.float32))


def _stone(chance: np.random.Generator) -> Image.Image:
    tone = chance.uniform(90, 170)
    grit = chance.random((GROUND_PX, GROUND_PX), dtype=np.float32)
    mixed = 0.35 * grit + 0.35 * _cloud(chance, 40, 40) + 0.3 * _cloud(chance, 6, 6)
    return _between((tone - 50, tone - 50, tone - 48), (tone + 45, tone + 43, tone + 38), mixed)


def _room(chance: np.random.Generator) -> Image.Image:
    """A room out of focus: wall, floor, furniture, a window."""
    wall = chance.integers(130, 225, 3)
    image = Image.new("RGB", (GROUND_PX // 4,) * 2, tuple(wall.tolist()))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 120, 190, 190), fill=tuple(chance.integers(60, 150, 3).tolist()))
    for _ in range(9):
        x, y, w, h = chance.integers((0, 20, 15, 15), (170, 130, 60, 70)).tolist()
        draw.rectangle((x, y, x + w, y + h), fill=tuple(chance.integers(30, 235, 3).tolist()))
    x = int(chance.integers(10, 120))
    draw.rectangle((x, 8, x + 46, 66), fill=(250, 250, 244))
    return image.filter(ImageFilter.GaussianBlur(4)).resize((GROUND_PX, GROUND_PX))


def _shelf(chance: np.random.Generator) -> Image.Image:
    """A wall with boards, and boxes, jars and books standing on them."""
    image = _between((168, 164, 156), (208, 202, 192), _cloud(chance, 8, 8))
    draw = ImageDraw.Draw(image)
    for board in (230, 480, 735):
        x = 10
        while x < GROUND_PX:
            w, h = chance.integers((18, 60), (70, 190)).tolist()
            shade = chance.integers(30, 220, 3)
            draw.rounded_rectangle((x, board - h, x + w, board), int(chance.integers(0, 14)),
                                   fill=tuple(shade.tolist()))  # fmt: skip
            draw.rectangle((x + 3, board - h * 0.6, x + w - 3, board - h * 0.4),
                           fill=tuple((shade // 2 + 110).tolist()))  # fmt: skip
            x += w + int(chance.integers(0, 40))
        draw.rectangle((0, board, GROUND_PX, board + 18), fill=(120, 86, 54))
        draw.rectangle((0, board + 18, GROUND_PX, board + 24), fill=(70, 52, 38))
    return image.filter(ImageFilter.BoxBlur(2))


def _desk(chance: np.random.Generator) -> Image.Image:
    """A dark desk with papers on it."""
    image = _between((48, 46, 50), (92, 86, 84), _cloud(chance, 40, 5))
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y = chance.integers(-60, GROUND_PX - 60, 2).tolist()
        lean = int(chance.integers(-60, 60))
        corners = [(x, y), (x + 220, y + lean), (x + 220 - lean, y + 290), (x - lean, y + 280)]
        draw.polygon(corners, fill=tuple(chance.integers(205, 250, 3).tolist()))
        for row in range(30, 240, 22):
            draw.line((x + 20 - lean * row / 280, y + row, x + 180 - lean * row / 280,
                       y + row + lean * 0.72), fill=(150, 150, 156), width=4)  # fmt: skip
    return image


GROUNDS: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "wood": _wood,
    "grass": _grass,
    "carpet": _carpet,
    "tiles": _tiles,
    "sheet": _sheet,
    "stone": _stone,
    "room": _room,
    "shelf": _shelf,
    "desk": _desk,
}
