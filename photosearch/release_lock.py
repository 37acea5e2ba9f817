"""One process at a time makes or switches the releases of a home; knows nothing of what it does."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from photosearch.errors import HomeNotReady

LOCK = "lock"


@contextmanager
def alone(releases: Path, *, doing: str) -> Iterator[None]:
    """Holds the releases of a home, until the end of the block or of this process, by any cause.

    Readers need no lock: what is live is switched by one rename.

    Args:
        releases: Made if absent.
        doing: What whoever comes too is told, such as `refreshing the index`.

    Raises:
        HomeNotReady: Another process holds them; the message names it and what it does.
    """
    releases.mkdir(parents=True, exist_ok=True)
    with (releases / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "a process that has just begun"
            raise HomeNotReady(
                f"{releases} is held by {holder}: one at a time may make or switch releases. "
                "Wait for its end, then try again."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, {doing} since {datetime.now(UTC):%H:%M:%S} UTC")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
