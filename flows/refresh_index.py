"""Brings the live model's index up to what the marketplace shows now, and switches to it."""

from pathlib import Path

from prefect import flow, task

from flows.pull_catalog import commit_snapshot, pull_source
from flows.release_model import build, go_live
from flows.shown import show_table
from flows.versions import repro
from photosearch.assembly import load_settings, refresh_live_release
from photosearch.home import Home
from photosearch.release import live_release
from photosearch.release_lock import alone
from photosearch.search.release_recipe import ReleaseReport


@task
def bring_in(home: Home) -> None:
    """Curates the new snapshot and tags it, with the tower there is: a refresh trains nothing."""
    for stage in ("curate", "tags"):
        repro(home, stage, is_alone=True)


@task
def refresh(home: Home) -> ReleaseReport:
    """Changes a copy of the live index and proves it; nothing is live yet."""
    return refresh_live_release(load_settings(home.root))


@flow(name="refresh-index")
def refresh_index(home: Path, source: str | None = None, *, is_anew: bool = False) -> ReleaseReport:
    """Pulls from `source` if one is given, curates, and indexes what is new with the live model.

    `is_anew` builds the whole index. One run at a time: a second one is refused.
    """
    with alone(Home(home).releases, doing="refreshing the index"):
        if source is not None:
            commit_snapshot(Home(home), pull_source(source, Home(home)))
            bring_in(Home(home))
        live = live_release(load_settings(home).home.releases)
        report = build(Home(home), live.model) if is_anew else refresh(Home(home))
        go_live(Home(home), report)
    show_table("index", report)
    return report
