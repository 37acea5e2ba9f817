"""A release that is ready to answer; knows not how it was opened."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

from photosearch.release import Release
from photosearch.search.catalogue import Catalogue
from photosearch.search.pipeline import SearchPipeline

YOUNG_MOST = 20_000
"""Objects that the garbage collector lets come before it looks through them. A search has a
thousand; at 700, Python's own number, it looked through those of each, for .3 ms in cold caches."""


@dataclass(frozen=True, slots=True)
class Opened:
    release: Release
    pipeline: SearchPipeline
    catalogue: Catalogue
    probe: Callable[[], object]
    """Searches the index for anything; fails as a search would."""
    close: Callable[[], None]
    """Lets go of index and words; called when the last search is done."""


def settle() -> None:
    """Has the garbage collector pass over what is loaded by now; call it after each opening.

    Else one search in 250 waits 70 to 120 ms for it to look through the objects of a release: see
    docs/experiments/online.md. What is left of releases before the last goes now.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MOST)
