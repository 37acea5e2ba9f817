"""Pushes pairs to annotators and brings their answers back into `data/labels`."""

from pathlib import Path

from prefect import flow, task

from flows.shown import show_table
from flows.versions import commit_data
from labeling.annotators import annotators
from labeling.answers import LabelFiles, LabelReport, ask_and_collect
from photosearch.assembly import load_settings
from photosearch.home import Home


@task(retries=2, retry_delay_seconds=[10, 60])
def ask_people(home: Home) -> LabelReport:
    """Asks what was never asked, keeps what was answered; a second run asks nothing twice."""
    files = LabelFiles(
        pairs=home.pairs,
        cards=home.curated / "cards.parquet",
        images=home.images,
        asked=home.questions,
        labels=home.labels,
    )
    with annotators(load_settings(home.root)) as people:
        return ask_and_collect(files, people)


@task
def commit_labels(home: Home, report: LabelReport) -> bool:
    """Tracks the labels in data.dvc; False if nobody answered since."""
    return commit_data(home, f"Bring {report.answered} labels from {report.project}")


@flow(name="sync-labels")
def sync_labels(home: Path) -> LabelReport:
    """Keeps labels up to date with Label Studio, or with simulated annotators in the demo."""
    report = ask_people(Home(home))
    commit_labels(Home(home), report)
    show_table("labels", report)
    return report
