"""What came while a model was busy is run together; nobody waits for company. Knows no model."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

Asked = TypeVar("Asked")
Made = TypeVar("Made")


class Batches(Generic[Asked, Made]):
    """Runs one batch at a time: all that waits when the model is free, in the order it came.

    A list that was added stays together, so a batch is longer than `most` where a list is.
    """

    def __init__(
        self,
        run: Callable[[list[Asked]], list[Made]],
        *,
        most: int,
        ran: Callable[[int], object],
    ) -> None:
        """Nothing runs yet.

        Args:
            run: Called in a thread; gives one thing for each.
            most: Things in a batch.
            ran: Told how many there are in each batch.
        """
        self._run, self._most, self._ran = run, most, ran
        self._waiting: deque[tuple[list[Asked], asyncio.Future[list[Made]]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def add(self, things: list[Asked]) -> list[Made]:
        """What `run` makes of these; raises what it raised of the batch that they were in."""
        made: asyncio.Future[list[Made]] = asyncio.get_running_loop().create_future()
        self._waiting.append((things, made))
        if self._running is None:
            self._running = asyncio.create_task(self._run_all())
        return await made

    async def _run_all(self) -> None:
        limiter = CapacityLimiter(1)
        try:
            while self._waiting:
                batch = self._next()
                things = [thing for asked, _ in batch for thing in asked]
                self._ran(len(things))
                try:
                    made = await to_thread.run_sync(self._run, things, limiter=limiter)
                except Exception as error:  # whatever it is, it is every one's
                    for _, one in batch:
                        if not one.done():  # its caller may have gone
                            one.set_exception(error)
                    continue
                ends = accumulate((len(asked) for asked, _ in batch), initial=0)
                for (_, one), (start, end) in zip(batch, pairwise(ends), strict=True):
                    if not one.done():
                        one.set_result(made[start:end])
        finally:
            self._running = None

    def _next(self) -> list[tuple[list[Asked], "asyncio.Future[list[Made]]"]]:
        batch = [self._waiting.popleft()]
        n = len(batch[0][0])
        while self._waiting and n + len(self._waiting[0][0]) <= self._most:
            batch.append(self._waiting.popleft())
            n += len(batch[-1][0])
        return batch
