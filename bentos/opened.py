"""A release that is ready to answer; knows not how it was opened."""

from collections.abc import Callable
from dataclasses import dataclass

from photosearch.release import Release
from photosearch.search.catalogue import Catalogue
from photosearch.search.pipeline import SearchPipeline


@dataclass(frozen=True, slots=True)
class Opened:
    release: Release
    pipeline: SearchPipeline
    catalogue: Catalogue
    probe: Callable[[], object]
    """Searches the index for anything; fails as a search would."""
    close: Callable[[], None]
    """Lets go of index and words; called when the last search is done."""
