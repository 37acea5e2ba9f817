"""A log of events held in memory, and the answers and events that tests tell it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from photosearch.feedback.schemas import Answer, Event, EventKind, ShownCard, StoredEvent
from photosearch.search.features import FEATURES

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class ToldLog:
    """What store.py does with a database: numbers from 1, in order."""

    told_events: list[StoredEvent] = field(default_factory=list)
    told_answers: list[Answer] = field(default_factory=list)

    def events(self, after: int = 0) -> Iterator[StoredEvent]:
        return (one for one in self.told_events if one.number > after)

    def answers_after(self, number: int) -> Iterator[tuple[int, Answer]]:
        numbered = enumerate(self.told_answers, start=1)
        return ((n, answer) for n, answer in numbered if n > number)

    def tell(self, answer: Answer, clicked: str = "", *, seen: str = "") -> None:
        """An answer, and what came of it half a minute later."""
        self.told_answers.append(answer)
        at = answer.at + MINUTE / 2
        for kind, cards in (("impression", seen), ("click", clicked)):
            for card_id in cards:
                self.add(event(answer, card_id, kind, at=at), at=at)

    def add(self, one: Event, *, at: datetime) -> None:
        self.told_events.append(StoredEvent(one, len(self.told_events) + 1, at))


def answer(
    number: int,
    cards: Iterable[str] = "abcd",
    *,
    at: datetime = NOON,
    shopper: str = "ann",
    stars: Sequence[float] = (1.0, 2.0, 3.0, 5.0),
    photo_sha256: str = "",
) -> Answer:
    """Cards in this order, near in this order, that differ in their stars only."""
    shown = [
        ShownCard(
            card_id, f"{card_id}/gallery/0", rank,
            dict.fromkeys(FEATURES, 0.5) | {"rating": rated, "score": 0.9 - rank / 1000},
        )
        for rank, (card_id, rated) in enumerate(zip(cards, stars, strict=False), start=1)
    ]  # fmt: skip
    return Answer(f"{number:032x}", at, shopper, "r1", "", "", photo_sha256, shown)


def event(
    answered: Answer, card_id: str, kind: EventKind = "click", *, at: datetime = NOON,
    shopper: str = "",
) -> Event:  # fmt: skip
    name = f"{kind}-{answered.query_id[-6:]}-{card_id}-{at.timestamp():.0f}"
    return Event(
        event_id=name, kind=kind, shopper=shopper or answered.shopper or "ann",
        query_id=answered.query_id, card_id=card_id, at=at,
    )  # fmt: skip
