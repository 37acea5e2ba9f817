"""How often a caller may call: a token bucket each; knows neither keys nor HTTP."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from photosearch.search.kept import Kept

WINDOW_S = 60.0
CALLERS_KEPT = 100_000
"""Those that called longest ago are forgotten first: they may begin anew."""


@dataclass(frozen=True, slots=True)
class Allowance:
    is_allowed: bool
    left: int
    """Calls that may be made at once."""
    wait_s: int
    """Until the refused calls would be allowed; 0 where they were."""
    full_s: int
    """Until as many may be made as ever."""


class Rates:
    """Allows a minute's calls at once, and then as many as a minute brings."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # a bucket is full again after the window, so there is nothing to remember of it
        self._kept: Kept[str, tuple[float, float]] = Kept(
            n_max=CALLERS_KEPT, keep_s=WINDOW_S, clock=clock
        )

    def take(self, caller: str, per_min: int, *, n_calls: int = 1, had: int = 0) -> Allowance:
        """Takes calls from a caller's bucket if they are there; else nothing.

        Args:
            caller: Its id.
            per_min: Calls; at least 1.
            n_calls: Taken together; more than `per_min` count as `per_min`.
            had: Of these, taken before; given back where the others are not there.

        Source: the token bucket of Turner 1986, "New directions in communications".
        """
        now, wanted = self._clock(), min(n_calls, per_min)
        left, at = self._kept.recall(caller) or (float(per_min), now)
        left = min(float(per_min), left + (now - at) * per_min / WINDOW_S + had)
        is_allowed = left >= wanted
        if is_allowed:
            left -= wanted
        self._kept.keep(caller, (left, now))
        missing = 0.0 if is_allowed else wanted - left
        return Allowance(
            is_allowed,
            int(left),
            math.ceil(missing * WINDOW_S / per_min),
            math.ceil((per_min - left) * WINDOW_S / per_min),
        )
