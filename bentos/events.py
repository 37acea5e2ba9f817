"""`POST /v1/events`: what shoppers did, kept before the answer says so."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Protocol

from anyio import fail_after
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bentos.responses import as_json
from bentos.wishes import shorten
from photosearch.errors import BadRequest, EventsOff
from photosearch.feedback.schemas import Event, Kept
from photosearch.feedback.store import KEEP_WITHIN_S, EventStore, too_slow

EVENTS_MOST = 500
BYTES_MOST = 256 * 1024
READ_WITHIN_S = 10
"""A body that takes longer to arrive is given up."""


class Batch(BaseModel):
    """The body."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Annotated[list[Event], Field(min_length=1, max_length=EVENTS_MOST)]


class KeepsEvents(Protocol):
    @property
    def events(self) -> EventStore | None:
        """None: no store of events is set."""
        ...


def routes(served: Callable[[], KeepsEvents]) -> list[Route]:
    """The call, under `/v1`."""

    async def keep(request: Request) -> Response:
        store = served().events
        if store is None:
            raise EventsOff
        kept = await keep_events(store, read_events(await _read_body(request)))
        return as_json(kept)

    return [Route("/events", keep, methods=["POST"])]


async def keep_events(store: EventStore, events: Sequence[Event]) -> Kept:
    """Waits until all are durable; no thread waits meanwhile.

    Raises:
        EventsUnavailable: The store is away, or did not answer in time.
    """
    try:
        with fail_after(KEEP_WITHIN_S):
            kept = await asyncio.wrap_future(store.keep_soon(events))
    except TimeoutError:
        raise too_slow() from None
    return Kept(kept=kept, known=len(events) - kept)


def read_events(body: bytes) -> Sequence[Event]:
    """The events of a body; one that is wrong refuses all.

    Raises:
        BadRequest: It is no such JSON; says which event and which field.
    """
    try:
        return Batch.model_validate_json(body, strict=True).events
    except ValidationError as error:
        raise BadRequest(
            f"{_first(error)}. No event was kept: mend it and send all again."
        ) from None


async def _read_body(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(
            415,
            f"Content type {shorten(media_type)} is not application/json. "
            'Send -H "Content-Type: application/json" and {"events": [...]}.',
        )
    body = bytearray()
    try:
        with fail_after(READ_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BYTES_MOST:
                    raise HTTPException(
                        413, f"The body has more than {BYTES_MOST:,} bytes. Send fewer events."
                    )
    except TimeoutError:
        raise HTTPException(408, f"The body took more than {READ_WITHIN_S} s.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The body ended before its end.") from None
    return bytes(body)


def _first(error: ValidationError) -> str:
    """What is wrong first, and where; of no value at all, for that may be of any size."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place, message = list(first["loc"]), first["msg"]
    if len(place) > 1 and isinstance(place[1], int):
        field = ".".join(shorten(str(name)) for name in place[2:])
        return f"Event {place[1]} (the first is 0): {field + ': ' if field else ''}{message}"
    return f"{', '.join(shorten(str(name)) for name in place) or 'Body'}: {message}"
