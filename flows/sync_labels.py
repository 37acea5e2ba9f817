"""Pushes pairs to annotators and brings their answers back into `data/labels`."""

from pathlib import Path

from prefect import flow, task

from flows.checks import check_tables
from flows.retries import only_for
from flows.shown import show_markdown, show_table
from flows.versions import commit_data, repro
from labeling.annotators import annotators, sync_boxes
from labeling.answers import LabelFiles, LabelReport, ask_and_collect
from photosearch.assembly import load_settings
from photosearch.errors import LabelingRefused, LabelingUnavailable
from photosearch.feedback.impressions import prepare_weak_pairs
from photosearch.home import Home

MAY_PASS = only_for(LabelingUnavailable, but=(LabelingRefused,))


def label_files(home: Home) -> LabelFiles:
    """Where labelling reads and writes in a home."""
    return LabelFiles(
        pairs=home.pairs,
        cards=home.curated / "cards.parquet",
        images=home.images,
        asked=home.questions,
        votes=home.labels.with_name("votes.parquet"),
        labels=home.labels,
        report=home.reports / "labels.md",
    )


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=MAY_PASS)
def ask_people(home: Home) -> LabelReport:
    """Asks what was never asked, keeps what was answered; a second run asks nothing twice."""
    settings = load_settings(home.root)
    with annotators(settings) as people:
        return ask_and_collect(label_files(home), people, params=settings.params.labels)


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=MAY_PASS)
def ask_for_boxes(home: Home) -> int:
    """Sends photos for boxes once each, keeps what was drawn."""
    return sync_boxes(load_settings(home.root))


@task
def commit_labels(home: Home, report: LabelReport) -> bool:
    """Tracks the labels in data.dvc; False if nobody answered since."""
    prepare_weak_pairs(home)
    return commit_data(home, f"Bring {report.answered} labels from {report.project}")


@task
def pick_next_pairs(home: Home) -> None:
    """Labels, clicks and the live model change what is worth asking, and DVC knows none of them."""
    repro(home, "pairs", is_forced=True)


@flow(name="sync-labels")
def sync_labels(home: Path) -> LabelReport:
    """Keeps labels up to date with Label Studio, or with simulated annotators in the demo."""
    # of a table that a refresh has made anew since, or that a run was cut off while it made it
    repro(Home(home), "pairs", is_alone=True)
    report = ask_people(Home(home))
    ask_for_boxes(Home(home))
    pick_next_pairs(Home(home))
    check_tables(Home(home), "labels")
    commit_labels(Home(home), report)
    show_table("labels", report)
    show_markdown("label-agreement", label_files(Home(home)).report)
    return report
