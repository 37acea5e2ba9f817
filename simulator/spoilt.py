"""What goes wrong with photos after they are taken: resent, blurred, dark, pasted; and faces."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from simulator.props import SKINS

CHANGES = ("recompressed", "resized", "cropped", "relit")
"""What an app does to a photo that is sent again; besides, it always compresses anew."""
HAIR = ((38, 28, 22), (92, 60, 36), (170, 130, 70), (60, 58, 60), (150, 70, 40))
CLOTHES = ((40, 60, 110), (120, 30, 40), (230, 226, 218), (50, 90, 60), (30, 30, 34))


def resent(image: Image.Image, change: str, chance: np.random.Generator) -> Image.Image:
    """The same photo after one of `CHANGES`; a crop takes up to 4% of each side."""
    width, height = image.size
    match change:
        case "resized":
            scale = float(chance.uniform(0.45, 0.85))
            return image.resize(
                (round(width * scale), round(height * scale)), Image.Resampling.BILINEAR
            )
        case "cropped":
            left, top, right, bottom = chance.uniform(0.004, 0.04, 4).tolist()
            return image.crop(
                (
                    round(width * left), round(height * top),
                    round(width * (1 - right)), round(height * (1 - bottom)),
                )
            )  # fmt: skip
        case "relit":
            gain, gamma = float(chance.uniform(0.75, 1.25)), float(chance.uniform(0.8, 1.25))
            curve = 255 * gain * (np.arange(256) / 255) ** gamma
            table: list[int] = curve.clip(0, 255).astype(int).tolist()
            return image.point(table * 3)
        case _:
            return image


def blurred(image: Image.Image, chance: np.random.Generator) -> Image.Image:
    """Out of focus, so that neither print nor edge is left."""
    return image.filter(ImageFilter.GaussianBlur(float(chance.uniform(7, 14))))


def darkened(image: Image.Image, chance: np.random.Generator) -> Image.Image:
    """Taken without light: shapes are guessed, grain is seen."""
    share = float(chance.uniform(0.04, 0.12))
    grain = chance.normal(2, 3, (image.height, image.width, 3))
    pixels = np.asarray(image).astype(np.float64) * share + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def collage(tiles: Sequence[Image.Image], side_px: int, chance: np.random.Generator) -> Image.Image:
    """Two side by side, two on two, or one large with two small, with or without white gaps."""
    gap = int(chance.choice((0, 6, 10)))
    half, third = side_px // 2, side_px // 3
    layouts = (
        [(0, 0, half, side_px), (half, 0, side_px, side_px)],
        [(x, y, x + half, y + half) for y in (0, half) for x in (0, half)],
        [(0, 0, 2 * third, side_px), (2 * third, 0, side_px, half),
         (2 * third, half, side_px, side_px)],
    )  # fmt: skip
    page = Image.new("RGB", (side_px, side_px), (255, 255, 255))
    for tile, (left, top, right, bottom) in zip(tiles, layouts[int(chance.integers(3))],
                                                strict=False):  # fmt: skip
        size = (right - left - gap, bottom - top - gap)
        page.paste(_filling(tile, size), (left + gap // 2, top + gap // 2))
    return page


def draw_person(scene: Image.Image, chance: np.random.Generator) -> None:
    """A selfie: head and shoulders, no product in sight."""
    draw = ImageDraw.Draw(scene)
    width, height = scene.size
    skin, hair, cloth = (
        options[int(chance.integers(len(options)))] for options in (SKINS, HAIR, CLOTHES)
    )
    shade = tuple(value * 4 // 5 for value in skin)
    x, y = width * float(chance.uniform(0.42, 0.58)), height * float(chance.uniform(0.38, 0.5))
    r = min(width, height) * float(chance.uniform(0.26, 0.36))
    draw.ellipse((x - 1.25 * r, y - 1.45 * r, x + 1.25 * r, y + 1.3 * r), fill=hair)
    draw.rounded_rectangle((x - 2.1 * r, y + 1.5 * r, x + 2.1 * r, height + r), r, fill=cloth)
    draw.rectangle((x - 0.4 * r, y + 0.8 * r, x + 0.4 * r, y + 1.75 * r), fill=shade)
    draw.ellipse((x - r, y - 1.2 * r, x + r, y + 1.35 * r), fill=skin)
    draw.chord((x - 1.05 * r, y - 1.4 * r, x + 1.05 * r, y), 185, 355, fill=hair)
    for side in (-1, 1):
        eye = x + side * 0.4 * r
        draw.ellipse((eye - 0.17 * r, y - 0.16 * r, eye + 0.17 * r, y + 0.04 * r), fill="white")
        draw.ellipse((eye - 0.08 * r, y - 0.14 * r, eye + 0.08 * r, y + 0.02 * r), fill=hair)
        draw.line((eye - 0.22 * r, y - 0.3 * r, eye + 0.22 * r, y - 0.32 * r), hair, round(r / 14))
    draw.polygon([(x, y), (x - 0.13 * r, y + 0.45 * r), (x + 0.13 * r, y + 0.45 * r)], fill=shade)
    draw.chord((x - 0.4 * r, y + 0.45 * r, x + 0.4 * r, y + 0.95 * r), 10, 170, fill=(170, 60, 66))


def _filling(tile: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a tile, as large as it takes to fill the size."""
    scale = max(size[0] / tile.width, size[1] / tile.height)
    wide, tall = size[0] / scale, size[1] / scale
    left, top = (tile.width - wide) / 2, (tile.height - tall) / 2
    box = (left, top, left + wide, top + tall)
    return tile.resize(size, Image.Resampling.BILINEAR, box=box)
