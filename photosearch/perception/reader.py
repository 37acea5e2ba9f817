"""The Reader protocol: a photo in, the words printed on it out; knows no OCR engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from photosearch.catalog.images import Box

DOUBT_MIN = 0.15
"""A character, or a whole article, that is less likely than this share of what was read is no
doubt: docs/experiments/ocr.md."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A character that may be another."""

    place: int
    """Of the character in its text."""
    instead: str
    share: float
    """Probability of the other one by that of the character, in [0, 1)."""


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
    doubts: tuple[Doubt, ...] = ()
    """Where the reader was not sure; none of a reader that cannot tell."""


class Reader(Protocol):
    """Reads photos; may be called from several threads at once."""

    def read(self, photo: Image.Image) -> Sequence[Word]:
        """The words on an RGB photo, line by line from the top; none is an answer too."""
        ...
