"""Opens the database of events, SQLite or PostgreSQL; knows no table.

Writers take turns: SQLite's write lock, an advisory lock in PostgreSQL. Numbers that a sequence
gives out otherwise become visible out of order, and a reader that keeps a cursor would pass rows by
that are committed a moment later.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from photosearch.errors import BadParams, EventsUnavailable

WAIT_S = 3
"""For another writer's turn, or for a server to let us in."""
STATEMENT_MS = 5000
"""A server that takes longer for one statement of a write is given up."""
TURN = 0x70686F746F  # "photo"
"""Number of the advisory lock; the same for all that write to one database."""
POSTGRES_TURN = (
    f"SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = {STATEMENT_MS}; "
    f"SET LOCAL idle_in_transaction_session_timeout = {STATEMENT_MS}; "
    f"SELECT pg_advisory_xact_lock({TURN})"
)
"""A writer that stops in the middle of its turn loses it; a commit is on disk when it returns."""


def open_engine(address: str) -> Engine:
    """Opens the database; a server is asked only when it is needed.

    `engine.execution_options(writes=True)` is for transactions that write.

    Args:
        address: `sqlite:////absolute/path` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises:
        BadParams: The address names neither.
        EventsUnavailable: The folder of an SQLite file cannot be made.
    """
    try:
        url = make_url(address)
    except ArgumentError:
        raise BadParams(_wrong("no address of a database")) from None  # it may hold a password
    match url.get_backend_name():
        case "sqlite":
            return _open_sqlite(url)
        case "postgresql" | "postgres":
            return _open_postgres(url)
        case other:
            raise BadParams(_wrong(f"an address of {other!r}"))


def _open_sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    if not path.is_absolute() or url.query:
        raise BadParams(_wrong(f"{str(url)!r}, which is no absolute path"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EventsUnavailable(
            f"The folder {path.parent} of the events cannot be made ({error}). Mend it, or name "
            "another file in PHOTOSEARCH_EVENTS."
        ) from error
    engine = create_engine(url, connect_args={"timeout": WAIT_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions where it likes
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise EventsUnavailable(
                f"SQLite cannot write ahead to {path} (journal mode {mode!r}): its folder may lie "
                "on another machine. Name a local file in PHOTOSEARCH_EVENTS, or a PostgreSQL."
            )
        connection.execute("PRAGMA synchronous = FULL")  # each commit is on disk when it returns
        connection.execute("PRAGMA secure_delete = ON")  # what is pruned is overwritten

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _open_postgres(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,  # a server that was started again is found by the next write
        pool_timeout=WAIT_S,
        connect_args={
            "connect_timeout": WAIT_S,
            "tcp_user_timeout": STATEMENT_MS,
            "keepalives_idle": WAIT_S,
            "options": f"-c timezone=UTC -c lock_timeout={WAIT_S * 1000}",
            "application_name": "photosearch",
        },
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql(POSTGRES_TURN)

    return engine


def _wrong(what: str) -> str:
    return (
        f"PHOTOSEARCH_EVENTS is {what}. Give sqlite:////absolute/path/events.sqlite or "
        "postgresql://USER:PASSWORD@HOST/DATABASE."
    )
