"""Turns people's answers into labels: one vote a person, the majority of decided votes.

Answers of people and of simulated annotators take the same way through here.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from labeling.questions import Annotators, Task, questions_for, record_asked
from labeling.simulated import PROJECT as SIMULATED
from photosearch.catalog.schemas import Answer, Card, Label, Pair
from photosearch.catalog.tables import read_rows, read_table, write_table

ANSWERS: dict[str, Answer] = {"same": "same", "different": "different", "cannot tell": "unclear"}
"""What the choices of `pair_task.xml` mean, by alias."""
REREAD = timedelta(hours=1)
"""Answers are read again from so long before the last one known: a server under load may commit
an older answer after a newer one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """What labelling reads and writes."""

    pairs: Path
    cards: Path
    images: Path
    """Folder of content-addressed photos."""
    asked: Path
    """Written: pairs already asked."""
    labels: Path
    """Written: labels, sorted by pair."""


@dataclass(frozen=True, slots=True)
class LabelReport:
    project: str
    asked: int
    """Questions put in this run."""
    already_asked: int
    answered: int
    """Labels that are new or changed by this run."""
    same: int
    """Like the next ones: of all labels this project gave so far."""
    different: int
    unclear: int
    annotators: int


@dataclass(frozen=True, slots=True)
class _Vote:
    person: str
    answer: Answer
    at: datetime


def ask_and_collect(files: LabelFiles, annotators: Annotators) -> LabelReport:
    """Asks about pairs that were never asked, and keeps whatever was answered so far.

    A second run asks nothing and changes nothing, unless somebody answered in between. A run that
    is killed loses nothing: labels are kept before the record says that their pairs were asked.

    Raises:
        LabelingUnavailable: The annotators cannot be reached.
        BadData: Pairs and cards do not belong together.
        UnreadablePhoto: A photo of a pair is gone.
    """
    pairs = read_rows(files.pairs, Pair)
    questions = questions_for(
        pairs, groups=_groups(files.cards), image_address=annotators.image_address
    )
    pair_ids = {pair.pair_id for pair in pairs}
    already = annotators.already_asked(pair_ids)
    if pairs:
        annotators.show(files.images, {h for pair in pairs for h in (pair.sha256_a, pair.sha256_b)})
    fresh = [question for question in questions if question["data"]["pair_key"] not in already]
    annotators.ask(fresh)
    answered, labels = _collect(files.labels, annotators)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record_asked(files.asked, pair_ids, project=annotators.project, asked_at=now)
    ours = [label for label in labels if label.project == annotators.project]
    counts = Counter(label.answer for label in ours)
    return LabelReport(
        project=annotators.project,
        asked=len(fresh),
        already_asked=len(already),
        answered=answered,
        same=counts["same"],
        different=counts["different"],
        unclear=counts["unclear"],
        annotators=len({person for label in ours for person in label.annotators}),
    )


def labels_of(tasks: Iterable[Task], *, project: str) -> list[Label]:
    """Makes a label of each answered pair, sorted by pair.

    Whatever is not a vote for `same` or `different` is undecided: skipped, "cannot tell", and
    malformed answers, which are logged. A task without a pair, or without a usable answer, gives
    no label; the former is logged, since somebody made it by hand.
    """
    annotations: dict[str, list[Any]] = defaultdict(list)
    data_of: dict[str, dict[str, Any]] = {}
    for task in tasks:
        data = task.get("data") or {}
        if not {"pair_key", "photo_id_a", "photo_id_b"} <= data.keys():
            log.warning("task %s of %s is not a question of ours", task.get("id"), project)
            continue
        data_of[data["pair_key"]] = data
        annotations[data["pair_key"]] += task.get("annotations") or []
    labels = [_label(data_of[key], annotations[key], project) for key in sorted(data_of)]
    return [label for label in labels if label is not None]


def merge_labels(old: Iterable[Label], new: Iterable[Label]) -> list[Label]:
    """One label a pair, sorted by pair; no pair of either side is lost.

    What was just read replaces what the same project said before, even where its last answer is
    older: somebody took an answer back. Between projects the later answer stays, and people's
    always before simulated ones.
    """
    merged = {label.pair_id: label for label in old}
    for label in new:
        known = merged.get(label.pair_id)
        if known is None or known.project == label.project or _weight(label) > _weight(known):
            merged[label.pair_id] = label
    return [merged[pair_id] for pair_id in sorted(merged)]


def _collect(path: Path, annotators: Annotators) -> tuple[int, list[Label]]:
    before = read_rows(path, Label) if path.exists() else []
    times = [label.answered_at for label in before if label.project == annotators.project]
    since = datetime.fromisoformat(max(times)) - REREAD if times else None
    after = merge_labels(before, labels_of(annotators.answered(since), project=annotators.project))
    known = {label.pair_id: label for label in before}
    changed = sum(known.get(label.pair_id) != label for label in after)
    if changed or not path.exists():
        write_table(path, Label, after)
    return changed, after


def _label(data: dict[str, Any], annotations: list[Any], project: str) -> Label | None:
    cast = [_vote(annotation, data["pair_key"]) for annotation in annotations]
    last: dict[str, _Vote] = {}
    for vote in sorted((vote for vote in cast if vote is not None), key=lambda vote: vote.at):
        last[vote.person] = vote
    if not last:
        return None
    counts = Counter(vote.answer for vote in last.values())
    same, different = counts["same"], counts["different"]
    answer: Answer = "same" if same > different else "different"
    return Label(
        pair_id=data["pair_key"],
        photo_a=data["photo_id_a"],
        photo_b=data["photo_id_b"],
        answer="unclear" if same == different else answer,
        probability_same=same / (same + different) if same + different else 0.5,
        votes=same + different,
        annotators=sorted(last),
        project=project,
        answered_at=max(vote.at for vote in last.values()).isoformat(timespec="microseconds"),
    )


def _vote(annotation: Any, pair_id: str) -> _Vote | None:
    try:
        person = _person(annotation["completed_by"])
        at = datetime.fromisoformat(annotation.get("updated_at") or annotation["created_at"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("pair %s: an answer without person or time is left out: %r", pair_id, error)
        return None
    at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    if annotation.get("was_cancelled"):
        return _Vote(person, "unclear", at)
    answer = _answer(annotation.get("result"))
    if answer is None:
        log.warning("pair %s: a malformed answer of %s counts as undecided", pair_id, person)
    return _Vote(person, answer or "unclear", at)


def _person(completed_by: Any) -> str:
    """Email where it is known, else the id."""
    if isinstance(completed_by, (str, int)):
        return str(completed_by)
    return str(completed_by.get("email") or completed_by["id"])


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


def _weight(label: Label) -> tuple[bool, datetime]:
    return label.project != SIMULATED, datetime.fromisoformat(label.answered_at)


def _groups(cards: Path) -> dict[str, str]:
    table = read_table(cards, Card).select(["card_id", "group_id"])
    return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
