"""The simulator's shoppers in an experiment: what each would do in either of two searches.

A search of known quality: cards in the order of what the mean shopper thinks of them, blurred by
noise. More noise is a worse search, and by how much shoppers mind is known exactly, for everybody
is seen in both. Their answers and events go the way of real ones, into a table by shopper.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from photosearch.experiment_settings import ExperimentParams
from photosearch.feedback.experiments import Arm, Experiment, Plan
from photosearch.feedback.outcomes import Outcomes, outcomes
from photosearch.feedback.schemas import Answer, Event, EventKind, ShownCard, StoredEvent
from simulator.shoppers import appeal, clicks
from simulator.world import World

SHOWN, IN_VIEW = 20, 6
VISITS_MORE = 0.8
"""Searches of a shopper beyond the first, on average."""
LOOKED_AT_S = 20.0
"""Median seconds that a clicked card is looked at."""
CART, PURCHASE = 0.25, 0.4
"""Share of clicks that end in the cart, and of carts that are bought."""
BEGUN = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Street:
    world: World
    odds: NDArray[np.float64]
    """Log-odds of a click on a card that is looked at: (n_wanted, n_cards), of the mean shopper."""


def open_street(seed: int, n_cards: int) -> Street:
    world = World(seed, n_cards)
    likes = np.array([[appeal(world, w, c) for c in range(n_cards)] for w in range(n_cards)])
    return Street(world, np.log(likes) - np.log1p(-likes))


def shopped(
    street: Street, n_shoppers: int, rules: ExperimentParams, *, noise: float
) -> NDArray[np.float64]:
    """What every shopper does in one search, as a table of outcomes.COLUMNS; the same each time.

    Args:
        street: Where they shop.
        n_shoppers: All of them see this search.
        rules: How an experiment counts.
        noise: Of the search's order, in log-odds.
    """
    one = Arm(name="all")
    experiment = Experiment(
        plan=Plan(name="pool", arms=[one, Arm(name="none")]), salt="x", rules=rules,
        started_at=BEGUN,
    )  # fmt: skip
    answers: list[Answer] = []
    events = _events(street, n_shoppers, noise, answers)
    told = list(events)  # fills `answers`
    done: Outcomes = outcomes(experiment, answers, told, now=BEGUN + timedelta(days=900))
    return done.table


def _events(
    street: Street, n_shoppers: int, noise: float, answers: list[Answer]
) -> Iterator[StoredEvent]:
    """Every event of every shopper; their answers are added to `answers` on the way."""
    n_visits, n_cards = 0, len(street.odds)
    for number in range(n_shoppers):
        shopper = f"shopper-{number}"
        random = np.random.default_rng([number, 7])
        for visit in range(1 + int(random.poisson(VISITS_MORE))):
            at = BEGUN + timedelta(seconds=number, hours=visit)
            wanted = int(random.integers(n_cards))
            blurred = street.odds[wanted] + noise * random.standard_normal(n_cards)
            shown = np.argsort(-blurred)[:SHOWN].tolist()
            answer = Answer(
                f"{n_visits:032x}", at, shopper, "r1", "pool", "all", "",
                [ShownCard(f"c{card}", "p", rank, {}) for rank, card in enumerate(shown, 1)],
            )  # fmt: skip
            answers.append(answer)
            clicked = clicks(street.world, n_visits, wanted, shown)
            yield from _visit(answer, clicked, random)
            n_visits += 1


def _visit(
    answer: Answer, clicked: list[bool], random: np.random.Generator
) -> Iterator[StoredEvent]:
    def event(kind: EventKind, place: int, after_s: float, view_ms: int | None) -> StoredEvent:
        card, at = answer.cards[place], answer.at + timedelta(seconds=after_s)
        told = Event(
            event_id=f"{answer.query_id}-{place}-{kind}", kind=kind, shopper=answer.shopper,
            query_id=answer.query_id, card_id=card.card_id, rank=card.rank, at=at, view_ms=view_ms,
        )  # fmt: skip
        return StoredEvent(told, 0, at)

    for place in range(IN_VIEW):
        yield event("impression", place, 0.5, None)
    after_s = 0.5
    for place, is_clicked in enumerate(clicked):
        after_s += float(random.exponential(1.5))  # looks down the list
        if not is_clicked:
            continue
        yield event("click", place, after_s, None)
        view_s = float(random.lognormal(np.log(LOOKED_AT_S), 1))
        yield event("view", place, after_s + view_s, int(view_s * 1000))
        after_s += view_s
        if random.random() < CART:
            yield event("cart", place, after_s, None)
            if random.random() < PURCHASE:
                yield event("purchase", place, after_s + 60, None)
