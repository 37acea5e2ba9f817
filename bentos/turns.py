"""Searches in worker threads: so many at once, so many waiting, and no caller waits for ever."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from anyio import CapacityLimiter, Semaphore, WouldBlock, move_on_after, to_thread
from prometheus_client import Gauge

from bentos import metrics
from bentos.aside import Aside
from photosearch.errors import Overdue, TooBusy

Answer = TypeVar("Answer")

AT_ONCE = 16
"""Each may hold a decoded photo of 150 MB; the encoder batches so many at most."""
WAITING_MAX = 64
"""More than these are sent away at once instead of making everybody wait."""


class Turns:
    """Gives searches their turn; one that hangs keeps its place until it ends."""

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        waiting_max: int = WAITING_MAX,
        aside: Aside | None = None,
        is_counted: bool = True,
    ) -> None:
        """Nobody searches yet.

        Args:
            at_once: Searches that run together.
            waiting_max: Others that wait.
            aside: Told when searches run.
            is_counted: Among the searches of the metrics.
        """
        self._is_counted = is_counted
        self._aside = aside or Aside()
        self._free, self._waiting_max = Semaphore(at_once), waiting_max
        self._threads = CapacityLimiter(at_once)
        self._running: set[asyncio.Task[object]] = set()
        self._n_begun = 0

    async def take(self, act: Callable[[], Answer], *, deadline_s: float) -> Answer:
        """What `act` returns or raises, in a thread that the event loop started.

        A thread cannot be stopped: one that is overdue goes on, and its place is not given to
        another, so that an index that hangs holds a bounded number of threads and photos.

        Raises:
            TooBusy: Too many wait already.
            Overdue: There is no answer after `deadline_s`, the waiting counted.
        """
        if self._free.statistics().tasks_waiting >= self._waiting_max:
            raise TooBusy
        came = time.perf_counter()
        with move_on_after(deadline_s):
            await self._place()
            if self._is_counted:
                metrics.QUEUED.observe(time.perf_counter() - came)
            task = asyncio.create_task(self._work(act))
            self._running.add(task)  # the loop itself keeps no task alive
            self._n_begun += 1
            task.add_done_callback(self._ended)
            return await asyncio.shield(task)
        raise Overdue(deadline_s)

    async def quiet(self, *, besides: int, for_s: float, at_most_s: float) -> None:
        """Returns once no search has begun for some time and few are under way.

        Args:
            besides: So many searches disturb nobody.
            for_s: No other began for so long: one that ends is often followed by the next.
            at_most_s: Then it returns in any case.
        """
        with move_on_after(at_most_s):
            while True:
                while len(self._running) > besides:
                    await asyncio.wait(tuple(self._running), return_when=asyncio.FIRST_COMPLETED)
                n_begun = self._n_begun
                await asyncio.sleep(for_s)
                if self._n_begun == n_begun:
                    return

    async def _place(self) -> None:
        try:
            self._free.acquire_nowait()
        except WouldBlock:
            with self._counted(metrics.WAITING):
                await self._free.acquire()

    async def _work(self, act: Callable[[], Answer]) -> Answer:
        try:
            with self._counted(metrics.RUNNING), self._aside.searching():
                return await to_thread.run_sync(act, limiter=self._threads)
        finally:
            self._free.release()

    def _counted(self, gauge: Gauge) -> AbstractContextManager[object]:
        return gauge.track_inprogress() if self._is_counted else nullcontext()

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        task.exception()  # looked at, since the caller of one that was overdue is gone
