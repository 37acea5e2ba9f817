"""The service that reads words on photos, beside the searches and out of their way."""

import os

import bentoml
import numpy as np
from numpy.typing import NDArray

from bentos.reader_client import ReadWord
from bentos.served import served_release
from photosearch.progress import configure_logging
from photosearch.settings import load_services

TIMEOUT_S = 20
POLITENESS = 10
"""Searches get the processor first: a reading takes several times as long as a search."""


@bentoml.service(
    name="reader",
    workers=1,
    traffic={"timeout": TIMEOUT_S},
    runner_connection={"max_requests": 10**9, "max_age": 10.0**9},  # as the encoder's
)
class Reader:
    def __init__(self) -> None:
        from photosearch.assembly_serving import load_served_reader

        configure_logging()
        os.nice(POLITENESS)
        self._reader = load_served_reader(served_release(load_services()))

    @bentoml.api  # type: ignore[untyped-decorator]
    def read(self, photo: NDArray[np.uint8]) -> list[ReadWord]:
        """Reads a photo, given as the bytes of its file, (n_bytes,)."""
        from photosearch.catalog.images import open_photo

        if self._reader is None:
            return []
        image = open_photo(photo.tobytes(), name="a photo to read")
        return [ReadWord.of(word) for word in self._reader.read(image)]
