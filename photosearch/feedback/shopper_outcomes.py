"""What each shopper of an experiment did in their window, as numbers; compares nothing.

A shopper's numbers are those of a fixed time from their first answer, and count once it is over.
So no number changes that was looked at before, which is what intervals for every time ask for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from photosearch.feedback.experiments import Experiment
from photosearch.feedback.schemas import Answer, StoredEvent

COLUMNS = (
    "answers", "answers_clicked", "seen", "clicked", "first_click_s", "last_click_s", "view_s",
    "carts", "purchases",
)  # fmt: skip
"""Sums of one shopper; `carts` and `purchases` are 1 for a shopper with any. All pages of a search
are one answer."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The shoppers of an experiment in the order of their first answers."""

    arms: NDArray[np.int64]
    """(n_shoppers,): places in the plan."""
    is_over: NDArray[np.bool_]
    """(n_shoppers,): the window is over, so the numbers count."""
    table: NDArray[np.float64]
    """(n_shoppers, COLUMNS)."""
    moved: int
    """Shoppers who were answered by two arms; they are left out of everything."""
    releases: dict[str, dict[str, int]]
    """Answers by arm and release."""

    def column(self, name: str, arm: int) -> NDArray[np.float64]:
        """Numbers of one arm's shoppers whose windows are over."""
        counts = self.is_over & (self.arms == arm)
        column: NDArray[np.float64] = self.table[counts, COLUMNS.index(name)]
        return column


@dataclass(slots=True)
class _Shopper:
    arm: str
    since: datetime
    answers: dict[str, datetime] = field(default_factory=dict)
    """Of a search's first page."""
    answer_of: dict[str, str] = field(default_factory=dict)
    """By page: the first page of its search."""
    ended_at: dict[int, str] = field(default_factory=dict)
    """By rank: the last search of which a page ended there."""
    seen: set[tuple[str, str]] = field(default_factory=set)
    """Answer and card."""
    clicks: list[tuple[str, str, datetime]] = field(default_factory=list)
    """Answer, card, and when by the shopper's clock."""
    behind: timedelta = timedelta.max
    """What the shopper's clock is behind ours, and the quickest of their events took."""
    view_s: float = 0.0
    carts: bool = False
    purchases: bool = False
    has_moved: bool = False


def outcomes(
    experiment: Experiment,
    answers: Iterable[Answer],
    events: Iterable[StoredEvent],
    *,
    now: datetime,
) -> Outcomes:
    """Sums up a log by shopper.

    Args:
        experiment: Whose shoppers; answers that name no arm of it are passed over.
        answers: In the order in which they were given.
        events: In any order; those of other shoppers are passed over.
        now: Until when the log was read. A window that the experiment's end cut short never counts.
    """
    window = timedelta(hours=experiment.rules.window_hours)
    shoppers, releases = _answered(experiment, answers, window)
    for stored in events:
        shopper = shoppers.get(stored.event.shopper)
        # Our clock: by the caller's, a late event would change a window that was over.
        if shopper is not None and timedelta(0) <= stored.received_at - shopper.since < window:
            _add(shopper, stored, view_s_most=experiment.rules.view_s_most)
    stayed = sorted(
        (one for one in shoppers.values() if not one.has_moved), key=lambda one: one.since
    )
    until = min(now, experiment.stopped_at or now)
    places = {arm.name: place for place, arm in enumerate(experiment.plan.arms)}
    return Outcomes(
        arms=np.array([places[one.arm] for one in stayed], np.int64),
        is_over=np.array([one.since + window <= until for one in stayed], np.bool_),
        table=np.array([_sums(one) for one in stayed], np.float64).reshape(-1, len(COLUMNS)),
        moved=len(shoppers) - len(stayed),
        releases=releases,
    )


def _answered(
    experiment: Experiment, answers: Iterable[Answer], window: timedelta
) -> tuple[dict[str, _Shopper], dict[str, dict[str, int]]]:
    """Shoppers by key with the answers of their windows; answers by arm and release."""
    arms = {arm.name for arm in experiment.plan.arms}
    shoppers: dict[str, _Shopper] = {}
    releases: dict[str, dict[str, int]] = {arm.name: {} for arm in experiment.plan.arms}
    for answer in answers:
        if answer.experiment != experiment.name or answer.arm not in arms or not answer.shopper:
            continue
        shopper = shoppers.setdefault(answer.shopper, _Shopper(answer.arm, answer.at))
        shopper.has_moved |= shopper.arm != answer.arm
        if answer.at - shopper.since < window:
            _add_page(shopper, answer)
        by_release = releases[answer.arm]
        by_release[answer.release] = by_release.get(answer.release, 0) + 1
    return shoppers, releases


def _add_page(shopper: _Shopper, page: Answer) -> None:
    """A page that begins where another ended goes on with its search."""
    ranks = [card.rank for card in page.cards]
    first = shopper.ended_at.get(min(ranks, default=1) - 1, page.query_id)
    shopper.answers.setdefault(first, page.at)
    shopper.answer_of[page.query_id] = first
    if ranks:
        shopper.ended_at[max(ranks)] = first


def _add(shopper: _Shopper, stored: StoredEvent, *, view_s_most: float) -> None:
    event = stored.event
    shopper.behind = min(shopper.behind, stored.received_at - event.at)
    answer = shopper.answer_of.get(event.query_id or "")
    match event.kind:
        case "impression" if answer:
            shopper.seen.add((answer, event.card_id))
        case "click" if answer:
            shopper.clicks.append((answer, event.card_id, event.at))
        case "view":
            shopper.view_s += min((event.view_ms or 0) / 1000, view_s_most)
        case "cart":
            shopper.carts = True
        case "purchase":
            shopper.purchases = True


def _sums(shopper: _Shopper) -> tuple[float, ...]:
    """One row of COLUMNS."""
    clicked = {(query_id, card_id) for query_id, card_id, _ in shopper.clicks}
    after_s: dict[str, list[float]] = {}
    for query_id, _, at in shopper.clicks:
        # By our clock, as well as it can be told: the answer's time is ours, the click's is not.
        waited = (at - shopper.answers[query_id]) + shopper.behind
        after_s.setdefault(query_id, []).append(max(0.0, waited.total_seconds()))
    return (
        len(shopper.answers),
        len(after_s),
        len(shopper.seen | clicked) if shopper.seen else 0,
        len(clicked) if shopper.seen else 0,
        sum(min(times) for times in after_s.values()),
        sum(max(times) for times in after_s.values()),
        shopper.view_s,
        float(shopper.carts),
        float(shopper.purchases),
    )
