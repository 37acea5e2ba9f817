"""The Reader protocol: a photo in, the words printed on it out; knows no OCR engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from photosearch.catalog.images import Box


@dataclass(frozen=True, slots=True)
class Word:
    """Printed characters with no space among them."""

    text: str
    confidence: float
    """Mean probability of its line's characters, in [0, 1]."""
    box: Box
    """Upright, also round a slanted word; in pixels of the turned photo."""
    line: int
    """Number of its line on the photo; words of one line follow each other as they are read."""


class Reader(Protocol):
    """Reads photos; may be called from several threads at once."""

    def read(self, photo: Image.Image) -> Sequence[Word]:
        """The words on an RGB photo, line by line from the top; none is an answer too."""
        ...
