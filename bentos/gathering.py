"""Searches of one call bring their photos together, so that they are embedded as one list.

Each search runs in a thread of its own and knows nothing of the others: its seat comes with the
context of the call. Knows neither photos nor encoder.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from itertools import accumulate, pairwise
from threading import Condition
from typing import Any

WAIT_S = 0.5
"""A search that has come waits no longer for the others: they may be waiting for its turn."""

Encode = Callable[[list[Any]], list[Any]]
"""One thing for each that it is given."""
Waiting = list[tuple[list[Any], "Future[list[Any]]"]]


class Gathering:
    """Where so many searches meet, once."""

    def __init__(self, n_searches: int) -> None:
        self._missing = n_searches
        self._waiting: Waiting = []
        self._changed = Condition()

    def come(self, photos: list[Any], encode: Encode) -> list[Any]:
        """What `encode` makes of these photos; the last to come, or to tire, asks for all."""
        mine: Future[list[Any]] = Future()
        with self._changed:
            self._waiting.append((photos, mine))
            self._leave()
            self._changed.wait_for(lambda: self._missing <= 0, timeout=WAIT_S)
            group: Waiting = []
            if any(made is mine for _, made in self._waiting):
                group, self._waiting = self._waiting, []
        if group:
            _encode_all(group, encode)
        return mine.result()

    def leave(self) -> None:
        """One that will not come is waited for no longer."""
        with self._changed:
            self._leave()

    def _leave(self) -> None:
        self._missing -= 1
        self._changed.notify_all()


class Seat:
    """One search's place in a gathering; it comes or leaves once."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering: Gathering | None = gathering

    def encode(self, photos: list[Any], encode: Encode) -> list[Any]:
        """See Gathering.come; alone, where it has come or left already."""
        gathering, self._gathering = self._gathering, None
        return encode(photos) if gathering is None else gathering.come(photos, encode)

    def leave(self) -> None:
        gathering, self._gathering = self._gathering, None
        if gathering is not None:
            gathering.leave()


SEAT: ContextVar[Seat | None] = ContextVar("SEAT", default=None)
"""Of the search that is under way; None: it is alone."""


def encode_together(photos: list[Any], encode: Encode) -> list[Any]:
    """What `encode` makes of photos, in one list with those of the other searches of the call."""
    seat = SEAT.get()
    return encode(photos) if seat is None else seat.encode(photos, encode)


def _encode_all(group: Sequence[tuple[list[Any], "Future[list[Any]]"]], encode: Encode) -> None:
    try:
        made = encode([photo for photos, _ in group for photo in photos])
    except Exception as error:  # whatever it is, it is every one's
        for _, one in group:
            one.set_exception(error)
        return
    ends = accumulate((len(photos) for photos, _ in group), initial=0)
    for (_, one), (start, end) in zip(group, pairwise(ends), strict=True):
        one.set_result(made[start:end])
