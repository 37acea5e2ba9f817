"""What a service does once a release is opened."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from bentos.opened import settle


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


class Loaded:
    """Reaches itself, so that only the garbage collector can let go of it."""

    def __init__(self) -> None:
        self.own = self


def test_what_is_loaded_is_not_looked_through_again():
    settle()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count() / 10


def test_what_was_loaded_before_goes_with_the_next_release():
    loaded = Loaded()
    gone = weakref.ref(loaded)
    settle()
    del loaded
    gc.collect()
    assert gone() is not None
    settle()
    assert gone() is None
