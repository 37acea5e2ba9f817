"""Calls between processes of one machine, and what happens when one of the two goes away."""

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection
from pathlib import Path

import numpy as np
import pytest

from bentos.line import Caller, CallFailed, Line
from bentos.shared import SHARED_BYTES


def double(photo: np.ndarray) -> np.ndarray:
    return photo * 2


def n_open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def fail(why: str) -> None:
    raise ValueError(why)


MEETING = threading.Barrier(8)
CALLS: dict[str, Callable] = {
    "double": double, "fail": fail, "sleep": time.sleep, "meet": MEETING.wait,
    "last": lambda arrays: int(arrays[-1][-1]),
}  # fmt: skip
PHOTO = np.arange(640 * 480 * 3, dtype=np.uint8).reshape(480, 640, 3)
"""More than a socket holds."""


@contextmanager
def line_to(*, timeout_s: float = 20) -> Iterator[tuple[Line, Caller]]:
    line = Line(CALLS)
    caller = Caller(lambda: line.address, timeout_s=timeout_s)
    yield line, caller
    caller.close()
    line.close()


def serve_until_killed(told: Connection) -> None:
    told.send(Line(CALLS).address)
    time.sleep(600)


class Elsewhere:
    """A process with a line, which can be stopped, killed and started anew."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        told, theirs = context.Pipe()
        self._process = context.Process(target=serve_until_killed, args=(theirs,), daemon=True)
        self._process.start()
        self.address: str = told.recv()

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    elsewhere = Elsewhere()
    yield elsewhere
    elsewhere.kill()


def test_pixels_go_there_and_come_back():
    with line_to() as (_, caller):
        for _ in range(3):
            np.testing.assert_array_equal(caller.call("double", PHOTO), PHOTO * 2)


def test_what_is_larger_than_the_shared_memory_goes_as_well():
    many = [np.full(SHARED_BYTES // 2 - 1, n, np.uint8) for n in range(3)]
    with line_to() as (_, caller):
        for n_arrays in (2, 3, 2):  # as much as there is room for, more, and again
            assert caller.call("last", many[:n_arrays]) == n_arrays - 1


def test_a_caller_may_do_something_else_before_it_waits_for_the_answer():
    with line_to() as (_, caller):
        first, second = caller.begin("double", PHOTO), caller.begin("double", PHOTO + 1)
        np.testing.assert_array_equal(second(), (PHOTO + 1) * 2)
        np.testing.assert_array_equal(first(), PHOTO * 2)


def test_an_answer_that_nobody_waits_for_keeps_nothing_open():
    with line_to() as (_, caller):
        caller.call("double", PHOTO)
        n_open = n_open_files()
        for _ in range(20):
            caller.begin("double", PHOTO)
        gc.collect()
        until = time.monotonic() + 20
        while n_open_files() > n_open and time.monotonic() < until:
            time.sleep(0.05)
        assert n_open_files() <= n_open
        np.testing.assert_array_equal(caller.call("double", PHOTO), PHOTO * 2)


def test_what_fails_over_there_is_told_and_the_next_call_goes_on():
    with line_to() as (_, caller):
        with pytest.raises(CallFailed, match="ValueError: too dark"):
            caller.call("fail", "too dark")
        with pytest.raises(CallFailed, match="KeyError: 'nothing'"):
            caller.call("nothing")
        assert caller.call("double", np.array([2])) == [4]


def test_calls_of_many_threads_run_at_once():
    with line_to() as (_, caller), ThreadPoolExecutor(8) as threads:
        met = list(threads.map(lambda _: caller.call("meet", 15), range(8)))
    assert sorted(met) == list(range(8))


def test_a_call_that_is_not_answered_in_time_ends():
    with line_to(timeout_s=1.5) as (_, caller):
        with pytest.raises(TimeoutError, match=r"sleep took more than 1\.5 s"):
            caller.call("sleep", 4)
        assert caller.call("double", np.array([2])) == [4]  # not the late answer of the one before


def test_calls_to_a_process_that_stands_still_end_in_time(elsewhere: Elsewhere):
    caller = Caller(lambda: elsewhere.address, timeout_s=2)
    caller.call("double", PHOTO)
    elsewhere.send_signal(signal.SIGSTOP)
    for _ in range(3):  # the first by an open connection, the others by new ones
        began = time.perf_counter()
        with pytest.raises(TimeoutError):
            caller.call("double", PHOTO)
        assert time.perf_counter() - began < 20
    elsewhere.send_signal(signal.SIGCONT)
    np.testing.assert_array_equal(caller.call("double", PHOTO), PHOTO * 2)


def test_a_process_that_was_started_anew_is_found_and_until_then_calls_fail(elsewhere: Elsewhere):
    caller = Caller(lambda: elsewhere.address, timeout_s=20)
    assert caller.call("double", np.array([2])) == [4]
    elsewhere.kill()
    with pytest.raises(ConnectionError):
        caller.call("double", np.array([2]))
    elsewhere.start()
    assert caller.call("double", np.array([2])) == [4]
    assert caller.call("double", np.array([3])) == [6]


def test_a_call_under_way_ends_when_the_process_is_killed(elsewhere: Elsewhere):
    caller = Caller(lambda: elsewhere.address, timeout_s=20)
    threading.Timer(0.5, elsewhere.kill).start()
    began = time.perf_counter()
    with pytest.raises((OSError, EOFError)):
        caller.call("sleep", 15)
    assert time.perf_counter() - began < 10


def test_one_who_comes_in_and_says_nothing_keeps_nobody_out():
    with line_to(timeout_s=5) as (line, caller), Client(line.address):
        assert caller.call("double", np.array([2])) == [4]


def test_a_line_that_closes_waits_for_calls_under_way_and_leaves_nothing_behind():
    with line_to() as (line, caller), ThreadPoolExecutor(1) as threads:
        folder = Path(line.address).parent
        assert folder.stat().st_mode & 0o077 == 0  # nobody else may come in
        called = threads.submit(caller.call, "sleep", 0.5)
        while line._n_under_way == 0:
            time.sleep(0.01)
        line.close()
        assert line._n_under_way == 0
        assert called.result(20) is None
        assert not folder.exists()
