"""Reads votes out of annotated tasks: who said what of which pair, and when.

Answers of people and of simulated annotators take the same way through here.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from labeling.questions import Task
from photosearch.catalog.schemas import Answer, Vote

ANSWERS: dict[str, Answer] = {"same": "same", "different": "different", "cannot tell": "unclear"}
"""What the choices of `pair_task.xml` mean, by alias."""

log = logging.getLogger(__name__)


def votes_of(tasks: Iterable[Task], *, project: str) -> tuple[set[str], list[Vote]]:
    """The pairs of `tasks` that are questions of ours, and every vote on them.

    Whatever is not a vote for `same` or `different` is undecided: skipped, "cannot tell", and
    malformed answers, which are logged. A task without a pair, or an answer of nobody, is left out
    and logged: somebody made it by hand.
    """
    seen: set[str] = set()
    votes: list[Vote] = []
    for task in tasks:
        data = task.get("data") or {}
        if not {"pair_key", "photo_id_a", "photo_id_b"} <= data.keys():
            log.warning("task %s of %s is not a question of ours", task.get("id"), project)
            continue
        seen.add(data["pair_key"])
        cast = [_vote(data, answer, project) for answer in task.get("annotations") or []]
        votes += [vote for vote in cast if vote is not None]
    return seen, sorted(votes, key=_order)


def replaced_votes(
    old: Iterable[Vote], new: Iterable[Vote], *, project: str, seen: set[str] | None
) -> list[Vote]:
    """Votes after a poll: those of pairs that were read again give way, deleted ones vanish.

    Args:
        old: Of every project.
        new: Of this poll.
        project: Of this poll.
        seen: The pairs that were read; None if all were, so that whole tasks may be gone.
    """
    kept = [
        vote
        for vote in old
        if vote.project != project or (seen is not None and vote.pair_id not in seen)
    ]
    return sorted([*kept, *new], key=_order)


def last_votes(votes: Iterable[Vote]) -> list[Vote]:
    """Only the last answer of a person to a pair."""
    last: dict[tuple[str, str, str], Vote] = {}
    for vote in sorted(votes, key=lambda vote: vote.answered_at):
        last[vote.project, vote.pair_id, vote.annotator] = vote
    return sorted(last.values(), key=_order)


def _order(vote: Vote) -> tuple[str, str, str, str]:
    return vote.project, vote.pair_id, vote.annotator, vote.answered_at


def _vote(data: dict[str, Any], annotation: Any, project: str) -> Vote | None:
    pair_id = data["pair_key"]
    try:
        person = _person(annotation["completed_by"])
        at = datetime.fromisoformat(annotation.get("updated_at") or annotation["created_at"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("pair %s: an answer without person or time is left out: %r", pair_id, error)
        return None
    answer: Answer | None = "unclear"
    if not annotation.get("was_cancelled"):
        answer = _answer(annotation.get("result"))
        if answer is None:
            log.warning("pair %s: a malformed answer of %s counts as undecided", pair_id, person)
    at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    probability = data.get("probability_same")
    return Vote(
        pair_id=pair_id,
        photo_a=data["photo_id_a"],
        photo_b=data["photo_id_b"],
        annotator=person,
        answer=answer or "unclear",
        answered_at=at.isoformat(timespec="microseconds"),
        project=project,
        is_blind=bool(data.get("is_blind", True)),
        probability_model=None if probability is None else float(probability),
        gold=data.get("gold") or None,
    )


def _person(completed_by: Any) -> str:
    """Email of a person, else the number; the server gives either."""
    who = completed_by
    if isinstance(completed_by, dict):
        who = completed_by.get("email") or completed_by["id"]
    if who is None or isinstance(who, bool) or not str(who).strip():
        raise ValueError(f"nobody answered: completed_by is {completed_by!r}")
    return str(who)


def _answer(result: Any) -> Answer | None:
    """The choice named `answer`; None if there is not exactly one that we know."""
    try:
        (choice,) = [
            choice
            for region in result
            if region["from_name"] == "answer"
            for choice in region["value"]["choices"]
        ]
        return ANSWERS.get(choice)
    except (KeyError, TypeError, ValueError):
        return None
