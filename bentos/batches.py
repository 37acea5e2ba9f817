"""What came while a model was busy is run together; nobody waits for company. Knows no model."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import accumulate, pairwise
from threading import Condition
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Made = TypeVar("Made")


class Batches(Generic[Asked, Made]):
    """Runs one batch at a time: all that waits when the model is free, in the order it came.

    One of the callers runs it, in its own thread: a call to a free model is handed to nobody. A
    list that was added stays together, so a batch is longer than `most` where a list is.
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
            run: Gives one thing for each.
            most: Things in a batch.
            ran: Told how many there are in each batch.
        """
        self._run, self._most, self._ran = run, most, ran
        self._waiting: deque[tuple[list[Asked], Future[list[Made]]]] = deque()
        self._is_busy, self._changed = False, Condition()

    def add(self, things: list[Asked]) -> list[Made]:
        """What `run` makes of these; raises what it raised of the batch that they were in."""
        mine: Future[list[Made]] = Future()
        with self._changed:
            self._waiting.append((things, mine))
        while batch := self._once_free(mine):
            try:
                self._run_together(batch)
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()
        return mine.result()

    def _once_free(
        self, mine: "Future[list[Made]]"
    ) -> "Sequence[tuple[list[Asked], Future[list[Made]]]]":
        """The next batch, which the caller must run; none where others have run `mine`."""
        with self._changed:
            self._changed.wait_for(lambda: mine.done() or not self._is_busy)
            if mine.done():
                return ()
            batch, self._is_busy = self._next(), True
            return batch

    def _next(self) -> "list[tuple[list[Asked], Future[list[Made]]]]":
        batch = [self._waiting.popleft()]
        n = len(batch[0][0])
        while self._waiting and n + len(self._waiting[0][0]) <= self._most:
            batch.append(self._waiting.popleft())
            n += len(batch[-1][0])
        return batch

    def _run_together(self, batch: "Sequence[tuple[list[Asked], Future[list[Made]]]]") -> None:
        things = [thing for asked, _ in batch for thing in asked]
        try:
            self._ran(len(things))
            made = self._run(things)
        except BaseException as error:  # whatever it is, it is every one's, and nobody waits on
            for _, one in batch:
                one.set_exception(error)
            return
        ends = accumulate((len(asked) for asked, _ in batch), initial=0)
        for (_, one), (start, end) in zip(batch, pairwise(ends), strict=True):
            one.set_result(made[start:end])
