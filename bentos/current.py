"""What a service answers with now, and how it changes under load; knows neither models nor HTTP."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import anyio
from anyio import to_thread

from photosearch.release import Release, live_release

Thing = TypeVar("Thing")

LOOK_EVERY_S = 1.0
"""How often the pointer to the live release is read."""
TRY_AGAIN_AFTER_S = 15.0
"""A release that could not be served is tried again after this."""

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


async def follow(
    releases: Path, serve: Callable[[Release], None], *, served: Callable[[], str]
) -> None:
    """Watches the pointer of a home until it is cancelled, and has a service follow it.

    Args:
        releases: The folder of all releases.
        serve: Opens a release and switches to it; called in a worker thread.
        served: Names the release in use.
    """
    await watch(lambda: _look(releases, serve, served))


async def watch(look: Callable[[], bool]) -> None:
    """Looks every LOOK_EVERY_S until it is cancelled; later after a look that says it failed.

    Args:
        look: Called in a worker thread; False: what it saw could not be followed.
    """
    wait_s = LOOK_EVERY_S
    while True:
        await anyio.sleep(wait_s)
        wait_s = LOOK_EVERY_S if await to_thread.run_sync(look) else TRY_AGAIN_AFTER_S


def _look(releases: Path, serve: Callable[[Release], None], served: Callable[[], str]) -> bool:
    """Switches if another release is live; False if that failed."""
    name = "unknown"
    try:
        live = live_release(releases)
        name, before = live.manifest.release, served()
        if name == before:
            return True
        log.info("release %s is live, %s is served: switching", name, before)
        serve(live)
    # Whatever is wrong with a new release, the old one goes on answering.
    except Exception as error:
        log.warning(
            "cannot switch to release %s (%s: %s); the one before goes on, next try in %.0f s",
            name, type(error).__name__, error, TRY_AGAIN_AFTER_S,
        )  # fmt: skip
        return False
    log.info("release %s is served", name)
    return True
