"""A reading stands still while searches run, for a while, and goes on whatever happens."""

import signal

import pytest

from bentos.aside import Aside

PID = 4242
STOP, GO_ON = (PID, signal.SIGSTOP), (PID, signal.SIGCONT)


class Told:
    """What was sent to processes, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, int]] = []
        self.now = 0.0
        self.aside = Aside(send=lambda pid, number: self.sent.append((pid, number)),
                           clock=lambda: self.now)  # fmt: skip

    def search(self, seconds: float) -> None:
        with self.aside.searching():
            self.now += seconds


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_search_stops_what_is_read_and_its_end_lets_it_go_on(told: Told):
    with told.aside.reading(PID, most_s=2):
        told.search(0.1)
        assert told.sent == [STOP, GO_ON]
        told.search(0.1)
    assert told.sent == [STOP, GO_ON] * 2


def test_it_goes_on_once_the_last_of_several_searches_ends(told: Told):
    with told.aside.reading(PID, most_s=2):
        with told.aside.searching():
            told.search(0.1)
            assert told.sent == [STOP]
        assert told.sent == [STOP, GO_ON]


def test_a_reading_that_begins_beside_searches_is_stopped_by_the_next_first_one(told: Told):
    with told.aside.searching(), told.aside.reading(PID, most_s=2):
        told.search(0.1)
        assert told.sent == []
    assert told.sent == []
    with told.aside.reading(PID, most_s=2):
        told.search(0.1)
    assert told.sent == [STOP, GO_ON]


def test_after_standing_still_for_long_enough_it_is_stopped_no_more(told: Told):
    with told.aside.reading(PID, most_s=2):
        for _ in range(9):
            told.search(0.5)
    assert told.sent == [STOP, GO_ON] * 4
    with told.aside.reading(PID, most_s=2):  # the next photo has its own two seconds
        told.search(0.5)
    assert told.sent == [STOP, GO_ON] * 5


def test_a_reading_that_ends_or_fails_while_it_stands_still_goes_on(told: Told):
    with told.aside.searching():
        pass
    with pytest.raises(TimeoutError), told.aside.reading(PID, most_s=2):
        search = told.aside.searching()
        search.__enter__()
        raise TimeoutError
    assert told.sent == [STOP, GO_ON]
    search.__exit__(None, None, None)
    assert told.sent == [STOP, GO_ON]


def test_without_a_process_nobody_is_stopped(told: Told):
    told.search(0.1)
    with told.aside.reading(None, most_s=2):
        told.search(0.1)
    with told.aside.reading(PID, most_s=0):  # a search waits for these words
        told.search(0.1)
    assert told.sent == []


def test_a_process_that_has_just_ended_is_no_fault_of_the_search():
    def gone(*_: int) -> None:
        raise ProcessLookupError

    aside = Aside(send=gone)
    with aside.reading(PID, most_s=2), aside.searching():
        pass
