"""Replaces a whole folder at once, and repairs what a kill left; knows nothing of its content.

FOLDER              what readers see
WORK/new            being written
WORK/old            the folder before, for the moment between two renames
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photosearch.errors import HomeHeld


@contextmanager
def alone(parent: Path, *, doing: str) -> Iterator[None]:
    """Holds `parent`, made if absent, against other processes; ends with this one at the latest.

    Raises:
        HomeHeld: Another process holds it.
    """
    parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeHeld(
                f"Another process is {doing} in {parent}. Wait for its end, then try again."
            ) from None
        yield
    finally:
        os.close(handle)


def repair(work: Path, folder: Path) -> None:
    """Brings back the folder that a kill between two renames took away; drops half-written ones."""
    old = work / "old"
    if old.exists() and not folder.exists():
        old.rename(folder)
    for leftover in (old, work / "new"):
        shutil.rmtree(leftover, ignore_errors=True)


def switch(work: Path, folder: Path) -> None:
    """Puts WORK/new in the place of `folder`; one that holds the same is left alone."""
    new, old = work / "new", work / "old"
    if _holds_the_same(new, folder):
        shutil.rmtree(new)
        return
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _holds_the_same(new: Path, folder: Path) -> bool:
    if not folder.exists():
        return False
    names = sorted(path.name for path in new.iterdir())
    if names != sorted(path.name for path in folder.iterdir()):
        return False
    return all((new / name).read_bytes() == (folder / name).read_bytes() for name in names)
