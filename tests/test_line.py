"""Calls between processes of one machine, and what happens when one of the two goes away."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection
from pathlib import Path

import numpy as np
import pytest

from bentos.line import Caller, CallFailed, Line, Place


def double(photo: np.ndarray) -> np.ndarray:
    return photo * 2


def fail(why: str) -> None:
    raise ValueError(why)


CALLS: dict[str, Callable] = {"double": double, "fail": fail, "sleep": time.sleep}


@contextmanager
def line_to(*, timeout_s: float = 20) -> Iterator[tuple[Line, Caller]]:
    line = Line(CALLS)
    caller = Caller(lambda: line.place, timeout_s=timeout_s)
    yield line, caller
    caller.close()
    line.close()


def serve_until_killed(told: Connection) -> None:
    told.send(Line(CALLS).place)
    time.sleep(600)


class Elsewhere:
    """A process with a line, which can be killed and started anew."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        told, theirs = context.Pipe()
        self._process = context.Process(target=serve_until_killed, args=(theirs,), daemon=True)
        self._process.start()
        self.place: Place = told.recv()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def test_pixels_go_there_and_come_back():
    photo = np.arange(320 * 320 * 3, dtype=np.uint8).reshape(320, 320, 3)
    with line_to() as (_, caller):
        for _ in range(3):
            np.testing.assert_array_equal(caller.call("double", photo), photo * 2)


def test_what_fails_over_there_is_told_and_the_next_call_goes_on():
    with line_to() as (_, caller):
        with pytest.raises(CallFailed, match="ValueError: too dark"):
            caller.call("fail", "too dark")
        with pytest.raises(CallFailed, match="KeyError: 'nothing'"):
            caller.call("nothing")
        assert caller.call("double", np.array([2])) == [4]


def test_calls_of_many_threads_run_at_once():
    with line_to() as (_, caller), ThreadPoolExecutor(8) as threads:
        began = time.perf_counter()
        list(threads.map(lambda _: caller.call("sleep", 0.3), range(8)))
        assert time.perf_counter() - began < 8 * 0.3


def test_a_call_that_is_not_answered_in_time_ends():
    with line_to(timeout_s=0.1) as (_, caller):
        with pytest.raises(TimeoutError, match=r"sleep was not answered within 0\.1 s"):
            caller.call("sleep", 2)
        assert caller.call("double", np.array([2])) == [4]  # not the late answer of the one before


def test_a_process_that_was_started_anew_is_found_and_until_then_the_call_fails():
    elsewhere = Elsewhere()
    caller = Caller(lambda: elsewhere.place, timeout_s=20)
    assert caller.call("double", np.array([2])) == [4]
    elsewhere.kill()
    with pytest.raises(OSError):
        caller.call("double", np.array([2]))
    elsewhere.start()
    assert caller.call("double", np.array([2])) == [4]
    assert caller.call("double", np.array([3])) == [6]
    elsewhere.kill()


def test_a_call_under_way_ends_when_the_process_is_killed():
    elsewhere = Elsewhere()
    caller = Caller(lambda: elsewhere.place, timeout_s=20)
    threading.Timer(0.5, elsewhere.kill).start()
    began = time.perf_counter()
    with pytest.raises((OSError, EOFError)):
        caller.call("sleep", 15)
    assert time.perf_counter() - began < 10


def test_nobody_is_answered_without_the_key():
    with line_to() as (line, caller):
        with pytest.raises(multiprocessing.AuthenticationError):
            Client(line.place[0], authkey=b"guessed")
        assert caller.call("double", np.array([2])) == [4]
    assert not Path(line.place[0]).parent.exists()  # nothing stays behind
