"""One thread writes what many give, as one group at a time; knows nothing of databases.

While one group is being written the next one gathers, so that requests share a commit: the more of
them come, the larger the groups.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread

from photosearch.errors import EventsUnavailable
from photosearch.feedback.schemas import Answer, Event

GROUP_EVENTS = 5_000
"""A group is closed once it has so many."""
WAITING_EVENTS_MOST = 20_000
"""More are refused at once: the store is away, or slower than the shoppers."""
WAITING_ANSWERS_MOST = 500
"""Answers are told by searches, which wait for nothing: one more is dropped, and counted."""
GATHER_S = 0.1
"""So long answers wait for others where no event comes."""
TRY_AGAIN_S = 1.0
CLOSE_WITHIN_S = 10.0

WriteGroup = Callable[[Sequence[Sequence[Event]], Sequence[Answer]], list[int]]
"""Writes both, the answers before the events; returns how many events of each request were new."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    events: Sequence[Event]
    kept: Future[int]


class GroupWriter:
    """Shared by threads; closed once, by its owner."""

    def __init__(self, write: WriteGroup) -> None:
        """`write`: called by one thread; it returns once all is durable, or raises."""
        self._write = write
        self._changed = Condition()
        self._asked: deque[_Asked] = deque()
        self._answers: deque[Answer] = deque()
        self._dropped = 0
        self._wait_s = GATHER_S
        self._is_closing = False
        self._thread = Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Answers that were not kept, since the start."""
        return self._dropped

    def give(self, events: Sequence[Event]) -> Future[int]:
        """Has events written; the future is done once they are durable.

        Raises:
            EventsUnavailable: Too many wait already, or the store is closed. The future has this
                error, too, where writing fails.
        """
        asked = _Asked(tuple(events), Future())
        with self._changed:
            if self._is_closing:
                raise EventsUnavailable("The store of events is closed. Open it again.")
            waiting = sum(len(one.events) for one in self._asked)
            if waiting + len(asked.events) > WAITING_EVENTS_MOST:
                raise EventsUnavailable(
                    f"{waiting} events wait to be written, more than {WAITING_EVENTS_MOST} with "
                    f"these {len(asked.events)}. Send them again in a few seconds."
                )
            self._asked.append(asked)
            self._changed.notify()
        return asked.kept

    def tell(self, answer: Answer) -> None:
        """Has an answer written some time soon; dropped where too many wait."""
        with self._changed:
            if self._is_closing or len(self._answers) >= WAITING_ANSWERS_MOST:
                self._drop(1)
                return
            self._answers.append(answer)
            self._changed.notify()

    def close(self) -> None:
        """Writes what waits, and ends."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(CLOSE_WITHIN_S)
        if self._dropped:
            log.warning("%d answers were not logged in all", self._dropped)

    def _run(self) -> None:
        while True:
            asked, answers = self._next_group()
            if asked or answers:
                self._write_group(asked, answers)
            elif self._is_closing:
                return

    def _next_group(self) -> tuple[list[_Asked], list[Answer]]:
        """Waits for something to write; answers that were told before an event go with it."""
        asked: list[_Asked] = []
        with self._changed:
            self._changed.wait_for(lambda: self._asked or self._answers or self._is_closing)
            if not self._asked:
                self._changed.wait_for(lambda: self._asked or self._is_closing, self._wait_s)
            n_events = 0
            while self._asked and n_events < GROUP_EVENTS:
                one = self._asked.popleft()
                if one.kept.set_running_or_notify_cancel():  # else its caller has given up
                    asked.append(one)
                    n_events += len(one.events)
            answers = list(self._answers)
            self._answers.clear()
        return asked, answers

    def _write_group(self, asked: list[_Asked], answers: list[Answer]) -> None:
        try:
            kept = self._write([one.events for one in asked], answers)
        # Whatever it is, this thread goes on: the next group may be written.
        except Exception as error:
            log.warning(
                "%d events and %d answers cannot be written: %s",
                sum(len(one.events) for one in asked), len(answers), error,
                exc_info=not isinstance(error, EventsUnavailable),
            )  # fmt: skip
            if answers and not isinstance(error, EventsUnavailable):
                self._forget(answers)  # one of them may be why, at each further try too
                self._write_group(asked, [])
                return
            for one in asked:
                one.kept.set_exception(error)
            self._put_back(answers)
            return
        self._wait_s = GATHER_S
        for one, n in zip(asked, kept, strict=True):
            one.kept.set_result(n)

    def _put_back(self, answers: list[Answer]) -> None:
        """Nobody sends answers again as callers do with events: they wait for a better time."""
        with self._changed:
            self._wait_s = TRY_AGAIN_S
            room = 0 if self._is_closing else WAITING_ANSWERS_MOST - len(self._answers)
            self._answers.extendleft(reversed(answers[:room]))
            if answers[room:]:
                self._drop(len(answers[room:]))

    def _forget(self, answers: list[Answer]) -> None:
        with self._changed:
            self._drop(len(answers))

    def _drop(self, n: int) -> None:
        """Counts; the log tells the first, then each thousandth."""
        before, self._dropped = self._dropped, self._dropped + n
        if before == 0 or before // 1000 != self._dropped // 1000:
            log.warning(
                "%d answers were not logged so far: the store of events is away or too slow, or "
                "could not write them",
                self._dropped,
            )
