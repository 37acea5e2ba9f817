"""Opens a photo from a hostile world safely, and names it by its content."""

import hashlib
import io
import os
import re
import struct
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from photosearch.catalog.photo_parts import count_scans, require_few_scans
from photosearch.errors import BadBox, BadPhoto, HugePhoto, UnreadablePhoto

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 10_000_000
MAX_PIXELS = 50_000_000
MIN_BOX_PX = 8
STORED_NAME = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\.\d+\.\d+")
"""A stored image, or one whose writing was cut off."""
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a photo upright, by the value of its EXIF orientation tag; 1 needs nothing."""
SIDEWAYS = {
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
}
"""Turns that exchange width and height."""
DAMAGED = (
    *(OSError, ValueError, SyntaxError, KeyError, IndexError, EOFError, TypeError),
    *(AttributeError, struct.error),  # found by feeding it damaged EXIF
)
"""What Pillow raises for a file that is not what it says."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the turned photo."""


def open_photo(content: bytes, *, name: str, draft_px: int | None = None) -> Image.Image:
    """Decodes bytes into an RGB image, turned as its EXIF says, on white where it is transparent.

    Args:
        content: A JPEG, PNG or WebP file.
        name: What an error message calls it.
        draft_px: Let the JPEG decoder shrink while decoding, but not below this side; 2 to 6 times
            faster on large photos.

    Raises:
        UnreadablePhoto: Not one of the formats, damaged, cut short, or of parts without number.
        HugePhoto: Over 10 MB or 50 megapixels.
    """
    return open_sized(content, name=name, draft_px=draft_px)[0]


def open_sized(
    content: bytes, *, name: str, draft_px: int | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """What `open_photo` gives, and width and height of the whole photo after its turn."""
    with _decoding(content, name) as image:
        width, height = image.size
        if draft_px is not None:
            image.draft("RGB", (draft_px, draft_px))
        pixels, turn = _upright_rgb(image)
        return pixels, (height, width) if turn in SIDEWAYS else (width, height)


def checked_size(content: bytes, *, name: str) -> tuple[int, int]:
    """Width and height of a photo after its turn, once it proved to decode to its end.

    A JPEG is shrunk while it is decoded: every bit of it is read all the same, in half the time.
    Raises what `open_photo` raises.
    """
    with _decoding(content, name) as image:
        width, height = image.size
        image.draft(None, (width // 8, height // 8))
        image.load()
        turn = _turn(image)
    return (height, width) if turn in SIDEWAYS else (width, height)


@contextmanager
def _decoding(content: bytes, name: str) -> Iterator[Image.Image]:
    """An image that is not too large; what goes wrong while it is used becomes our error."""
    if len(content) > MAX_BYTES:
        raise HugePhoto(
            f"{name} has {len(content):,} bytes, more than {MAX_BYTES:,}. Send a smaller file."
        )
    if not content:
        raise UnreadablePhoto(
            f"{name} is not a photo but an empty file. Send a JPEG, PNG or WebP one."
        )
    n_scans = count_scans(content, name=name)
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise HugePhoto(
                f"{name} is {image.width} x {image.height} pixels, more than "
                f"{MAX_PIXELS // 1_000_000} megapixels. Send a smaller photo."
            )
        require_few_scans(n_scans, image.size, name=name)
        yield image
    except BadPhoto:
        raise
    # Pillow only warns of the smaller bombs; where a warning is an error it means the same.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise HugePhoto(f"{name}: {error} Send a smaller photo.") from None
    except UnidentifiedImageError:  # its own message shows a memory address
        raise UnreadablePhoto(f"{name} is not a JPEG, PNG or WebP image. Send one.") from None
    except DAMAGED as error:
        raise UnreadablePhoto(
            f"{name} is not a readable photo ({type(error).__name__}: {error}). "
            "Send a whole JPEG, PNG or WebP file."
        ) from None


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Cuts a box out.

    Raises:
        BadBox: The box leaves the photo, or is less than 8 pixels wide or high.
    """
    require_inside(box, image.size)
    left, top, right, bottom = box
    return image.crop((round(left), round(top), round(right), round(bottom)))


def require_inside(box: Box, size: tuple[int, int]) -> None:
    """Raises BadBox where `crop` would, of a photo of this width and height."""
    left, top, right, bottom = box
    is_inside = left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1]
    if not (is_inside and right - left >= MIN_BOX_PX and bottom - top >= MIN_BOX_PX):
        raise BadBox(box, *size)


def content_hash(content: bytes) -> str:
    """SHA-256 of the bytes, in hex: the identity of an image."""
    return hashlib.sha256(content).hexdigest()


def path_of(images_dir: Path, sha256: str) -> Path:
    """Where the image of this content lies; the name never comes from outside."""
    return images_dir / sha256[:2] / sha256


def store(images_dir: Path, content: bytes) -> str:
    """Keeps an image once, atomically, also from several threads; mends a damaged one.

    Returns:
        Its content hash.
    """
    sha256 = content_hash(content)
    path = path_of(images_dir, sha256)
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{sha256}.{os.getpid()}.{threading.get_ident()}")
        partial.write_bytes(content)
        partial.replace(path)
    return sha256


def load(images_dir: Path, sha256: str, *, draft_px: int | None = None) -> Image.Image:
    """Opens a stored image; raises what `open_photo` raises."""
    path = path_of(images_dir, sha256)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UnreadablePhoto(f"{path} is gone. Pull again, or run `dvc checkout`.") from None
    return open_photo(content, name=str(path), draft_px=draft_px)


def delete_others(images_dir: Path, *, keep: Container[str]) -> None:
    """Deletes the stored images whose content hash is not in `keep`, and nothing else."""
    for path in images_dir.glob("??/*"):
        if path.name not in keep and STORED_NAME.fullmatch(path.name):
            path.unlink()
    for folder in images_dir.glob("??"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def rgbx_of(photo: Image.Image) -> NDArray[np.uint8]:
    """The memory of an RGB image, (height, width, 4); what is in the fourth is anybody's guess.

    Nothing is copied, but of a photo larger than a block of Pillow's memory (16 MB).
    """
    try:
        told = pa.array(photo)
    except ValueError:  # its rows lie in several blocks
        return np.asarray(photo.convert("RGBX"))
    return np.asarray(told.flatten(), np.uint8).reshape(photo.height, photo.width, 4)


def _upright_rgb(image: Image.Image) -> tuple[Image.Image, Image.Transpose | None]:
    """RGB pixels, turned, with nothing of the file's metadata left to turn them twice; the turn."""
    image.load()
    turn = _turn(image)
    rgb = _on_white(image)
    rgb.info = {}
    rgb._exif = None  # clearing tags one by one takes a minute where a hostile file has 40,000
    return rgb if turn is None else rgb.transpose(turn), turn


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What EXIF asks for; nothing where it is damaged, for the pixels may be whole."""
    try:
        return TURNS.get(image.getexif().get(ORIENTATION, 1))
    except DAMAGED:
        return None


def _on_white(image: Image.Image) -> Image.Image:
    """RGB pixels, white where the photo is transparent: hidden pixels may be of any colour."""
    if image.mode.startswith("I"):
        image = _of_8_bits(image)
    if image.mode == "RGB" and not image.has_transparency_data:
        return image  # a copy takes a third as long as decoding
    if not image.has_transparency_data:
        return image.convert("RGB")
    opaque = Image.new("RGBA", image.size, "white")
    opaque.alpha_composite(image.convert("RGBA"))
    return opaque.convert("RGB")


def _of_8_bits(image: Image.Image) -> Image.Image:
    """The upper 8 of the 16 bits of a grey image, as of coloured ones; `convert` would clip it."""
    grey = image.point(lambda value: value / 256).convert("L")
    if "transparency" in image.info:  # the grey that is transparent
        grey.info["transparency"] = image.info["transparency"] >> 8
    return grey
