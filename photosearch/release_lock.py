"""One process at a time makes or switches the releases of a home; knows nothing of what it does."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from photosearch.errors import HomeHeld

LOCK = "lock"
POLL_S = 0.2
log = logging.getLogger(__name__)


@contextmanager
def alone(releases: Path, *, doing: str, wait_s: float = 0.0) -> Iterator[None]:
    """Holds the releases of a home, until the end of the block or of this process, by any cause.

    Readers need no lock: what is live is switched by one rename.

    Args:
        releases: Made if absent.
        doing: What whoever comes too is told, such as `refreshing the index`.
        wait_s: For the end of another process that holds them; 0: none.

    Raises:
        HomeHeld: Another process holds them; the message names it and what it does.
    """
    releases.mkdir(parents=True, exist_ok=True)
    with (releases / LOCK).open("a+") as file:
        if not _takes(file) and not _takes_in_time(file, wait_s):
            raise HomeHeld(
                f"{releases} is held by {_holder(file)}: one at a time may make or switch "
                "releases. Wait for its end, then try again."
            )
        file.truncate(0)
        file.write(f"process {os.getpid()}, {doing} since {datetime.now(UTC):%H:%M:%S} UTC")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _takes(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _takes_in_time(file: TextIO, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    if wait_s:
        log.info("waiting for %s, %g s at most", _holder(file), wait_s)
    while time.monotonic() < until:
        time.sleep(POLL_S)
        if _takes(file):
            return True
    return False


def _holder(file: TextIO) -> str:
    file.seek(0)
    return file.read() or "a process that has just begun"
