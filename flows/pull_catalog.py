"""Pulls cards and photos from a source into `data/` and commits the snapshot."""

from pathlib import Path

from prefect import flow, task

from flows.checks import check_tables
from flows.retries import only_for
from flows.shown import show_table
from flows.versions import commit_data
from photosearch.assembly import open_source
from photosearch.catalog.history import commit_message
from photosearch.catalog.pull import PullReport, pull
from photosearch.errors import SourceUnreachable
from photosearch.home import Home


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=only_for(SourceUnreachable))
def pull_source(address: str, home: Home) -> PullReport:
    """Fetches what the source has now; goes on where a killed run stopped."""
    return pull(open_source(address), home)


@task
def commit_snapshot(home: Home, report: PullReport) -> bool:
    """Tracks the snapshot in data.dvc; False if nothing had changed."""
    return commit_data(home, commit_message(report))


@flow(name="pull-catalog")
def pull_catalog(source: str, home: Path) -> PullReport:
    """Brings `data/` up to date with a source: see `photosearch.assembly.open_source`."""
    report = pull_source(source, Home(home))
    check_tables(Home(home), "raw")
    commit_snapshot(Home(home), report)
    show_table("pull", report)
    return report
