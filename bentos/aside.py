"""A reading stands still while searches run: beside one, both take twice as long. Knows no OCR."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

Signal = Callable[[int, int], None]


class Aside:
    """Stops the process that reads, and lets it go on; threads share it."""

    def __init__(
        self, *, send: Signal = os.kill, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is read and nothing searched yet.

        Args:
            send: A signal to a process.
            clock: In seconds.
        """
        self._send, self._clock, self._lock = send, clock, Lock()
        self._n_searches = 0
        self._pid: int | None = None
        """Of the process that reads now."""
        self._left_s, self._stopped_at = 0.0, 0.0
        self._is_stopped = False

    @contextmanager
    def searching(self) -> Iterator[None]:
        """While at least one search runs, what was being read when it began stands still."""
        with self._lock:
            self._n_searches += 1
            if self._n_searches == 1:
                self._stop()
        try:
            yield
        finally:
            with self._lock:
                self._n_searches -= 1
                if self._n_searches == 0:
                    self._go_on()

    @contextmanager
    def reading(self, pid: int | None, *, most_s: float) -> Iterator[None]:
        """While a process reads a photo.

        Args:
            pid: Of the process, which is none of this one's group; None: there is none to stop.
            most_s: After standing still for so long in all it is not stopped again.
        """
        with self._lock:
            self._pid, self._left_s = pid, most_s
        try:
            yield
        finally:
            with self._lock:
                self._go_on()
                self._pid = None

    def _stop(self) -> None:
        if self._pid is not None and self._left_s > 0 and hasattr(signal, "SIGSTOP"):
            with suppress(OSError):  # it has just ended
                self._send(self._pid, signal.SIGSTOP)
            self._is_stopped, self._stopped_at = True, self._clock()

    def _go_on(self) -> None:
        if self._pid is not None and self._is_stopped:
            with suppress(OSError):
                self._send(self._pid, signal.SIGCONT)
            self._is_stopped = False
            self._left_s -= self._clock() - self._stopped_at
