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
    """Runs batches in the order things came, side by side as far as the model can.

    What comes to a free model is run alone, by all of it. What waits when that is free again is
    shared out: one batch a lane. The caller whose things are next runs the batch, in its own
    thread: a call to a free model is handed to nobody. A list that was added stays together, so a
    batch is longer than `most` where a list is.
    """

    def __init__(
        self,
        run: Callable[[list[Asked], bool], list[Made]],
        *,
        lanes: int,
        most: int,
        ran: Callable[[int], object],
    ) -> None:
        """Nothing runs yet.

        Args:
            run: Gives one thing for each; is told whether other batches run beside this one, on
                as many threads as there are lanes.
            lanes: Batches that run side by side.
            most: Things in a batch.
            ran: Told how many there are in each batch.
        """
        self._run, self._most, self._ran = run, most, ran
        self._waiting: deque[tuple[list[Asked], Future[list[Made]]]] = deque()
        self._lanes = self._free = lanes
        self._changed = Condition()

    def add(self, things: list[Asked]) -> list[Made]:
        """What `run` makes of these; raises what it raised of the batch that they were in."""
        mine: Future[list[Made]] = Future()
        with self._changed:
            self._waiting.append((things, mine))
            self._changed.wait_for(lambda: mine.done() or self._is_turn_of(mine))
            if mine.done():
                return mine.result()
            taken, batch = self._next()
            self._free -= taken
            self._changed.notify_all()  # another lane may be free for the next one
        try:
            self._run_together(batch, beside=taken < self._lanes)
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()
        return mine.result()

    def _is_turn_of(self, mine: "Future[list[Made]]") -> bool:
        return bool(self._free and self._waiting and self._waiting[0][1] is mine)

    def _next(self) -> "tuple[int, list[tuple[list[Asked], Future[list[Made]]]]]":
        """Lanes that are taken, and the batch to run on them."""
        if self._free == self._lanes and len(self._waiting) == 1:
            return self._lanes, [self._waiting.popleft()]
        n_waiting = sum(len(things) for things, _ in self._waiting)
        share = min(-(-n_waiting // self._free), self._most)
        batch = [self._waiting.popleft()]
        n = len(batch[0][0])
        while self._waiting and n + len(self._waiting[0][0]) <= share:
            batch.append(self._waiting.popleft())
            n += len(batch[-1][0])
        return 1, batch

    def _run_together(
        self, batch: "Sequence[tuple[list[Asked], Future[list[Made]]]]", *, beside: bool
    ) -> None:
        things = [thing for asked, _ in batch for thing in asked]
        try:
            self._ran(len(things))
            made = self._run(things, beside)
        except BaseException as error:  # whatever it is, it is every one's, and nobody waits on
            for _, one in batch:
                one.set_exception(error)
            return
        ends = accumulate((len(asked) for asked, _ in batch), initial=0)
        for (_, one), (start, end) in zip(batch, pairwise(ends), strict=True):
            one.set_result(made[start:end])
