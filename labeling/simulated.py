"""Simulated annotators, for the demo and tests only: they answer over HTTP, and they say so."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import httpx

from labeling.published import file_name_of
from labeling.questions import Task, read_asked
from photosearch.errors import LabelingUnavailable

PROJECT = "simulated"
TASKS_A_REQUEST = 500

log = logging.getLogger(__name__)


class SimulatedAnnotators:
    """Annotators of the simulator; they answer at once, from the cards' groups, with mistakes.

    They have no memory of their own: what they were asked stands in the record of questions.
    """

    def __init__(self, url: str, asked_path: Path, *, timeout_s: float = 60.0) -> None:
        self._address = f"{url.rstrip('/')}/v1/annotate"
        self._asked_path = asked_path
        self._timeout_s = timeout_s
        self._answered: list[Task] = []
        log.warning("labels come from SIMULATED annotators at %s, not from people", url)

    @property
    def project(self) -> str:
        return PROJECT

    def image_address(self, sha256: str) -> str:
        return file_name_of(sha256)

    def show(self, images_dir: Path, sha256s: Iterable[str]) -> None:
        """Does nothing: simulated annotators do not look at photos."""

    def already_asked(self, pair_ids: Iterable[str]) -> set[str]:
        recorded = {row.pair_id for row in read_asked(self._asked_path) if row.project == PROJECT}
        return recorded & set(pair_ids)

    def ask(self, questions: list[Task]) -> None:
        """Raises LabelingUnavailable if the simulator does not answer every question."""
        with httpx.Client(timeout=self._timeout_s) as client:
            for start in range(0, len(questions), TASKS_A_REQUEST):
                self._answered += self._post(client, questions[start : start + TASKS_A_REQUEST])

    def answered(self, since: datetime | None) -> Iterator[Task]:  # noqa: ARG002  all are new
        yield from self._answered

    def n_answers(self) -> int | None:
        """None: simulated answers are never deleted."""
        return None

    def want_votes(self, people_of: Mapping[str, int]) -> int:  # noqa: ARG002  all answered at once
        return 0

    def _post(self, client: httpx.Client, questions: list[Task]) -> list[Task]:
        try:
            response = client.post(self._address, json={"tasks": questions})
            response.raise_for_status()
            answered: list[Task] = response.json()["tasks"]
            got = {task["data"]["pair_key"] for task in answered if "annotations" in task}
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise LabelingUnavailable(
                f"Simulated annotators at {self._address} gave no answers "
                f"({type(error).__name__}: {error}). Start the simulator, or set "
                "PHOTOSEARCH_LABEL_STUDIO_URL to ask people."
            ) from error
        expected = {question["data"]["pair_key"] for question in questions}
        if got != expected:
            raise LabelingUnavailable(
                f"Simulated annotators at {self._address} answered {len(got & expected)} of "
                f"{len(expected)} questions. Restart the simulator and run again."
            )
        return answered
