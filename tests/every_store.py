"""The stores of events that one suite tests: each engine, empty."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from postgres_server import PostgresServer, is_here, postgres_server

from photosearch.feedback.store import EventStore, open_store

NO_POSTGRES = "there is no PostgreSQL on this machine: install Debian's `postgresql`"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if not is_here():
        pytest.skip(NO_POSTGRES)
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each engine; a test that uses it needs `server` beside it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log/events.sqlite"
    return request.getfixturevalue("server").empty_database()


@pytest.fixture
def store(address: str) -> Iterator[EventStore]:
    with closing(open_store(address)) as store:
        yield store
