"""Logs of answers and events for the tests of experiments, as services and pages write them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from photosearch.experiment_settings import ExperimentParams
from photosearch.feedback.experiments import Arm, Experiment, Plan, arm_of
from photosearch.feedback.schemas import Answer, Event, EventKind, ShownCard, StoredEvent

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RULES = ExperimentParams(
    primary="answers_clicked", alpha=0.05, planned_shoppers=2000, shoppers_min=50, window_hours=24,
    view_s_most=600, mismatch_alpha=0.001, mismatch_concentration=10_000,
)  # fmt: skip


def experiment(*arms: Arm, share: float = 1.0, salt: str = "s", **rules: object) -> Experiment:
    plan = Plan(name="trial", share=share, arms=list(arms) or [Arm(name="now"), Arm(name="new")])
    return Experiment(plan=plan, salt=salt, rules=RULES.model_copy(update=rules), started_at=NOON)


@dataclass
class Log:
    """What a store would give, in its order."""

    experiment: Experiment
    clock_behind: timedelta = timedelta(0)
    """Of every shopper's clock."""
    answers: list[Answer] = field(default_factory=list)
    events: list[StoredEvent] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def answer(
        self, shopper: str, at: datetime, *, arm: str = "", release: str = "r1", first: int = 1
    ) -> str:
        """Ten cards of a search from rank `first`, by the arm of the shopper; returns its id."""
        mine = arm_of(self.experiment, shopper)
        assert mine is not None
        query_id = f"{len(self.answers):032x}"
        ranks = range(first, first + 10)
        cards = [ShownCard(f"c{rank}", f"c{rank}/gallery/0", rank, {}) for rank in ranks]
        self.answers.append(
            Answer(
                query_id, at, shopper, release, self.experiment.name, arm or mine.name, "", cards
            )
        )
        return query_id

    def event(
        self,
        kind: EventKind,
        query_id: str | None,
        at: datetime,
        *,
        shopper: str,
        card: str = "c1",
        late_s: float = 0.0,
        view_ms: int | None = None,
    ) -> None:
        """Something a shopper did at a time of ours; it arrives `late_s` later."""
        number = next(self.numbers)
        told = Event(
            event_id=f"event-{number:06d}", kind=kind, shopper=shopper, query_id=query_id,
            card_id=card, rank=1, at=at - self.clock_behind, view_ms=view_ms,
        )  # fmt: skip
        self.events.append(StoredEvent(told, number, at + timedelta(seconds=late_s)))
