"""What shoppers did, as a page tells it, and the answers it was done with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

EventKind = Literal["impression", "click", "cart", "purchase", "view"]
QUERY_ID = r"[0-9a-f]{32}"
SHOPPER = r"[A-Za-z0-9_-]{1,64}"
VIEW_MS_MOST = 24 * 3600 * 1000

YEARS = range(2000, 2100)

Key = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""No control characters: PostgreSQL keeps no NUL."""


def _in_our_time(at: datetime) -> datetime:
    if at.year not in YEARS:  # a broken clock; years 1 and 9999 have no UTC in every zone
        raise ValueError(f"year {at.year} is not between {YEARS[0]} and {YEARS[-1]}")
    return at


class Event(BaseModel):
    """One thing that one shopper did with one card; the wire format of `POST /v1/events`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    """Made by the caller; an event that is sent again is kept once."""
    kind: EventKind
    """`impression`: the card came into view; `view`: the time its own page was looked at."""
    shopper: Annotated[str, Field(pattern=f"^{SHOPPER}$")]
    """A key made by chance that the browser keeps; it tells nothing of a person."""
    query_id: Annotated[str, Field(pattern=f"^{QUERY_ID}$")] | None = None
    """Of the answer that showed the card; None where the card was met elsewhere."""
    card_id: Key
    rank: Annotated[int, Field(ge=1, le=2000)] | None = None
    """Of the card in that answer."""
    at: Annotated[AwareDatetime, AfterValidator(_in_our_time)]
    """By the caller's clock."""
    view_ms: Annotated[int, Field(ge=0, le=VIEW_MS_MOST)] | None = None
    """Of a `view`."""


class Kept(BaseModel):
    """The answer of `POST /v1/events`: all events are durable."""

    kept: int
    """New ones."""
    known: int
    """Those whose event_id had come before; what they say is left aside."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    event: Event
    number: int
    """Where the log holds it; later events have greater numbers, and gaps mean nothing."""
    received_at: datetime
    """By our clock, UTC."""


@dataclass(frozen=True, slots=True)
class ShownCard:
    card_id: str
    photo_id: str
    """Its photo nearest to the query."""
    rank: int
    """From 1."""
    features: dict[str, float]
    """What ranked it, by name; logged, since prices and neighbours change. Empty: no ranker."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service showed for a query: events say what came of it."""

    query_id: str
    at: datetime
    """UTC."""
    shopper: str
    """Empty where the request named none."""
    release: str
    experiment: str
    """The A/B test the shopper took part in; empty: none."""
    arm: str
    photo_sha256: str
    """Of the query photo where it was kept; empty: it was not. The service keeps none today."""
    cards: list[ShownCard]
