"""How well people agree with each other, with gold and with the model; with and without seeing it.

Knows nothing of where votes come from.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from labeling.consensus import Consensus
from photosearch.catalog.schemas import Vote
from photosearch.report import write_text


@dataclass(frozen=True, slots=True)
class Slice:
    """Agreement over some pairs; a share is None where nothing was there to compare."""

    pairs: int
    votes: int
    """Answers other than "cannot tell"."""
    with_model: float | None
    """Share of votes that say what the model believed."""
    with_each_other: float | None
    """Share of pairs of votes on one pair of photos that say the same."""


@dataclass(frozen=True, slots=True)
class Agreement:
    shown: Slice
    """Pairs asked with the model's opinion."""
    blind: Slice
    """Pairs asked without it, gold pairs aside."""
    gold_votes: int
    gold_right: int
    doubtful_gold: list[str]
    """Gold pairs that most people contradict: their known answer may be wrong."""


def agreement_of(votes: Sequence[Vote]) -> Agreement:
    """Compares votes, one a person and pair."""
    decided = [vote for vote in votes if vote.answer != "unclear"]
    gold: dict[str, list[bool]] = defaultdict(list)
    for vote in decided:
        if vote.gold is not None:
            gold[vote.pair_id].append(vote.answer == vote.gold)
    asked = [vote for vote in decided if vote.gold is None]
    return Agreement(
        shown=_slice([vote for vote in asked if not vote.is_blind]),
        blind=_slice([vote for vote in asked if vote.is_blind]),
        gold_votes=sum(len(right) for right in gold.values()),
        gold_right=sum(sum(right) for right in gold.values()),
        doubtful_gold=sorted(pair for pair, right in gold.items() if 2 * sum(right) < len(right)),
    )


def write_report(path: Path, project: str, consensus: Consensus, agreement: Agreement) -> None:
    """Writes what a person reads about the labels of a project, atomically."""
    answers = [label.answer for label in consensus.labels]
    lines = [
        f"# Labels of {project}",
        "",
        f"{len(answers)} pairs answered: {answers.count('same')} same, "
        f"{answers.count('different')} different, {answers.count('unclear')} undecided.",
        "",
        "## Does the model's opinion sway people?",
        "",
        "| asked | pairs | votes | agree with the model | agree with each other |",
        "|---|---|---|---|---|",
        _row("with the model's opinion", agreement.shown),
        _row("blind", agreement.blind),
        "",
        "## Annotators",
        "",
        "| annotator | votes | cannot tell | right on gold | accuracy by Dawid-Skene |",
        "|---|---|---|---|---|",
        *(
            f"| {one.name} | {one.votes} | {one.unclear} | {one.gold_right} of {one.gold_asked} "
            f"| {one.accuracy:.3f} |"
            for one in consensus.annotators
        ),
        "",
    ]
    if agreement.doubtful_gold:
        lines += [
            "Most people contradict these gold pairs; look at them: "
            + ", ".join(agreement.doubtful_gold),
            "",
        ]
    write_text(path, "\n".join(lines))


def _slice(votes: Sequence[Vote]) -> Slice:
    judged = [vote for vote in votes if vote.probability_model is not None]
    of_pair: dict[str, list[str]] = defaultdict(list)
    for vote in votes:
        of_pair[vote.pair_id].append(vote.answer)
    met = [a == b for answers in of_pair.values() for a, b in combinations(answers, 2)]
    return Slice(
        pairs=len(of_pair),
        votes=len(votes),
        with_model=_share([vote.answer == _belief(vote) for vote in judged]),
        with_each_other=_share(met),
    )


def _belief(vote: Vote) -> str:
    return "same" if (vote.probability_model or 0.0) >= 0.5 else "different"


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 4) if hits else None


def _row(name: str, part: Slice) -> str:
    shares = [
        "-" if share is None else f"{share:.1%}"
        for share in (part.with_model, part.with_each_other)
    ]
    return f"| {name} | {part.pairs} | {part.votes} | {shares[0]} | {shares[1]} |"
