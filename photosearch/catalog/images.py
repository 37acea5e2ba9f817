"""Opens a photo from a hostile world safely, and names it by its content."""

import hashlib
import io
import os
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from photosearch.errors import BadBox, HugePhoto, UnreadablePhoto

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 10_000_000
MAX_PIXELS = 50_000_000
MIN_BOX_PX = 8

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the turned photo."""


def open_photo(content: bytes, *, name: str, draft_px: int | None = None) -> Image.Image:
    """Decodes bytes into an RGB image, turned as its EXIF says.

    Args:
        content: A JPEG, PNG or WebP file.
        name: What an error message calls it.
        draft_px: Let the JPEG decoder shrink while decoding, but not below this side; 2 to 6 times
            faster on large photos.

    Raises:
        UnreadablePhoto: Not one of the formats, damaged, or cut short.
        HugePhoto: Over 10 MB or 50 megapixels.
    """
    if len(content) > MAX_BYTES:
        raise HugePhoto(
            f"{name} has {len(content):,} bytes, more than {MAX_BYTES:,}. Send a smaller file."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked just below
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise HugePhoto(
                f"{name} is {image.width} x {image.height} pixels, more than "
                f"{MAX_PIXELS // 1_000_000} megapixels. Send a smaller photo."
            )
        if draft_px is not None:
            image.draft("RGB", (draft_px, draft_px))
        return ImageOps.exif_transpose(image).convert("RGB")
    except HugePhoto:
        raise
    except Image.DecompressionBombError as error:
        raise HugePhoto(f"{name}: {error} Send a smaller photo.") from None
    except (OSError, ValueError, SyntaxError, KeyError, IndexError, EOFError, TypeError) as error:
        raise UnreadablePhoto(
            f"{name} is not a readable photo ({type(error).__name__}: {error}). "
            "Send a whole JPEG, PNG or WebP file."
        ) from None


def crop(image: Image.Image, box: Box) -> Image.Image:
    """Cuts a box out.

    Raises:
        BadBox: The box leaves the photo, or is less than 8 pixels wide or high.
    """
    left, top, right, bottom = box
    is_inside = left >= 0 and top >= 0 and right <= image.width and bottom <= image.height
    if not (is_inside and right - left >= MIN_BOX_PX and bottom - top >= MIN_BOX_PX):
        raise BadBox(box, image.width, image.height)
    return image.crop((round(left), round(top), round(right), round(bottom)))


def content_hash(content: bytes) -> str:
    """SHA-256 of the bytes, in hex: the identity of an image."""
    return hashlib.sha256(content).hexdigest()


def path_of(images_dir: Path, sha256: str) -> Path:
    """Where the image of this content lies; the name never comes from outside."""
    return images_dir / sha256[:2] / sha256


def store(images_dir: Path, content: bytes) -> str:
    """Keeps an image once, atomically; returns its content hash."""
    sha256 = content_hash(content)
    path = path_of(images_dir, sha256)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{sha256}.{os.getpid()}")
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
