"""Photos of one call meet and are embedded as one list, whatever becomes of some searches."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bentos import gathering
from bentos.gathering import SEAT, Gathering, Seat, encode_together


class Encoder:
    """Doubles numbers, and notes what it was asked at once."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def encode(self, photos: list[int]) -> list[int]:
        self.asked.append(photos)
        if 13 in photos:
            raise ConnectionError("gone")
        return [2 * photo for photo in photos]


def come_all(seats: list[Seat], encoder: Encoder, photos: list[list[int]]) -> list[object]:
    def come(seat: Seat, mine: list[int]) -> object:
        try:
            return seat.encode(mine, encoder.encode)
        except ConnectionError as error:
            return str(error)

    with ThreadPoolExecutor(len(seats)) as threads:
        return list(threads.map(come, seats, photos))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "WAIT_S", 20)


def test_photos_are_embedded_as_one_list_and_each_search_gets_its_own():
    for n in (1, 2, 8):
        encoder, meeting = Encoder(), Gathering(n)
        photos = [[10 * k, 10 * k + 1] for k in range(n)]
        made = come_all([Seat(meeting) for _ in range(n)], encoder, photos)
        assert made == [[20 * k, 20 * k + 2] for k in range(n)]
        assert [len(asked) for asked in encoder.asked] == [2 * n]


def test_those_that_leave_are_not_waited_for():
    encoder, meeting = Encoder(), Gathering(3)
    seats = [Seat(meeting) for _ in range(3)]
    threading.Timer(0.2, seats[2].leave).start()
    began = time.monotonic()
    assert come_all(seats[:2], encoder, [[1], [2]]) == [[2], [4]]
    assert time.monotonic() - began < 10
    assert len(encoder.asked) == 1
    seats[2].leave()  # again, as at the end of a search
    assert seats[2].encode([5], encoder.encode) == [10]  # it comes all the same, alone


def test_what_fails_fails_for_all_of_them():
    encoder, meeting = Encoder(), Gathering(2)
    made = come_all([Seat(meeting), Seat(meeting)], encoder, [[1], [13]])
    assert made == ["gone", "gone"]


def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gathering, "WAIT_S", 0.05)
    encoder, meeting = Encoder(), Gathering(2)
    late = Seat(meeting)
    assert Seat(meeting).encode([1], encoder.encode) == [2]
    assert late.encode([3], encoder.encode) == [6]
    assert encoder.asked == [[1], [3]]


def test_a_search_that_embeds_again_does_it_alone():
    encoder, seat = Encoder(), Seat(Gathering(1))
    assert seat.encode([1], encoder.encode) == [2]
    assert seat.encode([3], encoder.encode) == [6]


def test_a_search_without_a_call_of_many_is_alone():
    encoder = Encoder()
    assert SEAT.get() is None
    assert encode_together([4], encoder.encode) == [8]
