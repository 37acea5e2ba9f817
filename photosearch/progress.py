"""Tells how far long work is; knows nothing of what the work is."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

log = logging.getLogger(__name__)


def configure_logging(level: int = logging.INFO) -> None:
    """Sends log lines of our packages to stderr; called once, by an entry point."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    for package in ("photosearch", "training", "labeling", "flows", "bentos", "simulator"):
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


def track(
    items: Iterable[Item],
    doing: str,
    total: int,
    every_s: float = 10.0,
    size: Callable[[Item], int] = lambda _: 1,
) -> Iterator[Item]:
    """Yields `items` and logs `doing 1200/5000, 310/s, 12 s left` every `every_s` seconds.

    Where items are batches, `size` tells how many of `total` are in one.
    """
    started = told = time.monotonic()
    done = 0
    for item in items:
        now = time.monotonic()
        if now - told >= every_s and done:
            told = now
            rate = done / (now - started)
            log.info(
                "%s %d/%d, %.0f/s, %.0f s left", doing, done, total, rate, (total - done) / rate
            )
        yield item
        done += size(item)


class Steps:
    """Says when each step of long work begins, and keeps how long it took."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self.seconds: dict[str, float] = {}
        """By step that ended, in order."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        log.info("%s: %s", self._doing, name)
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 2)
