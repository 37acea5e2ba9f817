"""The encoder service as what finds things on photos: the search process runs no detector."""

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from photosearch.errors import EncoderUnavailable
from photosearch.perception.detector import Found
from photosearch.perception.detector_formats import shown
from photosearch.search.seeing import SeenBy

log = logging.getLogger(__name__)


class FoundThing(BaseModel):
    """A thing on a photo, as it goes over the wire."""

    box: tuple[float, float, float, float]
    """In pixels of the photo before it was shrunk."""
    confidence: float
    name: str


class RemoteDetector:
    """Shrinks photos to what the detector sees and has it look elsewhere.

    The detector's own resize then finds the size right and changes nothing; a request carries 300
    KB at 320 px.
    """

    def __init__(
        self,
        seen_by: SeenBy,
        find: Callable[[NDArray[np.uint8], tuple[int, int]], list[FoundThing]],
    ) -> None:
        """`find`: (height, width, 3) uint8, width and height of the photo -> the things on it."""
        self._seen_by, self._find = seen_by, find

    def find(self, photo: Image.Image) -> list[Found]:
        """The things on an RGB photo, surest first.

        Raises:
            EncoderUnavailable: It does not answer, is overloaded, or failed.
        """
        small = shown(photo, self._seen_by.format, self._seen_by.seen_px)
        try:
            things = self._find(np.asarray(small), photo.size)
        # BentoML, httpx and the socket each have errors of their own; all mean no boxes.
        except Exception as error:
            log.warning("The detector failed: %s: %s", type(error).__name__, error)
            raise EncoderUnavailable(
                "The detector does not answer or has too much to do. Try again in a few seconds."
            ) from error
        return [Found(thing.box, thing.confidence, thing.name) for thing in things]
