"""Times the stages of a search and notes which of them the answer goes without; knows none."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Stopwatch:
    """Notes how long each stage takes, and which failed that may."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._took_ms: dict[str, float] = {}
        self._degraded: dict[str, None] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._took_ms[name] = _ms_since(started)

    @contextmanager
    def spared(self, name: str) -> Iterator[None]:
        """Goes on where what is done inside fails: the answer is right without it."""
        try:
            yield
        # Whatever a step is made of: it is logged and told in the answer.
        except Exception:
            log.exception("step %s failed: the answer goes without it", name)
            self._degraded[name] = None

    @contextmanager
    def optional(self, name: str) -> Iterator[None]:
        """A stage that is spared where it fails."""
        with self.stage(name), self.spared(name):
            yield

    @property
    def degraded(self) -> list[str]:
        """Names of what failed and was spared, in order, each once."""
        return list(self._degraded)

    def total_ms(self) -> float:
        """Milliseconds since the watch was made."""
        return _ms_since(self._started)

    def took_ms(self) -> dict[str, float]:
        """Milliseconds by stage, and `total` since the watch was made."""
        return self._took_ms | {"total": self.total_ms()}


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
