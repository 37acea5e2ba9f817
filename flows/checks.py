"""The checkpoints of the flows that change `data/`: what failed becomes an artifact with rows."""

from pathlib import Path
from typing import Literal

from prefect import task

from flows.shown import show_rows
from photosearch.errors import PhotosearchError
from photosearch.home import Home


@task
def check_tables(home: Home, checkpoint: Literal["raw", "labels", "feedback"]) -> None:
    """Stops the flow where a table breaks its expectations."""
    from photosearch.curation.expectations import validate_labels
    from photosearch.curation.raw_expectations import validate_raw
    from photosearch.feedback.expectations import validate_feedback

    validate = {"raw": validate_raw, "labels": validate_labels, "feedback": validate_feedback}
    try:
        validate[checkpoint](home)
    except PhotosearchError:
        show_failures(checkpoint, home.reports)
        raise


def show_failures(checkpoint: str, reports: Path) -> None:
    """A table of the failed expectations: table, column, what must hold, bad rows."""
    from photosearch.curation.checkpoints import failures_of

    show_rows(f"failed-{checkpoint}", failures_of(checkpoint, reports))
