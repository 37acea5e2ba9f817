"""Reads photos beside the searches, a few at a time, and remembers what it read for minutes.

Reading a photo costs several times a search by it, so no search waits for it, and what cannot be
read soon is not read at all. It knows no OCR.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillReading
from dataclasses import dataclass
from typing import Literal

from photosearch.catalog.images import content_hash
from photosearch.perception.reader import Word
from photosearch.search.kept import Kept
from photosearch.search.schemas import ReadArticles, ReleaseIds

KEPT_S = 600.0
QUERIES_KEPT, PHOTOS_KEPT = 5000, 1000
"""A query takes some hundred bytes, the words of a photo some kilobytes."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Read:
    """How far the reading of a photo is."""

    state: Literal["reading", "read", "busy", "failed"]
    words: Sequence[Word] = ()


Reading = Future[Sequence[Word]]
Answer = Callable[[Read], ReadArticles]


@dataclass(frozen=True, slots=True)
class Asked:
    reading: Reading | None
    """None: too many photos waited."""
    answer: Answer


class ReadingRoom:
    """One photo is read at a time; the same photo is read once, whatever box is asked for."""

    def __init__(self, read: Callable[[bytes], Sequence[Word]], *, waiting_max: int) -> None:
        """Opens the room.

        Args:
            read: Content of a photo that decodes -> its words; may take seconds, and may fail.
            waiting_max: Photos read or waiting at once; one more is not read.
        """
        self._read_photo, self._waiting_max = read, waiting_max
        self._lock = threading.Lock()
        self._photos: Kept[str, Reading] = Kept(n_max=PHOTOS_KEPT, keep_s=KEPT_S)
        self._queries: Kept[str, Asked] = Kept(n_max=QUERIES_KEPT, keep_s=KEPT_S)
        self._waiting: set[Reading] = set()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reading")

    def start(self, query_id: str, photo: bytes, answer: Answer) -> None:
        """Has a photo read for a query, and returns at once.

        `answer` makes what `read` gives; it is kept with the query, so that a query is answered
        from the release that it asked, also after another went live.
        """
        self._queries.keep(query_id, Asked(self._reading_of(photo), answer))

    def read(self, query_id: str, *, wait_s: float = 0) -> ReadArticles | None:
        """What was read for a query, after at most `wait_s`; None: no such query, or forgotten."""
        asked = self._queries.recall(query_id)
        return None if asked is None else asked.answer(_so_far(asked.reading, wait_s))

    def close(self) -> None:
        """Gives up what waits; nothing is read any more."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _reading_of(self, photo: bytes) -> Reading | None:
        name = content_hash(photo)
        with self._lock:
            reading = self._photos.recall(name)
            if reading is not None and not _has_failed(reading):
                return reading
            self._waiting = {one for one in self._waiting if not one.done()}
            if len(self._waiting) >= self._waiting_max:
                log.info("a photo is not read: %d wait already", len(self._waiting))
                return None
            reading = self._reader.submit(self._read_photo, photo)
            self._waiting.add(reading)
            self._photos.keep(name, reading)
            return reading


def _so_far(reading: Reading | None, wait_s: float) -> Read:
    if reading is None:
        return Read("busy")
    try:
        return Read("read", tuple(reading.result(timeout=wait_s)))
    except StillReading:
        return Read("reading")
    except Exception as error:  # whatever the reader is made of: the search goes on without it
        log.warning("a photo was not read: %s: %s", type(error).__name__, error)
        return Read("failed")


def _has_failed(reading: Reading) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)


def nothing_read(query_id: str, release: ReleaseIds, *, has_failed: bool) -> ReadArticles:
    """The articles of an answer where none are read: by design, or since the reading failed."""
    state: Literal["failed", "off"] = "failed" if has_failed else "off"
    return ReadArticles(query_id=query_id, state=state, found=[], cards=[], release=release)
