"""Votes in, one label a pair out: Dawid-Skene, which weighs people by how often they are right.

Knows nothing of where votes come from.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from labeling.votes import last_votes
from photosearch.catalog.schemas import Answer, Label, Vote

PRIOR_RIGHT, PRIOR_WRONG = 4, 1
"""Before anything is known of a person: right in 4 of 5 answers, of either kind. Without a prior,
one person's first vote would count as certain."""
ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Annotator:
    """How somebody answers."""

    name: str
    votes: int
    """Answers other than "cannot tell"."""
    unclear: int
    gold_asked: int
    """Gold pairs answered other than "cannot tell"."""
    gold_right: int
    accuracy: float
    """As Dawid-Skene sees it, gold included: the mean over both answers, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Consensus:
    labels: list[Label]
    """Sorted by pair; gold pairs too, with the answer that was known."""
    annotators: list[Annotator]
    """Sorted by name."""


def consensus_of(votes: Iterable[Vote], *, decided_at: float) -> Consensus:
    """Makes a label of each pair that somebody answered.

    A label is `unclear` while the probability of either answer is below `decided_at`, or nobody
    decided.

    Source: Dawid and Skene 1979, "Maximum Likelihood Estimation of Observer Error-Rates Using the
    EM Algorithm", as in crowd-kit.
    """
    last = last_votes(votes)
    decided = [vote for vote in last if vote.answer != "unclear"]
    gold = {vote.pair_id: vote.gold for vote in last if vote.gold is not None}
    probability_of, accuracy_of = _dawid_skene(decided, gold)
    of_pair: dict[str, list[Vote]] = defaultdict(list)
    of_person: dict[str, list[Vote]] = defaultdict(list)
    for vote in last:
        of_pair[vote.pair_id].append(vote)
        of_person[vote.annotator].append(vote)
    return Consensus(
        [
            _label(of_pair[pair_id], probability_of.get(pair_id, 0.5), decided_at)
            for pair_id in sorted(of_pair)
        ],
        [_annotator(name, of_person[name], accuracy_of) for name in sorted(of_person)],
    )


def pairs_wanting_votes(
    labels: Sequence[Label], votes: Sequence[Vote], *, votes_most: int, votes_budget: int
) -> dict[str, int]:
    """Undecided pairs and of how many people each should be asked in all: one more than so far.

    The least sure come first where the budget does not suffice for all.

    Args:
        labels: Of one project.
        votes: Of the same project; those who cannot tell count as asked.
        votes_most: No pair is asked of more people.
        votes_budget: Votes in all, of this project.
    """
    people: dict[str, set[str]] = defaultdict(set)
    gold = {vote.pair_id for vote in votes if vote.gold is not None}
    for vote in votes:
        people[vote.pair_id].add(vote.annotator)
    undecided = [
        label
        for label in labels
        if label.answer == "unclear"
        and label.pair_id not in gold
        and len(people[label.pair_id]) < votes_most
    ]
    undecided.sort(key=lambda label: (abs(label.probability_same - 0.5), label.pair_id))
    left = max(0, votes_budget - len(votes))
    return {label.pair_id: len(people[label.pair_id]) + 1 for label in undecided[:left]}


def _dawid_skene(
    decided: Sequence[Vote], gold: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Probability of `same` by pair, and accuracy by person."""
    if not decided:
        return {}, {}
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    rows = [(vote.pair_id, vote.annotator, vote.answer) for vote in decided]
    known: dict[str, str] = dict(gold)
    for person in sorted({vote.annotator for vote in decided}):
        for task, truth, said in _prior(person):
            rows.append((task, person, said))
            known[task] = truth
    frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
    with warnings.catch_warnings():
        # crowd-kit 1.4 calls pandas with keywords that pandas 4 will drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = DawidSkene(n_iter=ROUNDS).fit(frame, true_labels=pd.Series(known))
    # The types of single cells of a frame are too loose to help: `Any` says so once.
    probabilities: Any = cast(Any, model.probas_)["same"]
    errors: Any = model.errors_
    accuracy = {
        person: (
            errors.at[(person, "same"), "same"] + errors.at[(person, "different"), "different"]
        )
        / 2
        for person in {vote.annotator for vote in decided}
    }
    return (
        {vote.pair_id: float(probabilities[vote.pair_id]) for vote in decided},
        {person: float(value) for person, value in accuracy.items()},
    )


def _prior(person: str) -> list[tuple[str, str, Answer]]:
    """Pretended gold votes: the prior as data, for crowd-kit uses its own only in its first round.

    Rows of task, truth and what the person said.
    """
    both: tuple[tuple[Answer, Answer], ...] = (("same", "different"), ("different", "same"))
    return [
        (f"prior {person} {truth} {n}", truth, truth if n < PRIOR_RIGHT else other)
        for truth, other in both
        for n in range(PRIOR_RIGHT + PRIOR_WRONG)
    ]


def _label(votes: Sequence[Vote], probability_same: float, decided_at: float) -> Label:
    first = votes[0]
    answer: Answer = "unclear"
    if first.gold is not None:
        answer, probability_same = first.gold, float(first.gold == "same")
    elif probability_same >= decided_at:
        answer = "same"
    elif 1 - probability_same >= decided_at:
        answer = "different"
    return Label(
        pair_id=first.pair_id,
        photo_a=first.photo_a,
        photo_b=first.photo_b,
        answer=answer,
        probability_same=round(probability_same, 6),
        votes=len(votes),
        annotators=sorted(vote.annotator for vote in votes),
        project=first.project,
        answered_at=max(vote.answered_at for vote in votes),
    )


def _annotator(name: str, votes: Sequence[Vote], accuracy_of: Mapping[str, float]) -> Annotator:
    decided = [vote for vote in votes if vote.answer != "unclear"]
    on_gold = [vote for vote in decided if vote.gold is not None]
    prior = PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG)
    return Annotator(
        name,
        votes=len(decided),
        unclear=len(votes) - len(decided),
        gold_asked=len(on_gold),
        gold_right=sum(vote.answer == vote.gold for vote in on_gold),
        accuracy=round(accuracy_of.get(name, prior), 4),
    )
