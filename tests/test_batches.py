"""Photos that come while the model is busy are embedded together, and nobody waits for company."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bentos.batches import Batches


class Model:
    """Doubles numbers, once it is let; notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.beside: list[bool] = []
        self.may_go_on = threading.Event()
        self.is_busy = threading.Event()

    def __call__(self, things: list[int], beside: bool) -> list[int]:
        self.batches.append(things)
        self.beside.append(beside)
        self.is_busy.set()
        assert self.may_go_on.wait(60)
        if 13 in things:
            raise ValueError("13 cannot be doubled")
        return [2 * thing for thing in things]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def asked_while_busy(
    threads: ThreadPoolExecutor, model: Model, batches: "Batches[int, int]", lists: list[list[int]]
) -> list["Future[list[int]]"]:
    """Lists that come in this order while the model is busy with [1], which is asked first."""
    asked = [threads.submit(batches.add, [1])]
    assert model.is_busy.wait(60)
    for n_waiting, things in enumerate(lists, 1):
        asked.append(threads.submit(batches.add, things))
        while len(batches._waiting) < n_waiting:
            time.sleep(0.001)
    model.may_go_on.set()
    return asked


def test_one_that_comes_to_a_free_model_is_run_alone_at_once_in_its_own_thread():
    model = Model()
    model.may_go_on.set()
    assert Batches(model, lanes=1, most=4, ran=lambda _: None).add([7]) == [14]
    assert model.batches == [[7]]


def test_those_that_come_meanwhile_are_run_together_and_each_gets_its_own(
    threads: ThreadPoolExecutor,
):
    model, sizes = Model(), list[int]()
    batches = Batches(model, lanes=1, most=4, ran=sizes.append)
    asked = asked_while_busy(threads, model, batches, [[2], [3, 4]])
    assert [one.result(60) for one in asked] == [[2], [4], [6, 8]]
    assert model.batches == [[1], [2, 3, 4]]
    assert sizes == [1, 3]


def test_a_batch_holds_no_more_than_the_most_unless_one_list_does(threads: ThreadPoolExecutor):
    model = Model()
    batches = Batches(model, lanes=1, most=3, ran=lambda _: None)
    asked = asked_while_busy(threads, model, batches, [[2, 3], [4], [5, 6, 7, 8]])
    assert [one.result(60) for one in asked] == [[2], [4, 6], [8], [10, 12, 14, 16]]
    assert model.batches == [[1], [2, 3, 4], [5, 6, 7, 8]]


def test_a_batch_that_fails_fails_for_all_in_it_and_the_next_one_runs(threads: ThreadPoolExecutor):
    model = Model()
    batches = Batches(model, lanes=1, most=4, ran=lambda _: None)
    first, *doomed = asked_while_busy(threads, model, batches, [[13], [2]])
    assert first.result(60) == [2]
    assert [str(one.exception(60)) for one in doomed] == ["13 cannot be doubled"] * 2
    assert batches.add([3]) == [6]


@pytest.mark.parametrize("lanes", [1, 3])
def test_many_callers_each_get_their_own_and_no_more_batches_run_than_there_are_lanes(
    threads: ThreadPoolExecutor, lanes: int
):
    running, most_at_once, sizes = [0], [0], list[int]()
    counting = threading.Lock()

    def double(things: list[int], _: bool) -> list[int]:
        with counting:
            running[0] += 1
            most_at_once[0] = max(most_at_once[0], running[0])
        time.sleep(0.001)
        with counting:
            running[0] -= 1
        return [2 * thing for thing in things]

    batches = Batches(double, lanes=lanes, most=8, ran=sizes.append)
    made = list(threads.map(batches.add, [[n] for n in range(300)]))
    assert made == [[2 * n] for n in range(300)]
    assert most_at_once == [lanes]
    assert sum(sizes) == 300
    assert max(sizes) > 1


def test_not_even_an_exit_in_a_batch_keeps_the_others_waiting(threads: ThreadPoolExecutor):
    class Exits(Model):
        def __call__(self, things: list[int], beside: bool) -> list[int]:
            made = super().__call__(things, beside)
            if 2 in things:
                raise SystemExit
            return made

    model = Exits()
    batches = Batches(model, lanes=1, most=4, ran=lambda _: None)
    first, *doomed = asked_while_busy(threads, model, batches, [[2], [3]])
    assert first.result(60) == [2]
    assert [type(one.exception(60)) for one in doomed] == [SystemExit] * 2
    assert threads.submit(batches.add, [5]).result(60) == [10]


def test_what_waits_is_shared_out_over_the_lanes_and_their_batches_run_side_by_side(
    threads: ThreadPoolExecutor,
):
    side_by_side = threading.Barrier(2, timeout=60)

    class Meets(Model):
        def __call__(self, things: list[int], beside: bool) -> list[int]:
            if things != [1]:
                side_by_side.wait()  # none ends before the other has begun
            return super().__call__(things, beside)

    model = Meets()
    batches = Batches(model, lanes=2, most=4, ran=lambda _: None)
    asked = asked_while_busy(threads, model, batches, [[2], [3], [4], [5]])
    assert [one.result(60) for one in asked] == [[2], [4], [6], [8], [10]]
    assert sorted(model.batches) == [[1], [2, 3], [4, 5]]
    assert model.beside == [False, True, True]


def test_a_list_alone_has_all_of_the_model(threads: ThreadPoolExecutor):
    model = Model()
    batches = Batches(model, lanes=2, most=4, ran=lambda _: None)
    first = threads.submit(batches.add, [0, 1])
    assert model.is_busy.wait(60)
    second = threads.submit(batches.add, [2])
    while not batches._waiting:
        time.sleep(0.001)
    time.sleep(0.05)  # were a lane free, it would run by now
    assert model.batches == [[0, 1]]
    model.may_go_on.set()
    assert [first.result(60), second.result(60)] == [[0, 2], [4]]
    assert model.beside == [False, False]
