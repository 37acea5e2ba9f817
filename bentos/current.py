"""What a service answers with now, and how it changes under load; knows neither models nor HTTP."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from photosearch.release import Release, live_release

Thing = TypeVar("Thing")

LOOK_EVERY_S = 1.0
"""How often the pointer to the live release is read."""
TRY_AGAIN_AFTER_S = 15.0
"""A release that could not be opened is tried again after this, unless another went live."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held(Generic[Thing]):
    thing: Thing
    users: int


class Current(Generic[Thing]):
    """The thing in use; the one before is let go of when its last user is done, and not sooner."""

    def __init__(self, first: Thing, *, let_go: Callable[[Thing], None]) -> None:
        """`let_go`: called once with each thing that nobody uses any more."""
        self._lock = Lock()
        self._let_go = let_go
        self._now = _Held(first, users=1)  # being current counts as a use

    @property
    def value(self) -> Thing:
        """The thing in use now; it may be let go of at any time: `held` keeps it."""
        return self._now.thing

    @contextmanager
    def held(self) -> Iterator[Thing]:
        """Keeps the current thing for the caller, whatever is switched to meanwhile."""
        with self._lock:
            held = self._now
            held.users += 1
        try:
            yield held.thing
        finally:
            self._release(held)

    def switch(self, to: Thing) -> None:
        """Gives `to` to whoever asks from now on."""
        with self._lock:
            before, self._now = self._now, _Held(to, users=1)
        self._release(before)

    def close(self) -> None:
        """Lets go of the current thing once its users are done; call it once, at the end."""
        self._release(self._now)

    def _release(self, held: _Held[Thing]) -> None:
        with self._lock:
            held.users -= 1
            is_last = held.users == 0
        if is_last:
            self._let_go(held.thing)


class Follower:
    """Watches the pointer of a home, in a thread of its own, and has a service follow it."""

    def __init__(
        self, releases: Path, serve: Callable[[Release], None], *, served: Callable[[], str]
    ) -> None:
        """`serve` opens a release and switches to it; `served` names the one in use."""
        self._releases = releases
        self._serve = serve
        self._served = served
        self._is_over = Event()
        self._thread = Thread(target=self._watch, name="follow-live-release", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch; a switch that has begun is ended first."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        wait_s = LOOK_EVERY_S
        while not self._is_over.wait(wait_s):
            wait_s = LOOK_EVERY_S if self._follow() else TRY_AGAIN_AFTER_S

    def _follow(self) -> bool:
        """Switches if another release is live; False if that failed."""
        name = "unknown"
        try:
            live = live_release(self._releases)
            name, before = live.manifest.release, self._served()
            if name == before:
                return True
            log.info("release %s is live, %s is served: switching", name, before)
            self._serve(live)
        # Whatever is wrong with a new release, the old one goes on answering.
        except Exception as error:
            log.warning(
                "cannot switch to release %s (%s: %s); the one before goes on, next try in %.0f s",
                name, type(error).__name__, error, TRY_AGAIN_AFTER_S,
            )  # fmt: skip
            return False
        log.info("release %s is served", name)
        return True
