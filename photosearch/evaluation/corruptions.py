"""What happens to shoppers' photos before we see them: pure functions, RGB photo to RGB photo.

Chance comes from the generator alone: the same state, the same pixels. Knows no models.
"""

import io

import numpy as np
from PIL import Image, ImageDraw

SCREEN = (1.0, 2.1)
"""Width and height of a telephone's screen, as shares of its width."""
GRAIN = 5.0
"""Standard deviation of a dark photo's noise, in grey levels."""


def cropped(photo: Image.Image, side: float, random: np.random.Generator) -> Image.Image:
    """A part somewhere in the photo; `side` in (0, 1] is its share of each side."""
    width, height = max(1, round(photo.width * side)), max(1, round(photo.height * side))
    left = int(random.integers(photo.width - width + 1))
    top = int(random.integers(photo.height - height + 1))
    return photo.crop((left, top, left + width, top + height))


def rotated(photo: Image.Image, degrees: float, random: np.random.Generator) -> Image.Image:
    """Turned left or right by half to all of `degrees`; corners show what a mirror would."""
    angle = float(random.uniform(0.5, 1) * degrees * random.choice((-1, 1)))
    pixels = np.asarray(photo)
    margins = [(side // 2, side // 2) for side in pixels.shape[:2]]
    wide = Image.fromarray(np.pad(pixels, [*margins, (0, 0)], mode="reflect"))
    turned = wide.rotate(angle, Image.Resampling.BICUBIC)
    left, top = margins[1][0], margins[0][0]
    return turned.crop((left, top, left + photo.width, top + photo.height))


def screenshot(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """The photo on the page of a shop, seen on a telephone: bars, lines of text, a button."""
    width = photo.width
    page = Image.new("RGB", (width, round(width * SCREEN[1])), (250, 250, 252))
    draw, line = ImageDraw.Draw(page), max(4, width // 28)
    draw.rectangle((0, 0, width, 2 * line), (30, 30, 34))
    shown = photo.copy()
    shown.thumbnail((width, round(width * 1.2)))
    top = round(width * float(random.uniform(0.12, 0.25)))
    page.paste(shown, ((width - shown.width) // 2, top))
    below = top + shown.height + 2 * line
    for _ in range(5):
        end = round(width * float(random.uniform(0.4, 0.94)))
        draw.rectangle((line, below, end, below + line // 2), (70, 70, 76))
        below += 2 * line
    button = (line, page.height - 5 * line, width - line, page.height - 2 * line)
    draw.rounded_rectangle(button, line, (203, 17, 171))
    return page


def compressed(photo: Image.Image, quality: int, side_px: int) -> Image.Image:
    """Sent on by an app: shrunk to `side_px` and saved as JPEG of this quality, 1 to 95."""
    small = photo.copy()
    small.thumbnail((side_px, side_px))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


def darkened(photo: Image.Image, light: float, random: np.random.Generator) -> Image.Image:
    """Taken with little light: this share of it in (0, 1], and grain."""
    grain = random.normal(0, GRAIN, (photo.height, photo.width, 3))
    pixels = np.asarray(photo, np.float64) * light + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
