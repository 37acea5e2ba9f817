"""The log of what shoppers did and what they were shown: durable, in order, each event once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Insert, Select, Table, delete, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row
from sqlalchemy.exc import SQLAlchemyError

from photosearch.errors import EventsUnavailable
from photosearch.feedback.day_counts import ANSWER, DayCount
from photosearch.feedback.event_engine import open_engine
from photosearch.feedback.event_tables import (
    ANSWERS,
    EVENTS,
    TABLES,
    row_of_answer,
    row_of_event,
    stored_answer,
    stored_event,
    without_zone,
)
from photosearch.feedback.group_writer import GroupWriter
from photosearch.feedback.schemas import Answer, Event, StoredEvent

KEEP_WITHIN_S = 5.0
"""Whoever waits for events to be kept is told after so long that the store is away."""
PAGE_ROWS = 1_000
"""Read at a time, each page by itself: a long reading holds nobody up."""
PRUNED_AT_ONCE = 2_000
"""Rows removed in one turn; writers wait for no more."""


@dataclass(frozen=True, slots=True)
class Pruned:
    events: int
    answers: int


def open_store(address: str) -> "EventStore":
    """Opens the log; the database is asked, and its tables made, on first use.

    Args:
        address: `sqlite:////absolute/path` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises:
        BadParams: The address names neither.
        EventsUnavailable: The folder of an SQLite file cannot be made.
    """
    return EventStore(open_engine(address))


class EventStore:
    """Shared by threads and by processes; every method raises EventsUnavailable if it is away."""

    def __init__(self, engine: Engine) -> None:
        """Takes the engine; `close` lets go of it."""
        self._engine = engine
        self._is_made = False
        self._writer = GroupWriter(self._write_group)

    @property
    def place(self) -> str:
        """Its address, without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def answers_dropped(self) -> int:
        """Answers that were not logged since the start: too many waited."""
        return self._writer.dropped

    def keep(self, events: Sequence[Event]) -> int:
        """Keeps events, all or none; durable when it returns.

        Returns:
            How many were new; an event whose event_id is known is left out, whatever it says.
        """
        asked = self.keep_soon(events)
        try:
            return asked.result(KEEP_WITHIN_S)
        except TimeoutError:
            asked.cancel()
            raise too_slow() from None

    def keep_soon(self, events: Sequence[Event]) -> Future[int]:
        """As `keep`, for callers that wait by themselves; cancelling it forgets what waits."""
        return self._writer.give(events)

    def log_answer(self, answer: Answer) -> None:
        """Has an answer logged soon, and before events that come later; costs the caller nothing.

        What cannot be logged is dropped and counted: see `answers_dropped`.
        """
        self._writer.tell(answer)

    def events(self, after: int = 0) -> Iterator[StoredEvent]:
        """All events with greater numbers, in order; later ones only ever get greater ones."""
        return map(stored_event, self._rows(EVENTS, after))

    def answers(self, query_ids: Sequence[str]) -> list[Answer]:
        """The answers of these queries, in the order they were logged; unknown ones left out."""
        wanted = sorted(set(query_ids))
        rows: list[Row[Any]] = []
        for start in range(0, len(wanted), PAGE_ROWS):
            some = ANSWERS.c.query_id.in_(wanted[start : start + PAGE_ROWS])
            rows += self._read(select(ANSWERS).where(some))
        return [stored_answer(row) for row in sorted(rows, key=lambda row: row.number)]

    def answers_after(self, number: int) -> Iterator[tuple[int, Answer]]:
        """All answers with greater numbers, with theirs; a cursor as that of `events`."""
        return ((row.number, stored_answer(row)) for row in self._rows(ANSWERS, number))

    def counts(self) -> list[DayCount]:
        """Events by day and kind, and answers by day."""
        day = func.date(EVENTS.c.received_at)
        counted = select(day, EVENTS.c.kind, func.count()).group_by(day, EVENTS.c.kind)
        shown = func.date(ANSWERS.c.at)
        rows = [
            *self._read(counted),
            *((row[0], ANSWER, row[1]) for row in self._read(
                select(shown, func.count()).group_by(shown)
            )),
        ]  # fmt: skip
        made = [DayCount(date.fromisoformat(str(row[0])), row[1], row[2]) for row in rows]
        return sorted(made, key=lambda count: (count.day, count.kind))

    def prune(self, before: datetime) -> Pruned:
        """Removes what came in before a time, for ever; a cursor stays good.

        Args:
            before: With its zone.
        """
        limit = without_zone(before)
        return Pruned(
            events=self._prune(EVENTS, "received_at", limit),
            answers=self._prune(ANSWERS, "at", limit),
        )

    def close(self) -> None:
        """Writes what waits, then lets go of the database."""
        self._writer.close()
        self._engine.dispose()

    def _write_group(
        self, requests: Sequence[Sequence[Event]], answers: Sequence[Answer]
    ) -> list[int]:
        received_at = datetime.now(UTC)
        rows = [row_of_event(event, received_at) for events in requests for event in events]
        with self._turn() as connection:
            _insert_new(connection, ANSWERS, "query_id", [row_of_answer(one) for one in answers])
            new = _insert_new(connection, EVENTS, "event_id", rows)
        return [_taken(new, events) for events in requests]

    def _rows(self, table: Table, after: int) -> Iterator[Row[Any]]:
        number = table.c.number
        while True:
            page = self._read(select(table).where(number > after).order_by(number).limit(PAGE_ROWS))
            yield from page
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].number

    def _read(self, asked: Select[Any]) -> Sequence[Row[Any]]:
        with _told(self._engine), self._engine.connect() as connection:
            self._is_made = self._is_made or inspect(connection).has_table(EVENTS.name)
            if self._is_made:
                return connection.execute(asked).fetchall()
        return []  # nobody has written yet

    def _prune(self, table: Table, time: str, limit: datetime) -> int:
        """Oldest first, until a turn finds something young: times grow with the numbers."""
        number, n_pruned = table.c.number, 0
        while True:
            oldest = select(number, table.c[time]).order_by(number).limit(PRUNED_AT_ONCE)
            page = self._read(oldest)
            old = [row[0] for row in page if row[1] < limit]
            if old:
                with self._turn() as connection:
                    connection.execute(delete(table).where(number.in_(old)))
            n_pruned += len(old)
            if len(old) < PRUNED_AT_ONCE:
                return n_pruned

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """A transaction that writes, alone; the tables are there. Durable once it has ended."""
        with _told(self._engine), self._engine.execution_options(writes=True).begin() as connection:
            if not self._is_made:
                TABLES.create_all(connection)
            yield connection
        self._is_made = True


def too_slow() -> EventsUnavailable:
    """Said of a store that does not answer in time."""
    return EventsUnavailable(
        f"The store of events did not answer within {KEEP_WITHIN_S:.0f} s. Send them again: "
        "an event that was kept meanwhile is kept once."
    )


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    """Has the database's own errors told in our words."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise EventsUnavailable(
            f"The store of events at {engine.url.render_as_string(hide_password=True)} fails: "
            f"{reason}. Check that it runs, that its disk has room and that we may write to it."
        ) from error


def _insert_new(
    connection: Connection, table: Table, key: str, rows: list[dict[str, Any]]
) -> set[str]:
    """Inserts rows whose key is not there yet; returns their keys."""
    if not rows:
        return set()
    insert: Insert
    if connection.dialect.name == "sqlite":
        insert = sqlite.insert(table).on_conflict_do_nothing()
    else:
        insert = postgresql.insert(table).on_conflict_do_nothing()
    return set(connection.execute(insert.returning(table.c[key]), rows).scalars())


def _taken(new: set[str], events: Sequence[Event]) -> int:
    """How many of the new ones a request brought; each counts for the first that did."""
    mine = new & {event.event_id for event in events}
    new -= mine
    return len(mine)
