"""A memory of bounded size and age, for several threads; knows nothing of what it keeps."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Forgets what is too old, and the oldest where there is too much."""

    def __init__(
        self, *, n_max: int, keep_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._n_max, self._keep_s, self._clock = n_max, keep_s, clock
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: Key, value: Value) -> None:
        """Keeps a value from now on; what the key had before is forgotten."""
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (self._clock(), value)
            self._forget()

    def recall(self, key: Key) -> Value | None:
        """What was kept; None where there was nothing, or it is forgotten."""
        with self._lock:
            self._forget()
            kept = self._kept.get(key)
            return None if kept is None else kept[1]

    def _forget(self) -> None:
        too_old = self._clock() - self._keep_s
        while self._kept:
            key, (kept_at, _) = next(iter(self._kept.items()))
            if kept_at >= too_old and len(self._kept) <= self._n_max:
                return
            del self._kept[key]
