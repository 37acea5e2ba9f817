"""One round of labelling: asks what was never asked, collects answers, makes labels of them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labeling.agreement import Agreement, agreement_of, write_report
from labeling.consensus import Annotator, consensus_of, pairs_wanting_votes
from labeling.questions import Annotators, Task, questions_for, read_asked, record_asked
from labeling.simulated import PROJECT as SIMULATED
from labeling.votes import last_votes, replaced_votes, votes_of
from photosearch.catalog.schemas import Card, Label, Pair, Vote
from photosearch.catalog.tables import read_rows, write_table
from photosearch.settings import LabelsParams

REREAD = timedelta(hours=1)
"""Answers are read again from so long before the last one known: a server under load may commit
an older answer after a newer one."""
GOLD_PEOPLE = 1000
"""Everybody is asked the gold pairs."""

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
    votes: Path
    """Written: every answer, of every project."""
    labels: Path
    """Written: labels, sorted by pair."""
    report: Path
    """Written: how well people agree, markdown."""


@dataclass(frozen=True, slots=True)
class LabelReport:
    project: str
    asked: int
    """Questions put in this run."""
    already_asked: int
    answered: int
    """Labels that are new, changed or gone by this run."""
    same: int
    """Like the next ones: of all labels this project gave so far."""
    different: int
    unclear: int
    annotators: list[Annotator]
    more_votes: int
    """Undecided pairs that were given to one more person in this run."""
    agreement: Agreement


def ask_and_collect(
    files: LabelFiles, annotators: Annotators, *, params: LabelsParams
) -> LabelReport:
    """Asks about pairs that were never asked, and makes labels of whatever was answered so far.

    A second run asks nothing and changes nothing, unless somebody answered in between. A run that
    is killed loses nothing: votes and labels are kept before the record says that their pairs were
    asked, and the server knows which of them it has.

    Raises:
        LabelingUnavailable: The annotators cannot be reached.
        BadData: Pairs and cards do not belong together.
        UnreadablePhoto: A photo of a pair is gone.
    """
    pairs = read_rows(files.pairs, Pair)
    already, fresh = _ask(files, annotators, pairs, blind_share=params.blind_share)
    votes = _collect_votes(files.votes, annotators)
    ours = [vote for vote in votes if vote.project == annotators.project]
    consensus = consensus_of(ours, decided_at=params.decided_at)
    changed = _keep_labels(files.labels, consensus.labels, project=annotators.project)
    wanted = pairs_wanting_votes(
        consensus.labels,
        last_votes(ours),
        votes_most=params.votes_most,
        votes_budget=params.votes_budget,
    )
    gold = {pair.pair_id: GOLD_PEOPLE for pair in pairs if pair.gold is not None}
    more = annotators.want_votes(gold | wanted)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    asked = {pair.pair_id for pair in pairs}
    record_asked(files.asked, asked, project=annotators.project, asked_at=now)
    agreement = agreement_of(last_votes(ours))
    write_report(files.report, annotators.project, consensus, agreement)
    answers = [label.answer for label in consensus.labels]
    return LabelReport(
        project=annotators.project,
        asked=len(fresh),
        already_asked=len(already),
        answered=changed,
        same=answers.count("same"),
        different=answers.count("different"),
        unclear=answers.count("unclear"),
        annotators=consensus.annotators,
        more_votes=more,
        agreement=agreement,
    )


def _ask(
    files: LabelFiles, annotators: Annotators, pairs: list[Pair], *, blind_share: float
) -> tuple[set[str], list[Task]]:
    """Puts what was never asked; returns what was, and the new questions.

    A pair that is on record is not asked again although its task may be gone: somebody who deletes
    a task does not want to see it again.
    """
    pair_ids = {pair.pair_id for pair in pairs}
    recorded = {row.pair_id for row in read_asked(files.asked) if row.project == annotators.project}
    already = (recorded & pair_ids) | annotators.already_asked(pair_ids - recorded)
    cards = {card.card_id: card for card in read_rows(files.cards, Card)}
    questions = questions_for(
        pairs, cards=cards, image_address=annotators.image_address, blind_share=blind_share
    )
    if pairs:
        annotators.show(files.images, {h for pair in pairs for h in (pair.sha256_a, pair.sha256_b)})
    fresh = [question for question in questions if question["data"]["pair_key"] not in already]
    annotators.ask(fresh)
    return already, fresh


def _collect_votes(path: Path, annotators: Annotators) -> list[Vote]:
    before = read_rows(path, Vote) if path.exists() else []
    project = annotators.project
    times = [vote.answered_at for vote in before if vote.project == project]
    since = datetime.fromisoformat(max(times)) - REREAD if times else None
    seen, new = votes_of(annotators.answered(since), project=project)
    votes = replaced_votes(before, new, project=project, seen=seen)
    there = annotators.n_answers()
    if there is not None and since is not None and there != _count(votes, project):
        log.info("%s holds %d answers, we know %d: reading all again", project, there,
                 _count(votes, project))  # fmt: skip
        _, new = votes_of(annotators.answered(None), project=project)
        votes = replaced_votes(before, new, project=project, seen=None)
    if votes != before or not path.exists():
        write_table(path, Vote, votes)
    return votes


def _count(votes: Sequence[Vote], project: str) -> int:
    return sum(vote.project == project for vote in votes)


def _keep_labels(path: Path, labels: list[Label], *, project: str) -> int:
    """Writes the labels if they changed; returns how many are new, changed or gone."""
    before = read_rows(path, Label) if path.exists() else []
    after = merge_labels(before, labels, project=project)
    known = {label.pair_id: label for label in before}
    now = {label.pair_id: label for label in after}
    changed = sum(known.get(pair_id) != now.get(pair_id) for pair_id in known | now)
    if changed or not path.exists():
        write_table(path, Label, after)
    return changed


def merge_labels(old: list[Label], new: list[Label], *, project: str) -> list[Label]:
    """One label a pair, sorted by pair: what one project says now, over what others said.

    Between projects the later answer stays, and people's always before simulated ones.
    """
    merged = {label.pair_id: label for label in old if label.project != project}
    for label in new:
        known = merged.get(label.pair_id)
        if known is None or _weight(label) > _weight(known):
            merged[label.pair_id] = label
    return [merged[pair_id] for pair_id in sorted(merged)]


def _weight(label: Label) -> tuple[bool, datetime]:
    return label.project != SIMULATED, datetime.fromisoformat(label.answered_at)
