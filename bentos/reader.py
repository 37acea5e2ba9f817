"""The service that reads words and draws maps, beside the searches and out of their way."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

import bentoml
import numpy as np
from numpy.typing import NDArray

from bentos.reader_client import ReadWord
from bentos.served import named_release, served_release
from photosearch.progress import configure_logging
from photosearch.settings import load_services

if TYPE_CHECKING:
    from photosearch.assembly_serving import DrawMap

TIMEOUT_S = 20
POLITENESS = 10
"""Where the system knows no idle processes."""


@bentoml.service(
    name="reader",
    workers=1,
    traffic={"timeout": TIMEOUT_S},
    runner_connection={"max_requests": 10**9, "max_age": 10.0**9},  # as the encoder's
)
class Reader:
    def __init__(self) -> None:
        from photosearch.assembly_serving import load_map_drawer, load_served_reader

        configure_logging()
        _give_way()
        self._services = load_services()
        self._reader = load_served_reader(served_release(self._services))

        # Loaded when the first map is asked for: most services never draw one.
        @lru_cache(maxsize=1)
        def drawer(release: str) -> "DrawMap | None":
            return load_map_drawer(named_release(self._services, release))

        self._drawer = drawer

    @bentoml.api  # type: ignore[untyped-decorator]
    def read(self, photo: NDArray[np.uint8]) -> list[ReadWord]:
        """Reads a photo, given as the bytes of its file, (n_bytes,)."""
        from photosearch.catalog.images import open_photo

        if self._reader is None:
            return []
        image = open_photo(photo.tobytes(), name="a photo to read")
        return [ReadWord.of(word) for word in self._reader.read(image)]

    @bentoml.api  # type: ignore[untyped-decorator]
    def draw(
        self, photo: NDArray[np.uint8], box: list[float], release: str, thumbnail: str
    ) -> NDArray[np.uint8]:
        """Draws where the model of a release looks, or what it finds alike on a card's picture.

        Args:
            photo: The bytes of its file, (n_bytes,).
            box: The part that was searched; empty means all of it.
            release: Whose model looks.
            thumbnail: File name of the picture; empty draws where it looks.

        Returns:
            The bytes of a PNG file; empty where the model tells of no attention.
        """
        from photosearch.catalog.images import crop, open_photo

        draw = self._drawer(release)
        if draw is None:
            return np.empty(0, np.uint8)
        image = open_photo(photo.tobytes(), name="a photo to explain")
        if box:
            left, top, right, bottom = box
            image = crop(image, (left, top, right, bottom))
        other = None
        if thumbnail:
            path = named_release(self._services, release).thumbnails / thumbnail
            other = open_photo(path.read_bytes(), name=thumbnail)
        return np.frombuffer(draw(image, other), np.uint8)


def _give_way() -> None:
    """Lets searches have the processor first: a reading takes several times as long as one.

    A nice process still gets a tenth of a core that a search wants, and a model that runs on
    several threads waits for the one that is disturbed.
    """
    if hasattr(os, "SCHED_IDLE"):  # Linux
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(POLITENESS)
