"""The two tables of the log, events and answers, as rows; knows no engine and no file.

Times are UTC without a zone. A row's number only grows: whoever has read to a number has read all
before it, also where several processes write (see event_engine.py).
"""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Row

from photosearch.feedback.schemas import Answer, Event, ShownCard, StoredEvent

NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up in INTEGER columns only

TABLES = MetaData()
EVENTS = Table(
    "events",
    TABLES,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("shopper", String(64), nullable=False),
    Column("query_id", String(32)),
    Column("card_id", String(200), nullable=False),
    Column("rank", Integer),
    Column("at", DateTime, nullable=False),
    Column("view_ms", Integer),
    Column("received_at", DateTime, nullable=False),
    sqlite_autoincrement=True,  # a number that was pruned never comes again
)
ANSWERS = Table(
    "answers",
    TABLES,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("query_id", String(32), nullable=False, unique=True),
    Column("at", DateTime, nullable=False),
    Column("shopper", String(64), nullable=False),
    Column("release", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("photo_sha256", String(64), nullable=False),
    Column("cards", Text, nullable=False),
    sqlite_autoincrement=True,
)


def row_of_event(event: Event, received_at: datetime) -> dict[str, Any]:
    """An event as a row of EVENTS."""
    row = event.model_dump()
    return row | {"at": without_zone(event.at), "received_at": without_zone(received_at)}


def stored_event(row: Row[Any]) -> StoredEvent:
    """A row of EVENTS as the event it was."""
    told = row._asdict()
    number, received_at = told.pop("number"), told.pop("received_at")
    # It was checked when it came in; checking by today's rules could make old rows unreadable.
    event = Event.model_construct(**told | {"at": told["at"].replace(tzinfo=UTC)})
    return StoredEvent(event, number, received_at.replace(tzinfo=UTC))


def row_of_answer(answer: Answer) -> dict[str, Any]:
    """An answer as a row of ANSWERS."""
    return {
        "query_id": answer.query_id,
        "at": without_zone(answer.at),
        "shopper": answer.shopper,
        "release": answer.release,
        "experiment": answer.experiment,
        "arm": answer.arm,
        "photo_sha256": answer.photo_sha256,
        "cards": _written(answer.cards),
    }


def stored_answer(row: Row[Any]) -> Answer:
    """A row of ANSWERS as the answer it was."""
    told = row._asdict()
    del told["number"]
    return Answer(**told | {"at": told["at"].replace(tzinfo=UTC), "cards": _read(told["cards"])})


def without_zone(at: datetime) -> datetime:
    """The same instant as the tables hold it; raises ValueError where `at` has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"Time {at} has no zone. Give one, such as datetime.now(UTC).")
    return at.astimezone(UTC).replace(tzinfo=None)


def _written(cards: Sequence[ShownCard]) -> str:
    """JSON: names of features are told once, a value that is unknown or infinite is null."""
    names = sorted({name for card in cards for name in card.features})
    rows = [
        [card.card_id, card.photo_id, card.rank, [_known(card.features, name) for name in names]]
        for card in cards
    ]
    return json.dumps({"features": names, "cards": rows}, separators=(",", ":"), allow_nan=False)


def _known(features: dict[str, float], name: str) -> float | str | None:
    if name not in features:
        return ""  # the card had no such feature: not the same as an unknown value
    return features[name] if math.isfinite(features[name]) else None


def _read(text: str) -> list[ShownCard]:
    told = json.loads(text)
    return [
        ShownCard(
            card_id,
            photo_id,
            rank,
            {
                name: math.nan if value is None else value
                for name, value in zip(told["features"], values, strict=True)
                if value != ""
            },
        )
        for card_id, photo_id, rank, values in told["cards"]
    ]
