"""The call that draws why: `GET /v1/queries/{id}/maps`; knows no model."""

from collections.abc import Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentos.access import Access
from bentos.turns import Turns
from bentos.wishes import MAX_NAME, QUERY_ID, SHOWN_CHARACTERS, shorten
from photosearch.errors import BadRequest, NoMap

DRAWN_AT_ONCE, WAITING_MAX = 2, 16


class DrawsMaps(Protocol):
    """See SearchPipeline, which is one."""

    def map_of(self, query_id: str, card_id: str | None) -> bytes: ...


class Served(Protocol):
    @property
    def pipeline(self) -> DrawsMaps: ...
    @property
    def access(self) -> Access: ...


def routes(served: Callable[[], Served]) -> list[Route]:
    """The calls; `served` is asked at each request."""
    turns = Turns(at_once=DRAWN_AT_ONCE, waiting_max=WAITING_MAX, is_counted=False)

    async def maps(request: Request) -> Response:
        query_id, card_id = request.path_params["query_id"], _card(request)
        if not QUERY_ID.fullmatch(query_id):
            raise NoMap(f"{query_id[:SHOWN_CHARACTERS]!r} is no query. Send a query_id.")
        draw, deadline_s = served().pipeline.map_of, served().access.deadline_s
        png = await turns.take(lambda: draw(query_id, card_id), deadline_s=deadline_s)
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, no-store"})

    return [Route("/queries/{query_id}/maps", maps)]


def _card(request: Request) -> str | None:
    """The card that is asked for; raises BadRequest for anything else in the address."""
    asked = request.query_params.multi_items()
    if any(name != "card" for name, _ in asked) or len(asked) > 1:
        strange = next((name for name, _ in asked if name != "card"), "card")
        raise BadRequest(f"{shorten(strange)} is unknown or there twice. Send card=ID, or nothing.")
    card_id = request.query_params.get("card")
    if card_id is not None and not 0 < len(card_id) <= MAX_NAME:
        raise BadRequest(f"Part 'card' has {len(card_id)} characters. Send 1 to {MAX_NAME}.")
    return card_id
