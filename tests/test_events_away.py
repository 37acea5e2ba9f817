"""A store of events that is full, away, held or slow: told at once, and found again."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import every_store
import pytest
from postgres_server import PostgresServer
from told_events import an_answer, an_event

from photosearch.errors import BadParams, EventsUnavailable
from photosearch.feedback.group_writer import WAITING_EVENTS_MOST
from photosearch.feedback.store import EventStore, open_store

HELD_MOST_S = 60
server = every_store.server


def test_a_full_disk_is_told_and_the_log_goes_on_when_there_is_room(tmp_path: Path):
    address = f"sqlite:///{tmp_path}/events.sqlite"
    with closing(open_store(address)) as store:
        store.keep([an_event()])
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(EventsUnavailable, match="database or disk is full"):
            store.keep([an_event(card_id="x" * 200) for _ in range(500)])
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        assert store.keep([an_event()]) == 1
        assert len(list(store.events())) == 2


def test_a_log_that_may_not_be_written_is_told(tmp_path: Path):
    path = tmp_path / "events.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(open_store(f"sqlite:///{path}")) as store:
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(EventsUnavailable, match="attempt to write a readonly database"):
            store.keep([an_event()])


def test_a_file_that_is_no_database_is_told(tmp_path: Path):
    path = tmp_path / "events.sqlite"
    path.write_text("dear diary, " * 200)
    with (
        closing(open_store(f"sqlite:///{path}")) as store,
        pytest.raises(EventsUnavailable, match="file is not a database"),
    ):
        store.keep([an_event()])


def test_a_store_that_somebody_holds_is_told_of_within_the_deadline(tmp_path: Path):
    path = tmp_path / "events.sqlite"
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.keep([an_event()])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            with pytest.raises(EventsUnavailable):
                store.keep([an_event()])
            assert time.monotonic() - began < 8
            other.execute("ROLLBACK")
        assert store.keep([an_event()]) == 1


def test_a_server_that_is_away_is_told_of_and_found_again(server: PostgresServer):
    address = server.empty_database()
    with closing(open_store(address)) as store:
        store.keep([an_event()])
        server.stop()
        began = time.monotonic()
        with pytest.raises(EventsUnavailable, match=r"postgresql.*fails"):
            store.keep([an_event()])
        assert time.monotonic() - began < 8
        store.log_answer(an_answer())
        server.start()
        assert store.keep([an_event()]) == 1
        assert len(list(store.events())) == 2
    with closing(open_store(address)) as store:
        assert len(list(store.answers_after(0))) == 1


def test_a_writer_that_stops_in_its_turn_loses_it(server: PostgresServer):
    address = server.empty_database()
    with closing(open_store(address)) as frozen, closing(open_store(address)) as other:
        frozen.keep([an_event()])
        until = time.monotonic() + 60
        with pytest.raises(EventsUnavailable), frozen._turn() as turn:
            with pytest.raises(EventsUnavailable, match="lock timeout"):
                other.keep([an_event()])
            while not is_kept(other):
                assert time.monotonic() < until
            turn.exec_driver_sql("SELECT 1")
        assert frozen.keep([an_event()]) == 1


def is_kept(store: EventStore) -> bool:
    try:
        return store.keep([an_event()]) == 1
    except EventsUnavailable:
        return False


@pytest.mark.parametrize(
    "address",
    ["mysql://shop:secret@host/x", "sqlite:///events.sqlite", "sqlite://", "secret", ""],
)
def test_an_address_of_no_store_is_refused_without_telling_its_password(address: str):
    with pytest.raises(BadParams, match="Give sqlite:////absolute/path") as refused:
        open_store(address)
    assert "secret" not in str(refused.value)


def test_too_many_waiting_events_are_refused_at_once(held: "Held"):
    held.hold()
    held.store.keep_soon([an_event()])  # this one the writer has taken
    held.wait_until_writing()
    batch = [an_event() for _ in range(500)]
    for _ in range(WAITING_EVENTS_MOST // 500):
        held.store.keep_soon(batch)
    with pytest.raises(EventsUnavailable, match="20000 events wait to be written"):
        held.store.keep_soon([an_event()])


def test_answers_are_dropped_and_counted_where_the_store_is_slow(
    held: "Held", caplog: pytest.LogCaptureFixture
):
    held.hold()
    held.store.keep_soon([an_event()])
    held.wait_until_writing()
    answers = [an_answer() for _ in range(600)]
    began = time.monotonic()
    for answer in answers:
        held.store.log_answer(answer)
    assert time.monotonic() - began < 5
    assert held.store.answers_dropped == 100
    assert "1 answers were not logged so far" in caplog.text
    held.let_go()
    held.store.keep([an_event()])
    assert len(list(held.store.answers_after(0))) == 500


def test_requests_that_come_together_share_a_commit(held: "Held"):
    held.hold()
    first = held.store.keep_soon([an_event()])
    held.wait_until_writing()
    others = [held.store.keep_soon([an_event()]) for _ in range(50)]
    held.let_go()
    assert [one.result(HELD_MOST_S) for one in [first, *others]] == [1] * 51
    assert len({stored.received_at for stored in held.store.events()}) == 2


class Held:
    """A store whose database somebody else writes to, for as long as it is held."""

    def __init__(self, path: Path) -> None:
        self.store = open_store(f"sqlite:///{path}")
        self.store.keep([])
        self._other = sqlite3.connect(path, isolation_level=None)

    def hold(self) -> None:
        self._other.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        self._other.execute("ROLLBACK")

    def wait_until_writing(self) -> None:
        until = time.monotonic() + HELD_MOST_S
        while self.store._writer._asked:
            assert time.monotonic() < until
            time.sleep(0.01)

    def close(self) -> None:
        self._other.close()
        self.store.close()


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    # a writer that gives up takes what waits, of which a slow test would count too little
    monkeypatch.setattr("photosearch.feedback.event_engine.WAIT_S", HELD_MOST_S)
    with closing(Held(tmp_path / "events.sqlite")) as held:
        yield held
