"""What one snapshot has that another had not: counted row by row, in the memory of a few rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from photosearch.catalog.schemas import Card, Photo, Review
from photosearch.catalog.tables import stream_rows
from photosearch.errors import BadTable

TABLES: tuple[tuple[str, type[Any], str], ...] = (
    ("cards", Card, "card_id"),
    ("photos", Photo, "photo_id"),
    ("reviews", Review, "review_id"),
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of one table, against the same table before."""

    new: int
    changed: int
    gone: int


def changes_between(old: Path, new: Path) -> dict[str, Changes]:
    """Compares the tables of two catalog folders.

    Args:
        old: May be absent or unreadable: then everything is new.
        new: A whole one.
    """
    return {
        name: _changes(
            _rows(old / f"{name}.parquet", row_type),
            stream_rows(new / f"{name}.parquet", row_type),
            key=attrgetter(key),
        )
        for name, row_type, key in TABLES
    }


def _rows(path: Path, row_type: type[Any]) -> Iterator[Any]:
    try:
        yield from stream_rows(path, row_type)
    except BadTable:
        return


def _changes(old: Iterator[Any], new: Iterator[Any], *, key: Callable[[Any], str]) -> Changes:
    """Walks two tables that are ordered by their key side by side."""
    n_new = n_changed = n_gone = 0
    before, now = next(old, None), next(new, None)
    while before is not None or now is not None:
        if before is None or (now is not None and key(now) < key(before)):
            n_new, now = n_new + 1, next(new, None)
        elif now is None or key(before) < key(now):
            n_gone, before = n_gone + 1, next(old, None)
        else:
            n_changed += before != now
            before, now = next(old, None), next(new, None)
    return Changes(n_new, n_changed, n_gone)
