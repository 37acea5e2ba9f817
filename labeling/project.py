"""People in the pairs project of a Label Studio server: asks each pair once, reads the answers.

Knows nothing of what an answer means.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from labeling.photos import Photos
from labeling.pushing import push_once
from labeling.questions import Task
from labeling.server import Server, changed_since, condition

TITLE = "Photosearch: same object?"

log = logging.getLogger(__name__)


class LabelStudio:
    """The pairs project, created or brought up to date."""

    def __init__(self, server: Server, photos: Photos, *, votes_first: int) -> None:
        """Makes the project what `pair_task.xml` says.

        Args:
            server: Which server; it stays the caller's.
            photos: How annotators see photos.
            votes_first: People asked about each pair at first.

        Raises:
            LabelingUnavailable: The server stopped answering.
        """
        self._server = server
        self._photos = photos
        self._project_id = server.ensure_project(
            TITLE, config_file=Path(__file__).with_name("pair_task.xml"), votes_first=votes_first
        )

    def call_when_answered(self, url: str, secret: str) -> None:
        """Has the server tell an address of ours that somebody answered."""
        self._server.ensure_webhook(self._project_id, url, secret)

    @property
    def project(self) -> str:
        """Where the answers come from: the project's address."""
        return f"{self._server.url}/projects/{self._project_id}"

    def image_address(self, sha256: str) -> str:
        return self._photos.address(sha256)

    def show(self, images_dir: Path, sha256s: Iterable[str]) -> None:
        """Makes photos visible, and renews links of unanswered questions that expire soon."""
        self._photos.show(self._server, self._project_id, images_dir, sha256s)
        self._renew_links()

    def already_asked(self, pair_ids: Iterable[str]) -> set[str]:
        """Pairs that have a task; the server is asked, for it alone knows after a killed run."""
        found = self._server.tasks_by_key(
            self._project_id, "pair_key", pair_ids, with_answers=False
        )
        return {task.data["pair_key"] for task in found}

    def ask(self, questions: list[Task]) -> None:
        """Imports questions as tasks, in order; ask `already_asked` first."""
        push_once(self._server, self._project_id, questions, key="pair_key")

    def answered(self, since: datetime | None) -> Iterator[Task]:
        """Yields answered tasks, with annotators by email; since a moment: every changed task.

        The importing, each answer, correction and deletion of an answer change a task.
        """
        if since is None:
            conditions = [
                condition(count, "greater", "Number", 0)
                for count in ("total_annotations", "cancelled_annotations")
            ]
            tasks = self._server.tasks(self._project_id, conditions, any_of=True)
        else:
            tasks = self._server.tasks(self._project_id, [changed_since(since)])
        emails = self._server.emails()
        for task in tasks:
            annotations = [_with_email(answer, emails) for answer in task.annotations]
            yield {"id": task.id, "data": task.data, "annotations": annotations}

    def n_answers(self) -> int | None:
        return self._server.annotations_in(self._project_id)

    def want_votes(self, people_of: Mapping[str, int]) -> int:
        """Raises the overlap of tasks; the server never gives a task twice to one person."""
        changed = 0
        for task in self._server.tasks_by_key(self._project_id, "pair_key", people_of):
            wanted = people_of[task.data["pair_key"]]
            if task.overlap >= wanted:
                continue
            people = {answer.get("completed_by") for answer in task.annotations}
            with self._server.clear_errors():
                # The server works out `is_labeled` anew only when somebody answers.
                self._server.client.tasks.update(
                    str(task.id), overlap=wanted, is_labeled=len(people) >= wanted
                )
            changed += 1
        return changed

    def _renew_links(self) -> None:
        if not self._photos.can_expire:
            return
        renewed = 0
        waiting = [condition("completed_at", "empty", "Datetime", "True")]
        for task in list(self._server.tasks(self._project_id, waiting)):
            links = {
                f"photo_{side}": self._photos.address(task.data[f"sha256_{side}"])
                for side in "ab"
                if self._photos.is_expiring(task.data.get(f"photo_{side}", ""))
            }
            if links:
                with self._server.clear_errors():
                    self._server.client.tasks.update(str(task.id), data=task.data | links)
                renewed += 1
        if renewed:
            log.info("renewed the links of %d questions", renewed)


def _with_email(annotation: dict[str, Any], emails: dict[int, str]) -> dict[str, Any]:
    person = annotation.get("completed_by")
    known = {"id": person, "email": emails[person]} if person in emails else person
    return annotation | {"completed_by": known}
