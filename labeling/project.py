"""People in a Label Studio project: puts questions there once, reads what they answered.

The only file that speaks with the server; knows nothing of what an answer means.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx

from labeling.questions import Task, file_name_of, publish_images
from photosearch.errors import LabelingUnavailable
from photosearch.progress import track

TITLE = "Photosearch: same object?"
ANSWERS_A_QUESTION = 3
"""People who answer each question; odd, so that decided votes seldom tie."""
SUBFOLDER = "photosearch"
"""Label Studio serves a sub-folder of its document root, never the root itself."""
KEYS_A_REQUEST = 50  # they travel in the address, whose length is limited
TASKS_AN_IMPORT = 1000
TASKS_A_PAGE = 100

log = logging.getLogger(__name__)


class LabelStudio:
    """One project of a Label Studio server, created if it is not there."""

    def __init__(
        self, url: str, token: str, *, document_root: Path | None = None, timeout_s: float = 60.0
    ) -> None:
        """Connects, and makes the project what `pair_task.xml` says.

        Args:
            url: Address of the server.
            token: A personal access token, or a legacy one where the server allows these.
            document_root: The server's LOCAL_FILES_DOCUMENT_ROOT, at the same path on this
                machine; needed to show photos, not to read answers.
            timeout_s: Longest wait for one request.

        Raises:
            LabelingUnavailable: No server, not a Label Studio server, or the token is not accepted.
        """
        # Takes more than a second, most of it models of the whole API.
        from label_studio_sdk import LabelStudio as Client

        self._url = url.rstrip("/")
        self._document_root = document_root
        self._http = httpx.Client(timeout=timeout_s, follow_redirects=True)
        try:
            with self._clear_errors():
                # Its own types are too loose to help: `Any` says so once.
                self._client: Any = cast(Any, Client)(
                    base_url=self._url, api_key=token, httpx_client=self._http
                )
                self._client.users.whoami()
                self._project_id = self._ensure_project()
        except BaseException:
            self._http.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    @property
    def project(self) -> str:
        """Address of the project: a title alone does not tell two servers apart."""
        return f"{self._url}/projects/{self._project_id}"

    def image_address(self, sha256: str) -> str:
        """Address on the server itself, so the browser sends its session along."""
        return f"/data/local-files/?d={SUBFOLDER}/{file_name_of(sha256)}"

    def show(self, images_dir: Path, sha256s: Iterable[str]) -> None:
        """Puts photos under the document root and lets the project serve them.

        Raises:
            LabelingUnavailable: No document root is known, or the server does not serve it.
            UnreadablePhoto: A photo is not in `images_dir`.
        """
        if self._document_root is None:
            raise LabelingUnavailable(
                f"Photos cannot be shown at {self._url}: its document root is not known. Set "
                "PHOTOSEARCH_LABEL_STUDIO_DOCUMENT_ROOT to the folder that the server has as "
                "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."
            )
        folder = self._document_root.resolve() / SUBFOLDER
        added = publish_images(images_dir, folder, sha256s=sha256s)
        log.info("published %d photos in %s", added, folder)
        with self._clear_errors():
            self._ensure_storage(folder)

    def already_asked(self, pair_ids: Iterable[str]) -> set[str]:
        """Pairs that have a task; the server is asked, for it alone knows after a killed run."""
        wanted = sorted(set(pair_ids))
        found: set[str] = set()
        with self._clear_errors():
            for keys in _in_batches(wanted, KEYS_A_REQUEST):
                condition = _condition("data.pair_key", "in_list", "List", keys)
                found |= {task.data["pair_key"] for task in self._tasks([condition], "task_only")}
        return found

    def ask(self, questions: list[Task]) -> None:
        """Imports questions as tasks; ask `already_asked` first, for tasks have no unique key."""
        batches = _in_batches(questions, TASKS_AN_IMPORT)
        with self._clear_errors():
            for batch in track(batches, "importing thousands of tasks", len(batches)):
                self._client.projects.import_tasks(self._project_id, request=batch)

    def answered(self, since: datetime | None) -> Iterator[Task]:
        """Yields tasks that enough people answered, with annotators by email.

        A task of which an answer was corrected counts as changed.
        """
        conditions = [_condition("completed_at", "empty", "Datetime", "False")]
        if since is not None:
            # The importing, each answer and each correction touch it; `completed_at` only the last.
            moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            conditions.append(_condition("updated_at", "greater", "Datetime", moment))
        with self._clear_errors():
            emails = {user.id: user.email for user in self._client.users.list()}
            for task in self._tasks(conditions, "all"):
                annotations = [_with_email(answer, emails) for answer in task.annotations]
                yield {"id": task.id, "data": task.data, "annotations": annotations}

    def _tasks(self, conditions: list[dict[str, Any]], fields: str) -> Iterator[Any]:
        query = json.dumps({"filters": {"conjunction": "and", "items": conditions}})
        return iter(
            self._client.tasks.list(
                project=self._project_id, query=query, fields=fields, page_size=TASKS_A_PAGE
            )
        )

    def _ensure_project(self) -> int:
        # Stripped as the server does, or each run would find it changed.
        config = Path(__file__).with_name("pair_task.xml").read_text().strip()
        # The server looks for titles that contain this one.
        namesakes = [p for p in self._client.projects.list(title=TITLE) if p.title == TITLE]
        if not namesakes:
            made = self._client.projects.create(
                title=TITLE, label_config=config, maximum_annotations=ANSWERS_A_QUESTION
            )
            log.info("created project %r at %s/projects/%d", TITLE, self._url, made.id)
            return int(made.id)
        project = min(namesakes, key=lambda p: p.id)
        if (project.label_config, project.maximum_annotations) != (config, ANSWERS_A_QUESTION):
            self._client.projects.update(
                project.id, label_config=config, maximum_annotations=ANSWERS_A_QUESTION
            )
            log.info("updated project %r at %s/projects/%d", TITLE, self._url, project.id)
        return int(project.id)

    def _ensure_storage(self, folder: Path) -> None:
        storages = self._client.import_storage.local.list(project=self._project_id)
        if not any(storage.path == str(folder) for storage in storages):
            self._client.import_storage.local.create(
                project=self._project_id,
                path=str(folder),
                title="Photos of the questions",
                use_blob_urls=True,
                # Matches no file: "Sync" in the page would make a task of every photo.
                regex_filter="^$",
            )

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:
            raise LabelingUnavailable(self._complaint(error.status_code, error.body)) from error
        except httpx.HTTPError as error:
            raise LabelingUnavailable(
                f"Label Studio at {self._url} does not answer ({type(error).__name__}: {error}). "
                "Start it, or mend PHOTOSEARCH_LABEL_STUDIO_URL."
            ) from error

    def _complaint(self, status: int | None, body: Any) -> str:
        if status in (401, 403):
            return (
                f"Label Studio at {self._url} does not accept the token (HTTP {status}). Make a "
                "personal access token under Account & Settings there, and put it into "
                "PHOTOSEARCH_LABEL_STUDIO_TOKEN."
            )
        said = body.get("validation_errors") or body.get("detail") if isinstance(body, dict) else ""
        if not said:
            return (
                f"What answers at {self._url} is not Label Studio's API (HTTP {status}). "
                "Mend PHOTOSEARCH_LABEL_STUDIO_URL."
            )
        return (
            f"Label Studio at {self._url} refused a request (HTTP {status}): {said}. "
            "Mend what it names and run again; questions already there are not asked twice."
        )


def _condition(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _with_email(annotation: dict[str, Any], emails: dict[int, str]) -> dict[str, Any]:
    person = annotation.get("completed_by")
    known = {"id": person, "email": emails[person]} if person in emails else person
    return annotation | {"completed_by": known}


def _in_batches(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
