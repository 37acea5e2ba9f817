"""A release that is ready to answer; knows not how it was opened."""

from collections.abc import Callable
from dataclasses import dataclass

from photosearch.release import Release
from photosearch.search.pipeline import SearchPipeline


@dataclass(frozen=True, slots=True)
class Opened:
    release: Release
    pipeline: SearchPipeline
    close: Callable[[], None]
    """Lets go of index and words; called when the last search is done."""
