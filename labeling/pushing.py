"""Puts tasks into a project once each, whatever happens on the way; knows not what they ask."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from labeling.server import Server, in_batches
from photosearch.errors import LabelingRefused, LabelingUnavailable
from photosearch.progress import track

TASKS_AN_IMPORT = 1000
WAITS_S = (2.0, 10.0, 30.0)
"""Before an import whose fate is unknown is looked up and its rest is pushed again."""

log = logging.getLogger(__name__)


def push_once(
    server: Server,
    project_id: int,
    tasks: list[dict[str, Any]],
    *,
    key: str,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Imports tasks in their order; those that are there must have been left out already.

    Tasks have no unique key. So an import that failed is not sent again blindly: the server is
    asked what arrived, only the rest is sent, and should a slow server have finished the first
    import meanwhile, twins without answers are removed.

    Args:
        server: Where to.
        project_id: Of which project.
        tasks: In order of worth.
        key: The name in `data` that tells tasks apart.
        sleep: Waits between tries.

    Raises:
        LabelingRefused: The server refuses what we send, or us.
        LabelingUnavailable: It still fails after the last try; running again goes on from there.
    """
    batches = in_batches(tasks, TASKS_AN_IMPORT)
    for batch in track(batches, "importing thousands of tasks", len(batches)):
        is_doubtful = False
        for wait_s in (*WAITS_S, None):
            try:
                missing = _missing(server, project_id, batch, key=key) if is_doubtful else batch
                _import(server, project_id, missing)
                break
            except LabelingRefused:
                raise
            except LabelingUnavailable as error:
                is_doubtful = True
                if wait_s is None:
                    raise
                log.warning("%s Trying again in %.0f s.", error, wait_s)
                sleep(wait_s)
        if is_doubtful:
            remove_twins(server, project_id, [task["data"][key] for task in batch], key=key)


def remove_twins(server: Server, project_id: int, keys: list[str], *, key: str) -> int:
    """Of tasks with one key, keeps the first and whatever was answered; returns those removed."""
    of_key: dict[str, list[Any]] = defaultdict(list)
    for task in server.tasks_by_key(project_id, key, keys):
        of_key[task.data[key]].append(task)
    twins = [
        task
        for same in of_key.values()
        for task in sorted(same, key=lambda task: (not task.annotations, task.id))[1:]
        if not task.annotations
    ]
    with server.clear_errors():
        for task in twins:
            server.client.tasks.delete(str(task.id))
    if twins:
        log.warning("removed %d tasks that a slow server had imported twice", len(twins))
    return len(twins)


def _missing(
    server: Server, project_id: int, batch: list[dict[str, Any]], *, key: str
) -> list[dict[str, Any]]:
    keys = [task["data"][key] for task in batch]
    there = {task.data[key] for task in server.tasks_by_key(project_id, key, keys)}
    return [task for task in batch if task["data"][key] not in there]


def _import(server: Server, project_id: int, tasks: list[dict[str, Any]]) -> None:
    if not tasks:
        return
    with server.clear_errors():
        server.client.projects.import_tasks(
            project_id, request=tasks, request_options=server.no_retry
        )
