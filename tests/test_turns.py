"""Searches have their turn; what is less urgent can wait until there are few of them."""

import asyncio
from collections.abc import Awaitable, Callable
from threading import Event

import pytest

from bentos import reading_time
from bentos.reading_time import time_to_read
from bentos.turns import Turns

LONG_S = 60.0


def held_up(while_searching: Callable[[Turns, Event], Awaitable[None]], n_searches: int) -> None:
    """Runs searches that end when the event is set, and something beside them."""

    async def run() -> None:
        turns, may_end = Turns(), Event()
        searches = [
            asyncio.create_task(turns.take(may_end.wait, deadline_s=LONG_S))
            for _ in range(n_searches)
        ]
        await asyncio.sleep(0.1)  # they are under way
        try:
            await while_searching(turns, may_end)
        finally:
            may_end.set()
            await asyncio.gather(*searches)

    asyncio.run(run())


def test_it_is_quiet_where_nobody_searches():
    async def at_once(turns: Turns, _: Event) -> None:
        await asyncio.wait_for(turns.quiet(besides=0, for_s=0, at_most_s=LONG_S), LONG_S / 2)

    held_up(at_once, 0)


def test_quiet_comes_when_the_last_search_ends():
    async def waits(turns: Turns, may_end: Event) -> None:
        quiet = asyncio.create_task(turns.quiet(besides=0, for_s=0, at_most_s=LONG_S))
        await asyncio.sleep(0.2)
        assert not quiet.done()
        may_end.set()
        await asyncio.wait_for(quiet, LONG_S / 2)

    held_up(waits, 3)


@pytest.mark.parametrize(("n_searches", "is_quiet"), [(1, True), (2, False)])
def test_so_many_searches_as_are_allowed_besides_disturb_nobody(n_searches: int, is_quiet: bool):
    async def waits(turns: Turns, _: Event) -> None:
        quiet = asyncio.create_task(turns.quiet(besides=1, for_s=0, at_most_s=LONG_S))
        await asyncio.sleep(0.2)
        assert quiet.done() == is_quiet
        quiet.cancel()

    held_up(waits, n_searches)


def test_a_photo_is_read_beside_some_searches_and_later_beside_a_crowd(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(reading_time, "READ_WITHIN_S", 0.1)

    async def reads(turns: Turns, may_end: Event) -> None:
        reading = time_to_read(turns, is_waited_for=False, later_s=LONG_S)
        await asyncio.wait_for(reading, LONG_S / 2)
        assert not may_end.is_set()

    async def waits(turns: Turns, may_end: Event) -> None:
        reading = asyncio.create_task(time_to_read(turns, is_waited_for=False, later_s=LONG_S))
        await asyncio.sleep(0.4)
        assert not reading.done()
        may_end.set()
        await asyncio.wait_for(reading, LONG_S / 2)

    async def reads_in_the_end(turns: Turns, may_end: Event) -> None:
        reading = time_to_read(turns, is_waited_for=False, later_s=0.1)
        await asyncio.wait_for(reading, LONG_S / 2)
        assert not may_end.is_set()

    held_up(reads, reading_time.CROWD)
    held_up(waits, reading_time.CROWD + 1)
    held_up(reads_in_the_end, reading_time.CROWD + 1)


def test_nobody_waits_for_quiet_longer_than_was_said():
    async def gives_up(turns: Turns, may_end: Event) -> None:
        await asyncio.wait_for(turns.quiet(besides=0, for_s=0, at_most_s=0.2), LONG_S)
        assert not may_end.is_set()

    held_up(gives_up, 1)


def test_a_pause_between_two_searches_is_not_yet_quiet():
    async def pauses(turns: Turns, may_end: Event) -> None:
        quiet = asyncio.create_task(turns.quiet(besides=0, for_s=2.0, at_most_s=LONG_S))
        may_end.set()
        for _ in range(12):  # longer than that, all together
            await asyncio.sleep(0.2)
            await turns.take(lambda: None, deadline_s=LONG_S)
            assert not quiet.done()
        await asyncio.wait_for(quiet, LONG_S / 2)

    held_up(pauses, 1)
