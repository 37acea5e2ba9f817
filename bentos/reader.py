"""The service that reads words and draws maps, beside the searches and out of their way."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from threading import Event, Thread
from typing import TYPE_CHECKING

import bentoml
import numpy as np
from numpy.typing import NDArray

from bentos.reader_client import ReadWord
from bentos.reading import give_way, open_reading, reads
from bentos.served import named_release, served_release
from photosearch.own_process import OwnProcess
from photosearch.progress import configure_logging
from photosearch.settings import load_services

if TYPE_CHECKING:
    from photosearch.assembly_serving import DrawMap

TIMEOUT_S = 20
STANDS_MOST_S = 3.0
"""A reading that was stopped goes on after so long at the latest."""


@bentoml.service(
    name="reader",
    workers=1,
    traffic={"timeout": TIMEOUT_S},
    runner_connection={"max_requests": 10**9, "max_age": 10.0**9},  # as the encoder's
)
class Reader:
    def __init__(self) -> None:
        from photosearch.assembly_serving import load_map_drawer

        configure_logging()
        self._services = load_services()
        release = served_release(self._services)
        self._reading = OwnProcess(partial(open_reading, release)) if reads(release) else None

        # Loaded when the first map is asked for: most services never draw one.
        @lru_cache(maxsize=1)
        def drawer(release: str) -> "DrawMap | None":
            return load_map_drawer(named_release(self._services, release))

        self._drawer = drawer

    @bentoml.api  # type: ignore[untyped-decorator]
    def read(self, photo: NDArray[np.uint8]) -> list[ReadWord]:
        """Reads a photo, given as the bytes of its file, (n_bytes,)."""
        if self._reading is None:
            return []
        with _let_go_on_every(STANDS_MOST_S, self._reading):
            return [ReadWord.of(word) for word in self._reading.ask("read", photo.tobytes())]

    @bentoml.api  # type: ignore[untyped-decorator]
    async def pid(self) -> int:
        """Of the process that reads, which may be stopped for a while; 0: this reads nothing."""
        return 0 if self._reading is None else self._reading.pid

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

        give_way()
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

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()


@contextmanager
def _let_go_on_every(seconds: float, process: OwnProcess) -> Iterator[None]:
    """Ends each stop of a process after a while: who stopped it may have died since."""
    is_over = Event()

    def watch() -> None:
        while not is_over.wait(seconds):
            process.go_on()

    Thread(target=watch, name="reading", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
