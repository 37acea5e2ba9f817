"""The reader service as words and maps: what the search process has photos read and drawn by."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from photosearch.errors import EncoderUnavailable
from photosearch.perception.reader import Doubt, Word
from photosearch.search.map_desk import MapWanted

log = logging.getLogger(__name__)


class ReadDoubt(BaseModel):
    place: int
    instead: str
    share: float


class ReadWord(BaseModel):
    """A word, as it goes over the wire; see perception/reader.py."""

    text: str
    confidence: float
    box: tuple[float, float, float, float]
    line: int
    doubts: list[ReadDoubt]

    @classmethod
    def of(cls, word: Word) -> Self:
        """The same word on its way."""
        return cls.model_validate(asdict(word))

    def word(self) -> Word:
        """The same word, arrived."""
        doubts = tuple(Doubt(d.place, d.instead, d.share) for d in self.doubts)
        return Word(self.text, self.confidence, self.box, self.line, doubts)


def read_remotely(photo: bytes, read: Callable[[NDArray[np.uint8]], list[ReadWord]]) -> list[Word]:
    """The words on a photo; raises whatever the way to the service raises."""
    return [word.word() for word in read(np.frombuffer(photo, np.uint8))]


def draw_remotely(
    wanted: MapWanted, draw: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> bytes:
    """A PNG file, or nothing where the model tells of no attention.

    Raises:
        EncoderUnavailable: The service does not answer, is overloaded, or failed.
    """
    try:
        return draw(np.frombuffer(wanted.photo, np.uint8)).tobytes()
    # BentoML, aiohttp and the socket each have errors of their own; all mean no map.
    except Exception as error:
        log.warning("No map was drawn: %s: %s", type(error).__name__, error)
        raise EncoderUnavailable(
            "The process that draws maps does not answer. Try again in a few seconds."
        ) from error
