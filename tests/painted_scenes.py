"""Photos painted by chance as rules of curation meet them: scenes, chats, banners, goods."""

import numpy as np
from PIL import Image, ImageDraw
from small_market import PARAMS

RULES = PARAMS.model_copy(
    update={
        "dark_light_max": 40,
        "blurred_sharpness_max": 1.0,
        "page_flat_min": 0.6,
        "page_line_min": 25,
        "collage_line_min": 4,
    }
)


def scene(seed: int = 0, side_px: int = 320) -> Image.Image:
    """A textured ground with a few things on it."""
    dice = np.random.default_rng(seed)
    ground = dice.uniform(90, 170, (40, 40, 3)).astype(np.uint8)
    image = Image.fromarray(ground).resize((side_px, side_px), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(7):
        x, y = dice.uniform(0.15, 0.85, 2) * side_px
        r = dice.uniform(0.05, 0.2) * side_px
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(dice.integers(0, 255, 3).tolist()))
    return image


def chat(side_px: int = 320) -> Image.Image:
    """A screenshot: a bar from edge to edge and lines of letters."""
    image = Image.new("RGB", (side_px, side_px), (240, 240, 244))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, side_px, 36), fill=(60, 110, 190))
    for row in range(60, side_px - 20, 26):
        for left in range(16, side_px - 40, 6):
            draw.line((left, row, left, row + 10), fill=(30, 30, 34), width=2)
    return image


def sale(side_px: int = 320) -> Image.Image:
    """A banner: a loud ground, a white band, a few large letters."""
    image = Image.new("RGB", (side_px, side_px), (220, 60, 40))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 40, side_px, 110), fill="white")
    for left in range(60, 260, 40):
        draw.rectangle((left, 55, left + 18, 95), fill=(180, 20, 30))
    return image


def on_white(seed: int, side_px: int = 320) -> Image.Image:
    """A seller's picture: a thing on a light ground that gets darker below."""
    light = np.linspace(250, 238 - seed, side_px)[:, None, None] * np.ones((1, side_px, 3))
    image = Image.fromarray(light.astype(np.uint8))
    ImageDraw.Draw(image).ellipse((90, 80, 230, 260), fill=(40 * seed % 255, 90, 160))
    return image


def pasted(*tiles: Image.Image) -> Image.Image:
    """Two pictures side by side."""
    page = Image.new("RGB", (320, 320), "white")
    for place, tile in enumerate(tiles):
        page.paste(tile.resize((156, 320)), (160 * place, 0))
    return page
