"""Pretended people who answer "same product?"; they know the truth and sometimes err."""

from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.dice import digest, share

ANNOTATORS = tuple(f"simulated-{n}@photosearch" for n in (1, 2, 3))
"""The names say it: nobody should take these answers for people's."""
ERROR_SHARE = 0.03
UNSURE_SHARE = 0.02
MAX_TASKS = 10_000

FIRST_DAY = datetime(2025, 1, 6, 9, tzinfo=UTC)


class BadTask(Exception):
    """A task that cannot be answered; the message names it and says what it needs."""


def annotate(seed: int, tasks: object) -> list[dict[str, Any]]:
    """Answers tasks in the export format of Label Studio.

    Args:
        tasks: Each `{"data": {"pair_key", "group_a", "group_b", ...}}`; equal groups mean the same
            product, in whatever catalogue they come from.

    Returns:
        The same tasks, each with the `annotations` of all annotators.

    Raises:
        BadTask: Not a list of such tasks, or too many.
    """
    if not isinstance(tasks, list):
        raise BadTask("`tasks` must be a list of Label Studio tasks.")
    if len(tasks) > MAX_TASKS:
        raise BadTask(f"{len(tasks)} tasks are more than {MAX_TASKS}. Send them in parts.")
    return [_annotated(seed, task, place) for place, task in enumerate(tasks)]


def answer(seed: int, annotator: str, pair_key: str, *, is_same: bool) -> str:
    """`same`, `different` or `cannot tell`: always the same answer to the same pair."""
    luck = share(seed, "answer", annotator, pair_key)
    if luck < UNSURE_SHARE:
        return "cannot tell"
    is_mistaken = luck < UNSURE_SHARE + ERROR_SHARE
    return "same" if is_same != is_mistaken else "different"


def _annotated(seed: int, task: object, place: int) -> dict[str, Any]:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(data, dict):
        raise BadTask(f'Task {place} has no `data`. Send {{"data": {{"pair_key": ...}}}}.')
    values = {key: data.get(key) for key in ("pair_key", "group_a", "group_b")}
    for key, value in values.items():
        if not isinstance(value, str) or not value:
            raise BadTask(f"Task {place}: `{key}` is {value!r}. It must be a non-empty string.")
    pair_key = str(values["pair_key"])
    is_same = values["group_a"] == values["group_b"]
    annotations = [
        _annotation(seed, annotator, pair_key, is_same=is_same) for annotator in ANNOTATORS
    ]
    return {**task, "annotations": annotations}


def _annotation(seed: int, annotator: str, pair_key: str, *, is_same: bool) -> dict[str, Any]:
    seconds = digest("answered at", annotator, pair_key) % (60 * 86_400)
    choice = answer(seed, annotator, pair_key, is_same=is_same)
    return {
        "completed_by": {"email": annotator},
        "created_at": (FIRST_DAY + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "result": [
            {
                "from_name": "answer",
                "to_name": "photo_a",
                "type": "choices",
                "value": {"choices": [choice]},
            }
        ],
    }
