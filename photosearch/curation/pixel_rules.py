"""Rules that need only the pixels: too dark, blurred, screenshot, banner, collage.

Each is named, measured in one number and compared with its own threshold of params.yaml. A card
never loses its last gallery picture to them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from photosearch.catalog.schemas import Photo, Rejected
from photosearch.curation.looks import Look
from photosearch.curation.noise import rejected_rows
from photosearch.settings import CurationParams

Verdict = tuple[bool, float]
"""Whether the photo goes, and the number that was compared, the larger the worse."""
PixelRule = Callable[[Photo, Look, CurationParams], Verdict]


def too_dark(_photo: Photo, look: Look, params: CurationParams) -> Verdict:
    """Even the bright pixels are dark."""
    return look.light < params.dark_light_max, -look.light


def blurred(_photo: Photo, look: Look, params: CurationParams) -> Verdict:
    """Even the steepest edges are shallow for the photo's contrast."""
    return look.sharpness < params.blurred_sharpness_max, -look.sharpness


def screenshot(_photo: Photo, look: Look, params: CurationParams) -> Verdict:
    """A drawn page full of text."""
    is_page = _is_page(look, params)
    return is_page and look.text >= params.screenshot_text_min, look.text


def banner(_photo: Photo, look: Look, params: CurationParams) -> Verdict:
    """A drawn page with little text."""
    return _is_page(look, params), look.line


def collage(photo: Photo, look: Look, params: CurationParams) -> Verdict:
    """A seam runs through a seller's picture from edge to edge; a buyer's shows floors."""
    return photo.kind == "gallery" and look.line >= params.collage_line_min, look.line


PIXEL_RULES: dict[str, PixelRule] = {
    "too_dark": too_dark,
    "blurred": blurred,
    "screenshot": screenshot,
    "banner": banner,
    "collage": collage,
}
"""By the name that a rejected photo has as its reason, in order."""


def by_pixels(
    name: str, photos: Sequence[Photo], *, looks: Mapping[str, Look], params: CurationParams
) -> list[Rejected]:
    """Rejects what one of `PIXEL_RULES` says; `looks` by photo_id."""
    verdicts = [PIXEL_RULES[name](photo, looks[photo.photo_id], params) for photo in photos]
    is_bad = np.array([bad for bad, _ in verdicts], bool)
    badness = np.array([score for _, score in verdicts], np.float64)
    return rejected_rows(photos, is_bad, reason=name, scores=np.abs(badness), badness=badness)


def _is_page(look: Look, params: CurationParams) -> bool:
    return look.flat >= params.page_flat_min and look.line >= params.page_line_min
