"""What came of an experiment: metrics by arm, intervals that may be looked at daily, a verdict."""

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from photosearch.experiment_settings import Metric
from photosearch.feedback.experiments import Experiment
from photosearch.feedback.sequential import (
    Estimate,
    difference_interval,
    mismatch_p,
    ratio_estimate,
)
from photosearch.feedback.shopper_outcomes import Outcomes
from photosearch.report import save_report

State = Literal["not_to_be_trusted", "too_early", "undecided", "decided"]

METRICS: dict[Metric, tuple[str, str, str]] = {
    "answers_clicked": ("answers_clicked", "answers", "share of answers with a click"),
    "ctr": ("clicked", "seen", "clicks a card that came into view"),
    "first_click_s": ("first_click_s", "answers_clicked", "s to the first click of an answer"),
    "last_click_s": ("last_click_s", "answers_clicked", "s to the last click of an answer"),
    "view_s": ("view_s", "", "s that a shopper looks at cards"),
    "carts": ("carts", "", "share of shoppers with a card in the cart"),
    "purchases": ("purchases", "", "share of shoppers who buy"),
}
"""Sums over shoppers that are divided, none: by shoppers; and what it is."""


@dataclass(frozen=True, slots=True)
class Compared:
    """An arm's metric beside the control's."""

    metric: Metric
    what: str
    value: float | None
    """None: nobody did what it counts."""
    difference: float | None
    """From the control; None for the control itself, before there are shoppers enough, or where
    all shoppers of an arm do alike."""
    low: float | None
    """The interval of the difference that holds at all times at once."""
    high: float | None


@dataclass(frozen=True, slots=True)
class ArmReadout:
    arm: str
    shoppers: int
    """Answered at least once."""
    counted: int
    """Those whose windows are over."""
    expected_share: float
    releases: dict[str, int]
    """Answers by the release that gave them."""
    metrics: list[Compared]


@dataclass(frozen=True, slots=True)
class Readout:
    experiment: str
    read_at: str
    """UTC, ISO 8601."""
    primary: Metric
    alpha: float
    state: State
    verdict: str
    """For people."""
    mismatch_p: float
    """Of arms with shares as they should be; see `mismatch_alpha` of the rules."""
    moved: int
    """Shoppers whom two arms answered; left out."""
    arms: list[ArmReadout]


READOUT = TypeAdapter(Readout)

log = logging.getLogger(__name__)


def read_out(experiment: Experiment, done: Outcomes, *, now: datetime) -> Readout:
    """Compares each arm with the control.

    With several arms beside the control, each interval is wider, so that all of one metric hold
    together (Bonferroni). Only the primary metric decides; the others are each by themselves.

    Args:
        experiment: What was tried.
        done: What its shoppers did.
        now: When the log was read.
    """
    plan, rules = experiment.plan, experiment.rules
    weights = np.array([arm.weight for arm in plan.arms])
    shares = weights / weights.sum()
    uneven = mismatch_p(done.arms, shares, concentration=rules.mismatch_concentration)
    uneven_p = float(uneven[-1]) if len(uneven) else 1.0
    arms = [
        ArmReadout(
            arm=arm.name,
            shoppers=int((done.arms == place).sum()),
            counted=int((done.is_over & (done.arms == place)).sum()),
            expected_share=float(shares[place]),
            releases=done.releases.get(arm.name, {}),
            metrics=[compare(experiment, done, metric, place) for metric in METRICS],
        )
        for place, arm in enumerate(plan.arms)
    ]
    state, verdict = _judge(experiment, arms, uneven_p=uneven_p, moved=done.moved)
    return Readout(
        experiment=experiment.name,
        read_at=now.isoformat(),
        primary=rules.primary,
        alpha=rules.alpha,
        state=state,
        verdict=verdict,
        mismatch_p=uneven_p,
        moved=done.moved,
        arms=arms,
    )


def compare(experiment: Experiment, done: Outcomes, metric: Metric, arm: int) -> Compared:
    """One metric of one arm beside the control, which is arm 0."""
    rules, others = experiment.rules, len(experiment.plan.arms) - 1
    theirs, control = _estimate(done, metric, arm), _estimate(done, metric, 0)
    what = METRICS[metric][2]
    alone = Compared(metric, what, None if theirs is None else theirs.value, None, None, None)
    if arm == 0 or theirs is None or control is None:
        return alone
    is_enough = min(theirs.n, control.n) >= rules.shoppers_min
    if not is_enough or min(theirs.variance, control.variance) <= 0:
        return alone
    interval = difference_interval(
        control, theirs, alpha=rules.alpha / others, planned=rules.planned_shoppers
    )
    difference = theirs.value - control.value
    return Compared(metric, what, theirs.value, difference, interval.low, interval.high)


def _estimate(done: Outcomes, metric: Metric, arm: int) -> Estimate | None:
    above, below, _ = METRICS[metric]
    numerators = done.column(above, arm)
    return ratio_estimate(
        numerators, done.column(below, arm) if below else np.ones_like(numerators)
    )


def _judge(
    experiment: Experiment, arms: list[ArmReadout], *, uneven_p: float, moved: int
) -> tuple[State, str]:
    """What may be concluded, and why, in a sentence."""
    rules = experiment.rules
    if uneven_p < rules.mismatch_alpha:
        counts = ", ".join(f"{a.arm} {a.shoppers} ({a.expected_share:.1%} expected)" for a in arms)
        return "not_to_be_trusted", (
            f"Do not trust these numbers: the arms have not the shares they should have ({counts}; "
            f"p {uneven_p:.1e}). Some shoppers of one arm get lost, so those who stay are not "
            "alike. Find out where answers or log entries go missing, then start a new experiment."
        )
    if moved:
        return "not_to_be_trusted", (
            f"Do not trust these numbers: {moved} shoppers were answered by two arms. Services "
            "with different experiments write to this log. Serve one home, then start anew."
        )
    told = [(arm, _primary(arm, rules.primary)) for arm in arms[1:]]
    if any(one.low is None for _, one in told):
        fewest = min(arm.counted for arm in arms)
        return "too_early", (
            f"Too early: {fewest} shoppers of an arm count, {rules.shoppers_min} are needed, each "
            f"{rules.window_hours:g} h after their first answer, and {rules.primary} must be known "
            "of as many."
        )
    sentences = [_sentence(arm.arm, one, arms[0].arm) for arm, one in told]
    is_decided = any(_sign(one) for _, one in told)
    return ("decided" if is_decided else "undecided"), " ".join(sentences)


def _primary(arm: ArmReadout, metric: Metric) -> Compared:
    return next(one for one in arm.metrics if one.metric == metric)


def _sign(one: Compared) -> int:
    """1: surely more than the control, -1: surely less, 0: not known."""
    if one.low is None or one.high is None:
        return 0
    return int(one.low > 0) - int(one.high < 0)


def _sentence(arm: str, one: Compared, control: str) -> str:
    interval = f"{one.difference:+.4g} [{one.low:+.4g}, {one.high:+.4g}]"
    word = {1: "has more", -1: "has less", 0: "is not known to differ in"}[_sign(one)]
    than = "from" if _sign(one) == 0 else "than"
    return f"{arm} {word} {one.metric} {than} {control}: {interval}."


def save_readout(folder: Path, readout: Readout) -> Path:
    """Keeps a readout beside the experiments of a home; returns where."""
    path = _readout_path(folder, readout.experiment)
    save_report(path, readout)
    return path


def read_readout(folder: Path, experiment: str) -> Readout | None:
    """The last readout of an experiment; None where there is none, or one of another version."""
    path = _readout_path(folder, experiment)
    if not path.exists():
        return None
    try:
        return READOUT.validate_json(path.read_text())
    except ValidationError:
        log.warning("%s is of another version: run `photosearch experiment report` again", path)
        return None


def _readout_path(folder: Path, experiment: str) -> Path:
    return folder / "readouts" / f"{experiment}.json"


def as_text(readout: Readout) -> str:
    """A readout as a table of Markdown."""
    lines = [
        f"# {readout.experiment}, {readout.state.replace('_', ' ')}",
        "",
        readout.verdict,
        "",
        f"Read at {readout.read_at}; intervals hold at all times at once with probability "
        f"{1 - readout.alpha:.0%}; {readout.primary} decides.",
        f"Arms have their shares: p {readout.mismatch_p:.3g}. Answered by two arms: "
        f"{readout.moved}.",
        "",
        "| arm | shoppers | counted | metric | value | difference |",
        "|---|---|---|---|---|---|",
    ]
    for arm in readout.arms:
        for one in arm.metrics:
            value = "none" if one.value is None else f"{one.value:.4g}"
            told = "" if one.difference is None else (
                f"{one.difference:+.4g} [{one.low:+.4g}, {one.high:+.4g}]"
            )  # fmt: skip
            mark = "**" if one.metric == readout.primary else ""
            lines.append(
                f"| {arm.arm} | {arm.shoppers} | {arm.counted} | {mark}{one.metric}{mark}: "
                f"{one.what} | {value} | {told} |"
            )
    return "\n".join(lines) + "\n"
