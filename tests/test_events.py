"""The log of events as a story: kept once, in order, by two engines."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import every_store
import pytest
from pydantic import ValidationError
from told_events import NOW, an_answer, an_event

from photosearch.feedback.day_counts import DayCount, as_text
from photosearch.feedback.store import PAGE_ROWS, EventStore, open_store

server, address, store = every_store.server, every_store.address, every_store.store


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
        assert late.result(60) == 1
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


def test_an_infinite_feature_is_logged_as_not_known(store: EventStore):
    told = an_answer()
    told.cards[0].features["score"] = math.inf
    store.log_answer(told)
    store.keep([an_event()])
    (read,) = store.answers([told.query_id])
    assert math.isnan(read.cards[0].features["score"])


def test_an_answer_that_no_store_can_keep_is_dropped_alone_and_the_log_goes_on(store: EventStore):
    store.log_answer(an_answer(release="half a letter: \ud800"))
    assert store.keep([an_event()]) == 1
    later = an_answer()
    store.log_answer(later)
    assert store.keep([an_event()]) == 1
    assert [answer for _, answer in store.answers_after(0)] == [later]
    assert store.answers_dropped == 1


def test_an_answer_is_there_before_the_events_that_speak_of_it(store: EventStore):
    for _ in range(20):
        answer = an_answer()
        store.log_answer(answer)
        store.keep([an_event(query_id=answer.query_id)])
        assert store.answers([answer.query_id]) == [answer]


def test_answers_without_events_are_written_soon_and_at_the_latest_when_it_closes(address: str):
    with closing(open_store(address)) as store:
        store.log_answer(an_answer())
        until = time.monotonic() + 60
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
