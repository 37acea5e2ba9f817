"""The log of events as a story: kept once, in order, by two engines, whoever dies meanwhile."""

import math
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres_server import PostgresServer, is_here, postgres_server
from pydantic import ValidationError
from told_events import NOW, an_answer, an_event

from photosearch.errors import BadParams, EventsUnavailable
from photosearch.feedback.day_counts import DayCount, as_text
from photosearch.feedback.group_writer import WAITING_EVENTS_MOST
from photosearch.feedback.store import PAGE_ROWS, EventStore, open_store

NO_POSTGRES = "there is no PostgreSQL on this machine: install Debian's `postgresql`"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if not is_here():
        pytest.skip(NO_POSTGRES)
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log/events.sqlite"
    return request.getfixturevalue("server").empty_database()


@pytest.fixture
def store(address: str) -> Iterator[EventStore]:
    with closing(open_store(address)) as store:
        yield store


def test_what_was_kept_is_there_after_the_store_is_opened_again(address: str):
    told = [an_event(kind="click", rank=3), an_event(kind="view", view_ms=4_200, query_id=None)]
    with closing(open_store(address)) as store:
        assert store.keep(told) == 2
    with closing(open_store(address)) as store:
        stored = list(store.events())
    assert [one.event for one in stored] == told
    assert [one.number for one in stored] == sorted(one.number for one in stored)
    assert abs(stored[0].received_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_an_event_that_is_sent_again_is_kept_once_and_says_what_it_said_first(store: EventStore):
    first = an_event(card_id="red")
    assert store.keep([first, an_event()]) == 2
    assert store.keep([first, an_event(), an_event()]) == 2
    assert store.keep([first.model_copy(update={"card_id": "blue"})]) == 0
    again = an_event()
    assert store.keep([again, again]) == 1
    kept = [one.event for one in store.events() if one.event.event_id == first.event_id]
    assert kept == [first]


def test_one_event_sent_by_many_at_once_is_new_to_one_of_them(store: EventStore):
    event = an_event()
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda _: store.keep([event]), range(40)))
    assert sorted(kept) == [0] * 39 + [1]


def test_a_clock_of_another_zone_tells_the_same_instant(store: EventStore):
    moscow = datetime.fromisoformat("2026-11-22T03:30:00.123456+03:00")
    store.keep([an_event(at=moscow)])
    (stored,) = store.events()
    assert stored.event.at == moscow
    assert stored.event.at.isoformat() == "2026-11-22T00:30:00.123456+00:00"


def test_letters_of_all_the_world_come_back(store: EventStore):
    ids = ["карта-№5", "カード", "a'b\"c;--", "🍏", "x" * 200]
    store.keep([an_event(card_id=card_id) for card_id in ids])
    assert [one.event.card_id for one in store.events()] == ids


def test_a_cursor_sees_each_event_once_while_others_write(store: EventStore):
    batches = [[an_event() for _ in range(7)] for _ in range(60)]
    seen: list[str] = []
    with ThreadPoolExecutor(6) as pool:
        kept = [pool.submit(store.keep, batch) for batch in batches]
        number = 0
        while any(not one.done() for one in kept):
            for stored in store.events(after=number):
                assert stored.number > number
                number = stored.number
                seen.append(stored.event.event_id)
        seen += [stored.event.event_id for stored in store.events(after=number)]
    assert len(seen) == len(set(seen))
    assert set(seen) == {event.event_id for batch in batches for event in batch}


def test_two_processes_that_write_take_turns_so_no_number_comes_late(address: str):
    """A second store is as good as a second process: it has connections of its own."""
    with closing(open_store(address)) as one, closing(open_store(address)) as other:
        one.keep([an_event()])
        with one._turn():  # it has begun to write, and takes its time
            late = other.keep_soon([an_event()])
            time.sleep(0.3)
            assert not late.done()
            (before,) = other.events()
        assert late.result(5) == 1
        numbers = [stored.number for stored in one.events()]
    assert numbers == sorted(numbers)
    assert numbers[0] == before.number


def test_a_log_of_several_pages_is_read_in_order(store: EventStore):
    n_events = 2 * PAGE_ROWS + 1
    told = [an_event() for _ in range(n_events)]
    store.keep(told)
    numbers = [one.number for one in store.events()]
    assert len(numbers) == n_events
    assert numbers == sorted(set(numbers))
    assert [one.number for one in store.events(after=numbers[-2])] == numbers[-1:]


def test_answers_come_back_as_they_were_told_features_and_all(store: EventStore):
    first, other = an_answer(), an_answer(shopper="", experiment="bolder", arm="b")
    store.log_answer(first)
    store.log_answer(other)
    store.log_answer(replace(first, arm="said twice"))
    store.keep([an_event()])
    assert store.answers([first.query_id, "f" * 32]) == [first]
    assert [answer for _, answer in store.answers_after(0)] == [first, other]
    ((number, _), (last, _)) = store.answers_after(0)
    assert [answer for _, answer in store.answers_after(number)] == [other]
    assert list(store.answers_after(last)) == []


def test_a_feature_that_is_not_known_is_not_the_same_as_none(store: EventStore):
    told = an_answer()
    told.cards[0].features["rating"] = math.nan
    store.log_answer(told)
    store.keep([an_event()])
    (read,) = store.answers([told.query_id])
    assert math.isnan(read.cards[0].features["rating"])
    assert "rating" not in read.cards[1].features


def test_an_answer_is_there_before_the_events_that_speak_of_it(store: EventStore):
    for _ in range(20):
        answer = an_answer()
        store.log_answer(answer)
        store.keep([an_event(query_id=answer.query_id)])
        assert store.answers([answer.query_id]) == [answer]


def test_answers_without_events_are_written_soon_and_at_the_latest_when_it_closes(address: str):
    with closing(open_store(address)) as store:
        store.log_answer(an_answer())
        until = time.monotonic() + 20
        while not list(store.answers_after(0)):
            assert time.monotonic() < until
            time.sleep(0.02)
        store.log_answer(an_answer())
    with closing(open_store(address)) as store:
        assert len(list(store.answers_after(0))) == 2


def test_old_events_are_removed_and_the_cursor_goes_on(store: EventStore):
    store.keep([an_event() for _ in range(5)])
    store.log_answer(an_answer(at=NOW - timedelta(days=400)))
    store.log_answer(an_answer(at=NOW))
    store.keep([an_event()])
    assert store.prune(NOW - timedelta(days=180)).answers == 1
    assert len(list(store.answers_after(0))) == 1
    last = max(one.number for one in store.events())
    assert store.prune(datetime.now(UTC) + timedelta(seconds=1)).events == 6
    assert list(store.events()) == []
    store.keep([an_event()])
    (after,) = store.events(after=last)
    assert after.number > last


def test_counts_are_by_day_and_kind(store: EventStore):
    assert store.counts() == []
    assert as_text(store.counts(), days=14) == "no events and no answers yet"
    store.keep([an_event(kind="click"), an_event(kind="click"), an_event(kind="purchase")])
    today = next(store.events()).received_at.date()
    assert store.counts() == [DayCount(today, "click", 2), DayCount(today, "purchase", 1)]
    head, row, total = as_text(store.counts(), days=14).splitlines()
    assert head.split() == ["day", "answer", "impression", "click", "cart", "purchase", "view"]
    assert row.split() == [today.isoformat(), "0", "0", "2", "0", "1", "0"]
    assert total.split() == ["all", "days", "0", "0", "2", "0", "1", "0"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"card_id": "a\x00b"}, {"card_id": ""}, {"card_id": "x" * 201}, {"card_id": "\ud800"},
        {"shopper": "me@example.com"}, {"event_id": "short"}, {"query_id": "A" * 32},
        {"rank": 0}, {"view_ms": -1}, {"at": datetime(1, 1, 1, tzinfo=UTC)},
        {"at": datetime(2026, 11, 22)}, {"kind": "like"}, {"ip": "10.0.0.1"},
    ],
)  # fmt: skip
def test_an_event_that_no_store_could_keep_is_none(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        an_event(**wrong)


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
        until = time.monotonic() + 30
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
    began = time.monotonic()
    for _ in range(600):
        held.store.log_answer(an_answer())
    assert time.monotonic() - began < 1
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
    assert [one.result(5) for one in [first, *others]] == [1] * 51
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
        until = time.monotonic() + 5
        while self.store._writer._asked and time.monotonic() < until:
            time.sleep(0.01)

    def close(self) -> None:
        self._other.close()
        self.store.close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with closing(Held(tmp_path / "events.sqlite")) as held:
        yield held
