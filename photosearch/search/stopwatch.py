"""Times the stages of a search; knows none of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Notes how long each stage takes."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._took_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._took_ms[name] = _ms_since(started)

    def total_ms(self) -> float:
        """Milliseconds since the watch was made."""
        return _ms_since(self._started)

    def took_ms(self) -> dict[str, float]:
        """Milliseconds by stage, and `total` since the watch was made."""
        return self._took_ms | {"total": self.total_ms()}


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
