"""Photos that come while the model is busy are embedded together, and nobody waits for company."""

import asyncio
import threading

import pytest

from bentos.batches import Batches


class Model:
    """Doubles numbers, once it is let; notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = threading.Event()
        self.is_busy = threading.Event()

    def __call__(self, things: list[int]) -> list[int]:
        self.batches.append(things)
        self.is_busy.set()
        assert self.may_go_on.wait(10)
        if 13 in things:
            raise ValueError("13 cannot be doubled")
        return [2 * thing for thing in things]


async def busy_with_one(model: Model, batches: "Batches[int, int]") -> "asyncio.Task[list[int]]":
    first = asyncio.create_task(batches.add([1]))
    await asyncio.to_thread(model.is_busy.wait, 10)
    return first


async def asked_while_busy(
    lists: list[list[int]], *, most: int = 4
) -> tuple[Model, list[list[int] | BaseException], list[int]]:
    """The model, what became of each list, and the sizes that were told."""
    model, sizes = Model(), list[int]()
    batches = Batches(model, most=most, ran=sizes.append)
    first = await busy_with_one(model, batches)
    others = [asyncio.create_task(batches.add(things)) for things in lists]
    await asyncio.sleep(0)
    model.may_go_on.set()
    return model, await asyncio.gather(first, *others, return_exceptions=True), sizes


def test_one_that_comes_to_a_free_model_is_run_alone_at_once():
    model = Model()
    model.may_go_on.set()
    made = asyncio.run(Batches(model, most=4, ran=lambda _: None).add([7]))
    assert (made, model.batches) == ([14], [[7]])


def test_those_that_come_meanwhile_are_run_together_and_each_gets_its_own():
    model, made, sizes = asyncio.run(asked_while_busy([[2], [3, 4]]))
    assert made == [[2], [4], [6, 8]]
    assert model.batches == [[1], [2, 3, 4]]
    assert sizes == [1, 3]


def test_a_batch_holds_no_more_than_the_most_unless_one_list_does():
    model, made, _ = asyncio.run(asked_while_busy([[2, 3], [4], [5, 6, 7, 8]], most=3))
    assert model.batches == [[1], [2, 3, 4], [5, 6, 7, 8]]
    assert made == [[2], [4, 6], [8], [10, 12, 14, 16]]


def test_a_batch_that_fails_fails_for_all_in_it_and_the_next_one_runs():
    async def story() -> tuple[list[list[int] | BaseException], list[int]]:
        model = Model()
        batches = Batches(model, most=4, ran=lambda _: None)
        first = await busy_with_one(model, batches)
        doomed = [asyncio.create_task(batches.add([n])) for n in (13, 2)]
        await asyncio.sleep(0)
        model.may_go_on.set()
        made = await asyncio.gather(first, *doomed, return_exceptions=True)
        return made, await batches.add([3])

    made, later = asyncio.run(story())
    assert made[0] == [2]
    assert [str(one) for one in made[1:]] == ["13 cannot be doubled"] * 2
    assert later == [6]


def test_a_caller_who_has_gone_takes_nothing_from_the_others():
    async def story() -> list[int]:
        model = Model()
        batches = Batches(model, most=4, ran=lambda _: None)
        first = await busy_with_one(model, batches)
        gone, kept = (asyncio.create_task(batches.add([n])) for n in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        model.may_go_on.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await kept

    assert asyncio.run(story()) == [6]
