"""Votes and labels out of what Label Studio sends; and a test that a warning was logged."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asked_pairs import (
    PARAMS,
    answer_of,
    task,
)

from labeling.consensus import consensus_of
from labeling.votes import votes_of
from photosearch.catalog.schemas import Label, Vote


def votes(*tasks: dict[str, Any]) -> list[Vote]:
    return votes_of(tasks, project="here")[1]


def label(*annotations: dict[str, Any], **of_pair: Any) -> Label:
    cast = votes(task(*annotations, **of_pair))
    (one,) = consensus_of(cast, decided_at=PARAMS.decided_at).labels
    return one


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Log lines of `labeling`, also where an entry point has stopped their propagation."""
    logger = logging.getLogger("labeling")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def said(*choices: str) -> list[dict[str, Any]]:
    return [answer_of({"email": f"{n}@x"}, choice) for n, choice in enumerate(choices)]
