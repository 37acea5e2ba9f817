"""The reader service as words: what the search process has photos read by."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from photosearch.perception.reader import Doubt, Word


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
