"""The folder an embedded index lives in: its facts, its lock, its copy; knows no engine.

index.json   what the folder holds; written last, so that it tells a whole index
lock         locked by the process that has the index open, and names it
engine/      the engine's own files
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from photosearch.errors import ForeignIndex, IndexUnavailable
from photosearch.index_settings import Quantisation
from photosearch.report import save_report

FACTS = "index.json"
LOCK = "lock"
ENGINE = "engine"

COPY_BLOCK_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class Facts:
    dim: int
    model_id: str
    """The model that made the vectors."""
    count: int
    """Photos, when `is_whole`."""
    is_whole: bool
    """False between the first change and the flush: a folder left so was cut off."""
    quantisation: Quantisation = "int8"
    has_listings: bool = False
    """False where the index was made before photos carried what filters ask for."""
    has_shelves: bool = False
    """False where photos carry no shelves: see shelves.py. Filters are slower there."""


def require_index(folder: Path) -> None:
    """Raises IndexUnavailable where there is no index at all."""
    if not (folder / FACTS).is_file():
        raise IndexUnavailable(
            f"{folder} holds no index: {FACTS} is missing. Build one with `photosearch index`."
        )


def read_facts(folder: Path, *, model_id: str) -> Facts:
    """Reads index.json of a folder that is held.

    Raises:
        IndexUnavailable: It is damaged, or the index was cut off while it was written.
        ForeignIndex: Another model made the index.
    """
    try:
        facts = Facts(**json.loads((folder / FACTS).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise IndexUnavailable(
            f"{folder / FACTS} is damaged ({error}). Delete {folder} and rebuild it with "
            "`photosearch index`."
        ) from None
    if facts.model_id != model_id:
        raise ForeignIndex(facts.model_id, model_id)
    if not facts.is_whole:
        raise IndexUnavailable(
            f"Index {folder} was being written when its process ended. Delete it and rebuild it "
            "with `photosearch index`."
        )
    return facts


def write_facts(folder: Path, facts: Facts) -> None:
    save_report(folder / FACTS, facts)


@contextmanager
def held(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Holds the folder's lock; `shared` is for copying it, next to others who copy.

    Raises:
        IndexUnavailable: Another process, or another index in this one, holds it; or the folder
            may not be written.
    """
    if shared and not (folder / LOCK).exists():  # packed without it: nobody can hold it
        yield
        return
    try:
        file = (folder / LOCK).open("r" if shared else "a+")
    except OSError as error:
        raise IndexUnavailable(
            f"Index {folder} cannot be locked ({error}). Make the folder writable, or search a "
            "copy of it (`open_copy`)."
        ) from None
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise IndexUnavailable(
                f"Index {folder} is held by {file.read() or 'a process that copies it'}: only one "
                "may open it at a time. Stop that process or let it finish; to search beside "
                "others, each opens a copy of its own (`open_copy`)."
            ) from None
        if shared:
            yield
            return
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def copy_folder(source: Path, target: Path) -> None:
    """Copies an idle index; files with holes keep them, and the copy may be written."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif path.name != LOCK:
            _copy_with_holes(path, copy)


def _copy_with_holes(source: Path, target: Path) -> None:
    # The engine reserves 32 MB a file; copying the zeros would turn 1 MB of index into 100.
    zeros = bytes(COPY_BLOCK_BYTES)
    size = source.stat().st_size
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        for start, end in _written(reader.fileno(), size):
            for at in range(start, end, COPY_BLOCK_BYTES):
                block = os.pread(reader.fileno(), min(COPY_BLOCK_BYTES, end - at), at)
                if block != zeros[: len(block)]:
                    os.pwrite(writer.fileno(), block, at)
        writer.truncate(size)


def _written(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Parts of a file that the disk says are written: the rest are holes, and read as zeros."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError:  # nothing but a hole up to the end
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end
