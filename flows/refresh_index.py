"""Rebuilds the live model's index over what the marketplace shows now, and switches to it."""

from pathlib import Path

from prefect import flow

from flows.build_dataset import reproduce
from flows.pull_catalog import commit_snapshot, pull_source
from flows.release_model import build, go_live
from flows.shown import show_table
from photosearch.assembly import load_settings
from photosearch.home import Home
from photosearch.release import live_release
from photosearch.search.release_folder import ReleaseReport


@flow(name="refresh-index")
def refresh_index(home: Path, source: str | None = None) -> ReleaseReport:
    """Pulls from `source` if one is given, curates, and indexes with the model that is live."""
    if source is not None:
        commit_snapshot(Home(home), pull_source(source, Home(home)))
        reproduce(Home(home), "curate")
    live = live_release(load_settings(home).home.releases)
    report = build(Home(home), live.model)
    go_live(Home(home), report)
    show_table("index", report)
    return report
