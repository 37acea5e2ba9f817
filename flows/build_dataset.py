"""Turns the raw snapshot into clean, validated tables and pairs worth asking about."""

from pathlib import Path

from prefect import flow, task

from flows.shown import show_json
from flows.versions import commit, repro
from photosearch.home import Home


@task
def reproduce(home: Home, stage: str) -> None:
    """Brings one DVC stage and all it depends on up to date."""
    repro(home, stage)


@flow(name="build-dataset")
def build_dataset(home: Path) -> None:
    """Runs the stages tower, curate, pairs and validate; what is up to date is not run."""
    for stage in ("tower", "curate", "pairs", "validate"):
        reproduce(Home(home), stage)
        show_json(stage, Home(home).reports / f"{stage}.json")
    commit(Home(home), "Build the dataset")
