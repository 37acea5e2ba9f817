"""The encoder service as what finds things on photos: the search process runs no detector."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.errors import EncoderUnavailable
from photosearch.perception.detector import Found
from photosearch.perception.detector_formats import shown
from photosearch.search.seeing import SeenBy

Made = TypeVar("Made")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A photo as the detector sees it, and the release whose detector is to look."""

    release: str
    rgb: NDArray[np.uint8]
    """(height, width, 3)."""
    size: tuple[int, int]
    """Width and height before it was shrunk; boxes are in these pixels."""

    def as_image(self) -> Image.Image:
        return Image.fromarray(self.rgb)


class RemoteDetector:
    """Shrinks photos to what the detector sees and has it look elsewhere.

    The detector's own resize then finds the size right and changes nothing; a request carries 300
    KB at 320 px.
    """

    def __init__(
        self, seen_by: SeenBy, *, release: str, find: Callable[[Shrunk], Callable[[], list[Found]]]
    ) -> None:
        """`find`: has the detector of `release` look; what it returns waits for the things."""
        self._seen_by, self._release, self._find = seen_by, release, find

    def look(self, photo: Image.Image) -> Callable[[], list[Found]]:
        """Begins to look at an RGB photo; what it returns waits for the things, surest first.

        Raises:
            EncoderUnavailable: It does not answer, is overloaded, or failed; now or later.
        """
        rgb = shown(photo, self._seen_by.format, self._seen_by.seen_px)
        shrunk = Shrunk(self._release, rgb, photo.size)
        wait = _or_unavailable(lambda: self._find(shrunk))
        return lambda: _or_unavailable(wait)


def _or_unavailable(act: Callable[[], Made]) -> Made:
    try:
        return act()
    # BentoML, the line and the socket each have errors of their own; all mean no boxes.
    except Exception as error:
        log.warning("The detector failed: %s: %s", type(error).__name__, error)
        raise EncoderUnavailable(
            "The detector does not answer or has too much to do. Try again in a few seconds."
        ) from error
