"""Brings what is known of a source's rows up to date: whole, or only what changed since last."""

import logging
import time
from collections.abc import Iterator

from photosearch.catalog.pull_state import Kind, PullState
from photosearch.catalog.source_rows import BadRow, Cursor, Deleted, SourceCard, SourceReview
from photosearch.catalog.sources import Source, read_cards, read_reviews
from photosearch.errors import CursorRefused

log = logging.getLogger(__name__)

TELL_EVERY_S = 10.0
Told = SourceCard | SourceReview | BadRow | Deleted | Cursor


def bring_up_to_date(state: PullState, source: Source) -> dict[str, int]:
    """Lists cards and reviews; what is cut off goes on from its last page next time.

    Returns:
        By table, the rows that the source told: what changed, where it can tell.

    Raises:
        BadSource: The source lacks a column, or does not speak our language.
        SourceUnreachable: It stopped answering.
    """
    kinds: tuple[Kind, ...] = ("cards", "reviews")
    told: dict[str, int] = {}
    for kind in kinds:
        try:
            told[kind] = _list(state, source, kind)
        except CursorRefused as refused:
            log.warning("%s", refused)
            state.forget_cursor(kind)
            told[kind] = _list(state, source, kind)
    return told


def _list(state: PullState, source: Source, kind: Kind) -> int:
    since, n_rows, told_at = state.begin(kind), 0, time.monotonic()
    read = read_cards if kind == "cards" else read_reviews
    try:
        for row in _ended(read(source, since)):
            if isinstance(row, Cursor):
                state.end_page(kind, row)
            else:
                state.add(kind, row)
                n_rows += 1
                if time.monotonic() - told_at > TELL_EVERY_S:
                    told_at = time.monotonic()
                    log.info("listing %s: %d so far", kind, n_rows)  # nobody knows how many
    finally:
        state.drop_page()
    return n_rows


def _ended(rows: Iterator[Told]) -> Iterator[Told]:
    """Rows with a cursor at their end, also of a source that knows none."""
    row: Told | None = None
    for row in rows:
        yield row
    if not (isinstance(row, Cursor) and row.is_end):
        yield Cursor("", is_end=True)
