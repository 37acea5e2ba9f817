"""A shopper's photo, decoded no larger than what looks at it needs; knows no model.

A JPEG of 12 megapixels is decoded to a quarter of its sides in a quarter of the time. Boxes stay in
pixels of the whole photo, and a small part is decoded again, as large as it takes.
"""

from dataclasses import dataclass

from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.images import Box

WHOLE = 3
"""A photo is decoded to at least so many times what a tower sees, so that parts of it are rarely
decoded again."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenPhoto:
    """A photo that decoded to its end."""

    pixels: Image.Image
    """RGB, upright, as large as a tower needs; may be smaller than the photo."""
    size: tuple[int, int]
    """Width and height of the whole photo, upright: boxes are inside these."""
    content: bytes
    """Its file."""
    name: str
    """What an error message calls it."""
    sees_px: int | None
    """Side of the square that a tower sees; None: nothing is shrunk."""

    def in_full(self, box: Box) -> Box:
        """A box in `pixels` as one of the whole photo."""
        if self.pixels.size == self.size:
            return box
        (width, height), (x, y) = self.size, _scales(self.size, self.pixels.size)
        left, top, right, bottom = box
        # Dividing may end a hair outside.
        return left / x, top / y, min(right / x, width), min(bottom / y, height)


def see(content: bytes, name: str, *, sees_px: int | None = None) -> SeenPhoto:
    """Decodes a photo; raises what `open_photo` raises.

    Args:
        content: A JPEG, PNG or WebP file; only a JPEG can be decoded smaller.
        name: What an error message calls it.
        sees_px: See SeenPhoto.
    """
    draft_px = None if sees_px is None else WHOLE * sees_px
    pixels, size = images.open_sized(content, name=name, draft_px=draft_px)
    return SeenPhoto(pixels, size, content, name, sees_px)


def cut(photo: SeenPhoto, box: Box) -> Image.Image:
    """Cuts a box of the whole photo out; decodes again where what is here would be too coarse.

    The same photo and box give the same pixels, whoever chose the box.

    Raises:
        BadBox: The box leaves the photo, or is less than 8 pixels wide or high.
    """
    images.require_inside(box, photo.size)
    pixels = photo.pixels
    shortest = min(box[2] - box[0], box[3] - box[1])
    if photo.sees_px is not None and pixels.size != photo.size:
        here = shortest * min(_scales(photo.size, pixels.size))
        if here < photo.sees_px:
            shrink = max(1, int(shortest) // photo.sees_px)
            draft_px = min(photo.size) // shrink
            pixels = images.open_photo(photo.content, name=photo.name, draft_px=draft_px)
    x, y = _scales(photo.size, pixels.size)
    left, top, right, bottom = box
    return pixels.crop((round(left * x), round(top * y), round(right * x), round(bottom * y)))


def _scales(of: tuple[int, int], to: tuple[int, int]) -> tuple[float, float]:
    return to[0] / of[0], to[1] / of[1]
