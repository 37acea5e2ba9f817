"""A connection to a Label Studio server: its errors in words, and patience while it is busy.

The only file that makes a client; knows nothing of pairs or boxes.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, cast

import httpx

from photosearch.errors import LabelingRefused, LabelingUnavailable

BUSY = (408, 409, 429)
"""Statuses that say nothing against what was sent."""
TASKS_A_PAGE = 500
WEBHOOK_SECRET_HEADER = "X-Photosearch-Secret"
ANSWERED = ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]
KEYS_A_REQUEST = 150  # they travel in the address, which servers cut at 8 KB
PROJECT_DEFAULTS = {"show_collab_predictions": True, "sampling": "Sequential sampling"}
"""Tasks are served in the order in which they were pushed, with the model's opinion if they have
one."""

log = logging.getLogger(__name__)


class Server:
    """A server that accepted our token.

    Reading is retried by the client itself on 408, 409, 429 and 5xx, and by the transport where
    no connection could be made. What creates rows must not be: see `no_retry`.
    """

    no_retry: ClassVar = {"max_retries": 0}
    """Request options of a call that would create its rows twice."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 60.0) -> None:
        """Connects.

        Args:
            url: Address of the server.
            token: A personal access token, or a legacy one where the server allows these.
            timeout_s: Longest wait for one request.

        Raises:
            LabelingUnavailable: No server, not a Label Studio server, or the token is not accepted.
        """
        # Takes more than a second, most of it models of the whole API.
        from label_studio_sdk import LabelStudio as Client

        self.url = url.rstrip("/")
        self._http = httpx.Client(
            timeout=timeout_s, follow_redirects=True, transport=httpx.HTTPTransport(retries=2)
        )
        try:
            with self.clear_errors():
                # Its own types are too loose to help: `Any` says so once.
                self.client: Any = cast(Any, Client)(
                    base_url=self.url, api_key=token, httpx_client=self._http
                )
                self.client.users.whoami()
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
        self.close()

    def close(self) -> None:
        self._http.close()

    def ensure_project(self, title: str, *, config_file: Path, votes_first: int) -> int:
        """Creates a project or brings the one of that title up to date; returns its number."""
        # Stripped as the server does, or each run would find it changed.
        wanted = PROJECT_DEFAULTS | {
            "label_config": config_file.read_text().strip(),
            "maximum_annotations": votes_first,
        }
        with self.clear_errors():
            # The server looks for titles that contain this one.
            namesakes = [p for p in self.client.projects.list(title=title) if p.title == title]
            if not namesakes:
                made = self.client.projects.create(
                    title=title, request_options=self.no_retry, **wanted
                )
                log.info("created project %r at %s/projects/%d", title, self.url, made.id)
                return int(made.id)
            project = min(namesakes, key=lambda p: p.id)
            if any(getattr(project, name) != value for name, value in wanted.items()):
                self.client.projects.update(project.id, **wanted)
                log.info("updated project %r at %s/projects/%d", title, self.url, project.id)
            return int(project.id)

    def tasks(
        self,
        project_id: int,
        conditions: list[dict[str, Any]],
        *,
        any_of: bool = False,
        with_answers: bool = True,
    ) -> Iterator[Any]:
        """Yields tasks, page by page.

        Args:
            project_id: Of which project.
            conditions: Made by `condition`; none means all tasks.
            any_of: Whether one of the conditions is enough.
            with_answers: Whether their annotations are wanted; without them it is faster.
        """
        query = {"filters": {"conjunction": "or" if any_of else "and", "items": conditions}}
        with self.clear_errors():  # the first page comes with the call, the others while we read
            yield from self.client.tasks.list(
                project=project_id,
                query=json.dumps(query),
                fields="all" if with_answers else "task_only",
                page_size=TASKS_A_PAGE,
            )

    def tasks_by_key(
        self, project_id: int, column: str, keys: Iterable[str], *, with_answers: bool = True
    ) -> Iterator[Any]:
        """Yields the tasks whose `data.column` is one of `keys`."""
        for batch in in_batches(sorted(set(keys)), KEYS_A_REQUEST):
            named = [condition(f"data.{column}", "in_list", "List", batch)]
            yield from self.tasks(project_id, named, with_answers=with_answers)

    def emails(self) -> dict[int, str]:
        """Email by user number."""
        with self.clear_errors():
            return {user.id: user.email for user in self.client.users.list()}

    def annotations_in(self, project_id: int) -> int:
        """Answers that the project holds, skipped ones too."""
        with self.clear_errors():
            project = self.client.projects.get(project_id)
        return int(project.total_annotations_number) + int(project.skipped_annotations_number)

    def ensure_storage(self, project_id: int, folder: Path) -> None:
        """Lets members of the project see files of a folder inside the server's document root."""
        with self.clear_errors():
            storages = self.client.import_storage.local.list(project=project_id)
            if any(storage.path == str(folder) for storage in storages):
                return
            self.client.import_storage.local.create(
                project=project_id,
                path=str(folder),
                title="Photos of the questions",
                use_blob_urls=True,
                # Matches no file: "Sync" in the page would make a task of every photo.
                regex_filter="^$",
                request_options=self.no_retry,
            )

    def ensure_webhook(self, project_id: int, url: str, secret: str) -> None:
        """Has the server call `url` when somebody answers, corrects or deletes an answer."""
        wanted = {
            "headers": {WEBHOOK_SECRET_HEADER: secret},
            "actions": ANSWERED,
            "send_for_all_actions": False,
            "send_payload": False,
            "is_active": True,
        }
        with self.clear_errors():
            known = self.client.webhooks.list(project=str(project_id))
            for webhook in known:
                if webhook.url == url:
                    self.client.webhooks.update(webhook.id, url=url, **wanted)
                    return
            self.client.webhooks.create(
                url=url, project=project_id, request_options=self.no_retry, **wanted
            )

    @contextmanager
    def clear_errors(self) -> Iterator[None]:
        """Says in words what the server answered: LabelingRefused, or LabelingUnavailable."""
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:
            status = error.status_code
            is_passing = status is None or status in BUSY or status >= 500
            kind = LabelingUnavailable if is_passing else LabelingRefused
            raise kind(self._complaint(status, error.body)) from error
        except httpx.HTTPError as error:
            raise LabelingUnavailable(
                f"Label Studio at {self.url} does not answer ({type(error).__name__}: {error}). "
                "Start it, or mend PHOTOSEARCH_LABEL_STUDIO_URL."
            ) from error

    def _complaint(self, status: int | None, body: Any) -> str:
        said = body.get("validation_errors") or body.get("detail") if isinstance(body, dict) else ""
        if status == 403 and "reserved network address" in str(said):
            return (
                f"Label Studio at {self.url} calls no address inside a private network: {said}. "
                "Give it another PHOTOSEARCH_WEBHOOK_URL, or start it with "
                "SSRF_PROTECTION_ENABLED=false."
            )
        if status in (401, 403):
            return (
                f"Label Studio at {self.url} does not accept the token (HTTP {status}). Make a "
                "personal access token under Account & Settings there, and put it into "
                "PHOTOSEARCH_LABEL_STUDIO_TOKEN."
            )
        if status is not None and (status in BUSY or status in (500, 502, 503, 504)):
            return (
                f"Label Studio at {self.url} is too busy to answer (HTTP {status}). Run again "
                "later; questions already there are not asked twice."
            )
        if not said:
            return (
                f"What answers at {self.url} is not Label Studio's API (HTTP {status}). "
                "Mend PHOTOSEARCH_LABEL_STUDIO_URL."
            )
        return (
            f"Label Studio at {self.url} refused a request (HTTP {status}): {said}. "
            "Mend what it names and run again; questions already there are not asked twice."
        )


def condition(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    """A filter on tasks, in the server's terms."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def changed_since(since: datetime) -> dict[str, Any]:
    """Tasks that were imported, or of which an answer was given, corrected or deleted, after it."""
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return condition("updated_at", "greater", "Datetime", moment)


def in_batches(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
