"""Removes releases that nobody goes back to; a day of refreshes would else fill the disk."""

import logging
import os
from collections.abc import Collection
from pathlib import Path

from photosearch.release import list_releases, live_release, read_switches
from photosearch.search.release_recipe import IndexEngine, clear_unfinished

log = logging.getLogger(__name__)


def prune_releases(
    releases: Path, engine: IndexEngine, *, kept: int, spare: Collection[str] = ()
) -> list[str]:
    """Removes all releases but the live one, those that were live last, and the newest.

    A release first loses its name and then its files, so that a killed run leaves nothing that
    could be taken for whole; the next run that makes a release removes the rest.

    Args:
        releases: The folder of all releases. The caller holds it: `release_lock.alone`.
        engine: Removes what a release has outside its folder.
        kept: How many of those that were live last, and of the newest, stay; at least 1 of each, so
            that there is a way back.
        spare: Names of others that stay.

    Returns:
        Names of the removed, oldest first.
    """
    names = [release.manifest.release for release in list_releases(releases)]
    were_live = dict.fromkeys(switch.release for switch in reversed(read_switches(releases)))
    stay = {live_release(releases).manifest.release, *names[-kept:], *spare}
    # one more: the live one is among them
    stay.update([name for name in were_live if name in names][: kept + 1])
    removed = [name for name in names if name not in stay]
    for name in removed:
        (releases / name).rename(releases / f".{name}.{os.getpid()}")
    if removed:
        log.info("removing %d old releases, %s first", len(removed), removed[0])
        clear_unfinished(releases, engine)
    return removed
