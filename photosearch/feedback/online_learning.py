"""Keeps the online re-ranker's state up to date with the log; lets it rank only if it ranks better.

Each answer is first ranked in hindsight by what was known before it, then learned from: its gain
tells of answers that the state has not seen. The learner and the state in use are two things: one
that ranks worse goes on learning, unused.

states/learner   the learner: state, last gains, how far it read; one file, so that a kill
                 leaves the one before and nothing is learned twice
states/current   what searches use: see search/online_ranker.py
"""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Literal

import numpy as np

from photosearch.errors import BadArtifact
from photosearch.evaluation.intervals import Estimate, draw, mean_interval
from photosearch.feedback.answer_outcomes import (
    EventLog,
    LeftOut,
    Outcome,
    outcomes,
    shopper_day,
)
from photosearch.feedback.hindsight import gain_in_hindsight
from photosearch.feedback.impressions import impressions_of
from photosearch.feedback.schemas import Answer, StoredEvent
from photosearch.feedback_settings import FeedbackParams
from photosearch.ranking_settings import RankingParams
from photosearch.report import save_report
from photosearch.search.features import FEATURES
from photosearch.search.online_ranker import OnlineState, learn, read_state, save_state

log = logging.getLogger(__name__)

LEARNING = "learner"
NOTHING = "none"
"""What `go_back` calls a state that moves nothing."""
ANSWERS_A_BATCH = 1000
"""Learned from between two saves; also what is held in memory at once."""
READ_ON = timedelta(hours=1)
"""Events that came so long after their answer was settled are not read: catching up on a long log
stays linear in it."""
COMMITS_APART = timedelta(minutes=1)
"""Events may be numbered so much later than they were received."""

Verdict = Literal["better", "worse", "unsure", "too_few"]


@dataclass(frozen=True, slots=True)
class Gain:
    shopper: str
    """Or the query, where the shopper told no key: gains of one shopper rise and fall together."""
    gain: float
    """See `gain_in_hindsight`."""


@dataclass(frozen=True, slots=True)
class Learner:
    state: OnlineState = field(default_factory=OnlineState)
    """Its `learned_to` is `ANSWER:EVENT`, numbers in the log up to which nothing new is told."""
    gains: list[Gain] = field(default_factory=list)
    """Of the last answers, oldest first."""
    answers_of_day: dict[str, int] = field(default_factory=dict)
    """By shopper, of the day of the last answer: see `shopper_day`."""


@dataclass(frozen=True, slots=True)
class OnlineReport:
    answers: int
    """Learned from in this run."""
    answers_in_all: int
    without_features: int
    """No ranker took part in them: they teach nothing."""
    events_left_out: dict[str, int]
    """By reason: see `LeftOut`."""
    answers_left_out: dict[str, int]
    judged: int
    """Answers that the gain is the mean of."""
    gain: Estimate | None
    """Of the state over none, in clicks debiased and discounted by rank; see hindsight.py."""
    verdict: Verdict
    current: str
    """Id of the state that searches use; `none`: none does."""


def learn_from_log(
    states: Path, events: EventLog, ranking: RankingParams, rules: FeedbackParams, *, now: datetime
) -> OnlineReport:
    """Learns from all settled answers that it has not learned from, then decides what is used.

    Two at once learn the same and write the same: nothing is learned twice by that either.

    Args:
        states: Folder of the states.
        events: The log.
        ranking: See params.yaml.
        rules: See params.yaml.
        now: UTC.

    Raises:
        BadArtifact: The learner's file was changed.
    """
    learner, left_out = read_learner(states), _LeftOut()
    n_before = learner.state.n_answers
    while True:
        batch = _next_batch(learner, events, rules, now=now)
        if batch is None:
            break
        learner = _learned(learner, batch, ranking, rules, left_out)
        save_report(states / LEARNING, learner)
        log.info("learned from %d answers in all", learner.state.n_answers)
    gain = _mean_gain(learner.gains)
    verdict = _verdict(gain, len(learner.gains), rules)
    current = _decide(states, learner.state, verdict)
    return OnlineReport(
        answers=learner.state.n_answers - n_before,
        answers_in_all=learner.state.n_answers,
        without_features=left_out.without_features,
        events_left_out=dict(sorted(left_out.events.items())),
        answers_left_out=dict(sorted(left_out.answers.items())),
        judged=len(learner.gains),
        gain=gain,
        verdict=verdict,
        current=current,
    )


def go_back(states: Path, state_id: str) -> OnlineState:
    """Makes an earlier state the one in use, and learns on from it, but not the same events again.

    Its gains are forgotten: until enough new answers judge it, it stays.

    Args:
        states: Folder of the states.
        state_id: Of the state, or `none` for one that moves nothing.

    Raises:
        BadArtifact: There is no such state.
    """
    before = OnlineState() if state_id == NOTHING else read_state(states, state_id)
    learner = read_learner(states)
    state = replace(before, learned_to=learner.state.learned_to)
    save_report(states / LEARNING, Learner(state, answers_of_day=learner.answers_of_day))
    save_state(states, state)
    return state


def read_learner(states: Path) -> Learner:
    """The learner as it was saved last; a fresh one where nothing was learned yet.

    Raises:
        BadArtifact: Its file is damaged, or of a version with other features.
    """
    path = states / LEARNING
    if not path.exists():
        return Learner()
    try:
        told = json.loads(path.read_text())
        learner = Learner(
            OnlineState(**told["state"]),
            [Gain(**one) for one in told["gains"]],
            told.get("answers_of_day", {}),
        )
        if len(learner.state.weights) != len(FEATURES) + 1:
            raise ValueError("it learned from other features")
        return learner
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{path} is not what the online re-ranker learned ({error}). Delete it to learn anew "
            "from the whole log."
        ) from None


@dataclass(slots=True)
class _LeftOut:
    """Counts over all batches."""

    events: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    without_features: int = 0

    def add(self, left_out: LeftOut) -> None:
        self.events.update(left_out.events)
        self.answers.update(left_out.answers)


@dataclass(frozen=True, slots=True)
class _Batch:
    answers: list[Answer]
    events: list[StoredEvent]
    learned_to: str


def _next_batch(
    learner: Learner, events: EventLog, rules: FeedbackParams, *, now: datetime
) -> _Batch | None:
    """The next settled answers and their events; None where there are none."""
    answer_number, event_number = _numbers(learner.state)
    settles = timedelta(minutes=rules.settle_minutes)
    new = takewhile(lambda one: one[1].at <= now - settles, events.answers_after(answer_number))
    numbered = list(islice(new, ANSWERS_A_BATCH))
    if not numbered:
        return None
    wanted = {answer.query_id for _, answer in numbered}
    last = max(answer.at for _, answer in numbered)
    first = min(answer.at for _, answer in numbered)
    theirs = []
    for stored in events.events(event_number):
        if stored.received_at > last + settles + READ_ON:
            break
        if stored.received_at < first - COMMITS_APART:
            event_number = stored.number
        if stored.event.query_id in wanted:
            theirs.append(stored)
    answers = [answer for _, answer in numbered]
    return _Batch(answers, theirs, f"{numbered[-1][0]}:{event_number}")


def _learned(
    learner: Learner,
    batch: _Batch,
    ranking: RankingParams,
    rules: FeedbackParams,
    left_out: _LeftOut,
) -> Learner:
    """The learner after a batch, answer by answer."""
    counted = Counter(learner.answers_of_day)
    kept, without = outcomes(batch.answers, batch.events, rules, counted=counted)
    today = shopper_day("", batch.answers[-1].at)
    left_out.add(without)
    state, gains = learner.state, list(learner.gains)
    for outcome in kept:
        shown = impressions_of(outcome)
        if not shown:
            left_out.without_features += 1
            continue
        gains.append(_gain(outcome, state, ranking))
        state = learn(state, shown, ranking.online, ranking.propensity)
    return Learner(
        replace(state, learned_to=batch.learned_to),
        gains[-rules.judged_most :],
        {day: n for day, n in counted.items() if day.startswith(today)},
    )


def _gain(outcome: Outcome, state: OnlineState, ranking: RankingParams) -> Gain:
    gain = gain_in_hindsight(outcome, state, ranking.online, ranking.propensity)
    return Gain(outcome.shopper or outcome.answer.query_id, round(gain, 6))


def _numbers(state: OnlineState) -> tuple[int, int]:
    """Of the last answer learned from, and of an event before all that later answers need."""
    if not state.learned_to:
        return 0, 0
    answer, _, event = state.learned_to.partition(":")
    try:
        return int(answer), int(event)
    except ValueError:
        raise BadArtifact(
            f"The online re-ranker says it has learned to {state.learned_to!r}, which is no place "
            f"in the log. Delete {LEARNING} in its folder to learn anew."
        ) from None


def _mean_gain(gains: Sequence[Gain]) -> Estimate | None:
    if not gains:
        return None
    drawn = draw([one.shopper for one in gains])
    return mean_interval(np.array([one.gain for one in gains]), drawn)


def _verdict(gain: Estimate | None, judged: int, rules: FeedbackParams) -> Verdict:
    if gain is None or gain.low is None or gain.high is None or judged < rules.judged_min:
        return "too_few"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "unsure"


def _decide(states: Path, state: OnlineState, verdict: Verdict) -> str:
    """Better: the state is used. Worse: one that moves nothing is, which running services follow.

    Else what was used stays. Returns its id.
    """
    if verdict == "better":
        save_state(states, state)
    elif verdict == "worse":
        log.warning("the online re-ranker ranks worse than none on the last answers: it is off")
        save_state(states, OnlineState())
    current = read_state(states)
    return current.state_id if any(current.weights) else NOTHING
