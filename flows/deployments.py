"""Every schedule on one screen: which flow runs when, on the Prefect server that is configured."""

from pathlib import Path
from typing import Any

import prefect
from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron

from flows.build_dataset import build_dataset
from flows.learn_from_feedback import learn_from_feedback
from flows.pull_catalog import pull_catalog
from flows.refresh_index import refresh_index
from flows.release_model import release_model
from flows.sync_labels import sync_labels
from flows.train_model import train_model

ZONE = "Europe/Moscow"
ONE_AT_A_TIME = 1
"""All flows of a home write into one folder."""


def deployments(home: Path, *, source: str) -> list[RunnerDeployment]:
    """The deployments of one home; `source` is a folder or an address, as for `pull`."""
    every_hour = Cron("30 * * * *", timezone=ZONE)
    plan: tuple[tuple[Flow[..., Any], dict[str, str], Any], ...] = (
        (pull_catalog, {"source": source}, Cron("0 2 * * *", timezone=ZONE)),
        (build_dataset, {}, Cron("20 2 * * *", timezone=ZONE)),
        (sync_labels, {}, every_hour),
        (learn_from_feedback, {}, Cron("50 * * * *", timezone=ZONE)),
        (train_model, {}, Cron("0 3 * * *", timezone=ZONE)),
        (release_model, {}, Cron("0 5 * * *", timezone=ZONE)),
        (refresh_index, {"source": source}, Cron("0 9,12,15,18,21 * * *", timezone=ZONE)),
    )
    made: list[Any] = [  # a coroutine only where a loop runs already
        flow.to_deployment(
            name=Path(home).name,
            parameters={"home": str(home), **parameters},
            schedule=schedule,
            concurrency_limit=ONE_AT_A_TIME,
        )
        for flow, parameters, schedule in plan
    ]
    return made


def serve_deployments(home: Path, *, source: str) -> None:
    """Registers the deployments and runs what is due until it is stopped."""
    prefect.serve(*deployments(home, source=source), limit=ONE_AT_A_TIME)
