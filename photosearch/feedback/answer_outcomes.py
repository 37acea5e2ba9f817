"""What came of each answer: joins what was shown with what shoppers did, and drops what misleads.

Knows nothing of what is learned from it. Nothing here tells a shopper from another one afterwards
but a key made by chance.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from photosearch.feedback.schemas import Answer, EventKind, ShownCard, StoredEvent
from photosearch.feedback_settings import FeedbackParams

CLICKS: tuple[EventKind, ...] = ("click", "cart", "purchase")
CLOCKS_APART = timedelta(seconds=5)
"""The clocks of our own machines may differ so much."""


class EventLog(Protocol):
    """What keeps events and answers: store.py."""

    def events(self, after: int = 0) -> Iterator[StoredEvent]:
        """In order of number; nothing appears later with a smaller number."""
        ...

    def answers_after(self, number: int) -> Iterator[tuple[int, Answer]]:
        """In order of number."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer that somebody looked at."""

    answer: Answer
    shopper: str
    cards: list[ShownCard]
    """Those of the first page, best rank first, whether or not they came into view: how likely a
    rank is looked at is known of all who were shown it, not of those who went there."""
    clicked: frozenset[str]
    """Those of them that were clicked, put into the cart or bought."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What taught nothing, by reason."""

    events: dict[str, int]
    """`no_answer`: met elsewhere; `unknown_query`; `unknown_card`: not in that answer;
    `before_answer`; `too_late`; `other_shopper`: not who asked; `double`."""
    answers: dict[str, int]
    """`later_page`: only who liked nothing before got there; `silent`: no event came;
    `clicks_everything`; `busy_shopper`."""


@dataclass(slots=True)
class _Told:
    """What one query's events say."""

    shopper: str = ""
    seen: set[str] = field(default_factory=set)
    clicked: set[str] = field(default_factory=set)


def outcomes(
    answers: Iterable[Answer],
    events: Iterable[StoredEvent],
    rules: FeedbackParams,
    *,
    counted: Counter[str] | None = None,
) -> tuple[list[Outcome], LeftOut]:
    """Joins answers with their events; the same log gives the same outcomes.

    Args:
        answers: In the order of the log.
        events: Of these answers, and maybe of others; all are held in memory.
        rules: See params.yaml.
        counted: How many answers each shopper had each day in earlier parts of a log that is read
            part by part, see `shopper_day`; these are added.
    """
    no_events, no_answers = Counter[str](), Counter[str]()
    events_of: dict[str, list[StoredEvent]] = defaultdict(list)
    for stored in events:
        if stored.event.query_id is None:
            no_events["no_answer"] += 1
        else:
            events_of[stored.event.query_id].append(stored)
    answers_of_day = Counter[str]() if counted is None else counted
    kept = []
    for answer in answers:
        told = _told(answer, events_of.pop(answer.query_id, []), rules, no_events)
        cards = _first_page(answer, rules.first_page)
        reason = _why_not(told, answer.at, answers_of_day, rules) if cards else "later_page"
        if reason:
            no_answers[reason] += 1
        else:
            clicked = told.clicked & {card.card_id for card in cards}
            kept.append(Outcome(answer, told.shopper, cards, frozenset(clicked)))
    no_events["unknown_query"] += sum(map(len, events_of.values()))
    return kept, LeftOut(_counts(no_events), _counts(no_answers))


def _told(
    answer: Answer, stored: Sequence[StoredEvent], rules: FeedbackParams, no_events: Counter[str]
) -> _Told:
    told, known = _Told(answer.shopper), {card.card_id for card in answer.cards}
    met: set[tuple[str, str]] = set()
    for one in stored:
        event = one.event
        told.shopper = told.shopper or event.shopper
        reason = _why_no_event(one, answer, told.shopper, known, rules)
        if not reason and (event.kind, event.card_id) in met:
            reason = "double"
        if reason:
            no_events[reason] += 1
            continue
        met.add((event.kind, event.card_id))
        if event.kind in CLICKS:
            told.clicked.add(event.card_id)
        elif event.kind == "impression":
            told.seen.add(event.card_id)
    return told


def _why_no_event(
    one: StoredEvent, answer: Answer, shopper: str, known: set[str], rules: FeedbackParams
) -> str:
    """The first reason to leave an event out; empty: none.

    Times are those of our own clock: what a caller's clock says is not to be relied on.
    """
    if one.event.shopper != shopper:
        return "other_shopper"
    if one.event.card_id not in known:
        return "unknown_card"
    if one.received_at < answer.at - CLOCKS_APART:
        return "before_answer"
    if one.received_at > answer.at + timedelta(hours=rules.late_hours):
        return "too_late"
    return ""


def _why_not(told: _Told, at: datetime, answers_of_day: Counter[str], rules: FeedbackParams) -> str:
    """The first reason to leave an answer out; empty: none, and it is counted."""
    if not told.seen and not told.clicked:
        return "silent"
    if len(told.clicked) > rules.clicked_most:
        return "clicks_everything"
    day = shopper_day(told.shopper, at)
    answers_of_day[day] += 1
    return "busy_shopper" if answers_of_day[day] > rules.answers_a_shopper else ""


def shopper_day(shopper: str, at: datetime) -> str:
    """What a shopper's answers of one day are counted by; begins with the date."""
    return f"{at.date().isoformat()} {shopper}"


def _first_page(answer: Answer, first_page: int) -> list[ShownCard]:
    shown = sorted(answer.cards, key=lambda card: card.rank)
    return [card for card in shown if card.rank <= first_page]


def _counts(counted: Counter[str]) -> dict[str, int]:
    return {reason: n for reason, n in sorted(counted.items()) if n}
