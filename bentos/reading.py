"""What reads photos in a process of its own, below the reader: it can be stopped at any moment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photosearch.release import Release
from photosearch.search.seeing import read_seeing

if TYPE_CHECKING:
    from photosearch.perception.reader import Reader, Word

POLITENESS = 10
"""Where the system knows no idle processes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A reader of files; see OwnProcess."""

    reader: "Reader"

    def read(self, photo: bytes) -> "Sequence[Word]":
        """The words on a photo, given as the content of its file."""
        from photosearch.catalog.images import open_photo

        return self.reader.read(open_photo(photo, name="a photo to read"))

    def close(self) -> None:
        """There is nothing to close."""


def reads(release: Release) -> bool:
    """Whether a release reads words at all."""
    seeing = read_seeing(release.folder)
    return seeing is not None and seeing.ocr.reader != "off"


def open_reading(release: Release) -> Reading:
    """What a release reads words with; raises BadArtifact where it does not load."""
    from photosearch.assembly_serving import load_served_reader

    give_way()
    reader = load_served_reader(release)
    if reader is None:
        raise ValueError(f"Release {release.manifest.release} reads nothing.")
    return Reading(reader)


def give_way() -> None:
    """Lets others have the processor before this thread and those that it starts.

    A nice process still gets a tenth of a core that a search wants, and a model that runs on
    several threads waits for the one that is disturbed.
    """
    if hasattr(os, "SCHED_IDLE"):  # Linux
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(POLITENESS)
