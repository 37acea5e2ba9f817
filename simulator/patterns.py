"""What is printed on a product: where the second colour goes; knows no colours."""

import math
from functools import lru_cache

from PIL import Image, ImageDraw

TILE_PX = 960
"""Side of a pattern; larger than a sprite, so that it can be shifted and wrapped."""

PATTERNS = ("plain", "stripes", "columns", "dots", "checks", "zigzag", "waves", "diamonds")


@lru_cache(maxsize=48)
def pattern_mask(pattern: str, pitch_px: int) -> Image.Image:
    """Mode L, `TILE_PX` wide and high: 255 where the second colour goes.

    Args:
        pitch_px: Distance between two stripes, dots or waves.
    """
    mask = Image.new("L", (TILE_PX, TILE_PX), 0)
    draw = ImageDraw.Draw(mask)
    steps = range(0, TILE_PX, pitch_px)
    match pattern:
        case "stripes":
            for at in steps:
                draw.rectangle((0, at, TILE_PX, at + pitch_px * 0.45), fill=255)
        case "columns":
            for at in steps:
                draw.rectangle((at, 0, at + pitch_px * 0.45, TILE_PX), fill=255)
        case "checks":
            for at in steps:
                draw.rectangle((0, at, TILE_PX, at + pitch_px * 0.3), fill=255)
                draw.rectangle((at, 0, at + pitch_px * 0.3, TILE_PX), fill=255)
        case "dots":
            _spread(draw, pitch_px, is_round=True)
        case "diamonds":
            _spread(draw, round(pitch_px * 1.3), is_round=False)
        case "zigzag":
            _rows(draw, pitch_px, is_sharp=True)
        case "waves":
            _rows(draw, pitch_px, is_sharp=False)
    return mask


def _spread(draw: ImageDraw.ImageDraw, pitch_px: int, *, is_round: bool) -> None:
    """Spots in staggered rows."""
    r = pitch_px * (0.3 if is_round else 0.42)
    for row, y in enumerate(range(0, TILE_PX + pitch_px, pitch_px)):
        for x in range(row % 2 * pitch_px // 2, TILE_PX + pitch_px, pitch_px):
            if is_round:
                draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
            else:
                draw.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=255)


def _rows(draw: ImageDraw.ImageDraw, pitch_px: int, *, is_sharp: bool) -> None:
    """Lines that go up and down."""
    step = pitch_px if is_sharp else max(4, pitch_px // 6)
    width = max(4, round(pitch_px * (0.42 if is_sharp else 0.34)))
    for y in range(0, TILE_PX + 2 * pitch_px, round(pitch_px * 1.25)):
        line = [
            (x, y + _swing(n, x, pitch_px, is_sharp=is_sharp))
            for n, x in enumerate(range(-step, TILE_PX + 2 * step, step))
        ]
        draw.line(line, fill=255, width=width, joint="curve")


def _swing(n: int, x: float, pitch_px: int, *, is_sharp: bool) -> float:
    if is_sharp:
        return pitch_px * 0.4 * (1 if n % 2 else -1)
    return pitch_px * 0.3 * math.sin(x / pitch_px * math.pi)
