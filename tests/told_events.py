"""Events and answers as shoppers and searches would tell them."""

import uuid
from datetime import UTC, datetime
from typing import Any

from photosearch.feedback.schemas import Answer, Event, ShownCard

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def an_event(**said: Any) -> Event:
    usual = {
        "event_id": uuid.uuid4().hex,
        "kind": "impression",
        "shopper": "shopper-1",
        "query_id": uuid.uuid4().hex,
        "card_id": "red",
        "at": NOW,
    }
    return Event(**usual | said)


def an_answer(**said: Any) -> Answer:
    cards = [
        ShownCard("red", "red/gallery/0", 1, {"cosine": 0.912345, "votes": 0.3}),
        ShownCard("blue", "blue/review/1/0", 2, {"cosine": 0.5}),
        ShownCard("green", "green/gallery/0", 3, {}),
    ]
    usual = {
        "query_id": uuid.uuid4().hex,
        "at": NOW,
        "shopper": "shopper-1",
        "release": "r1",
        "experiment": "",
        "arm": "",
        "photo_sha256": "",
        "cards": cards,
    }
    return Answer(**usual | said)
