"""The calls that look things up: cards, tags, thumbnails, articles that were read, the release."""

import dataclasses
import json
import re
from collections.abc import Callable

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from bentos import metrics
from bentos.answers import Served
from bentos.responses import as_json
from bentos.upload import read_address
from bentos.wishes import MAX_NAME, QUERY_ID, SHOWN_CHARACTERS, read_number, shorten
from photosearch.errors import BadRequest, UnknownCard, UnknownQuery
from photosearch.search.query import DEFAULT_LIMIT, MAX_LIMIT

THUMBNAIL_NAME = re.compile(r"[0-9a-f]{64}\.jpg")
READING_S = 1
"""After so long it is worth asking again for articles that are being read."""
MAX_TAG_OFFSET = 10_000_000


def routes(served: Callable[[], Served]) -> list[Route]:
    """The routes below /v1; `served` is asked at each request."""

    async def card(request: Request) -> Response:
        card_id = request.path_params["card_id"]
        if len(card_id) > MAX_NAME:
            raise UnknownCard(card_id[:SHOWN_CHARACTERS])
        return as_json(served().catalogue.card(card_id))

    async def tags(request: Request) -> Response:
        asked = read_address(request, ("prefix", "limit", "offset"))
        if len(asked["prefix"]) > MAX_NAME:
            raise BadRequest(f"'prefix' is {shorten(asked['prefix'])}. Send {MAX_NAME} letters.")
        limit = read_number(asked["limit"], "limit", (1, MAX_LIMIT), DEFAULT_LIMIT)
        offset = read_number(asked["offset"], "offset", (0, MAX_TAG_OFFSET), 0)
        return as_json(served().catalogue.tags(asked["prefix"], limit=limit, offset=offset))

    async def articles(request: Request) -> Response:
        query_id = request.path_params["query_id"]
        if not QUERY_ID.fullmatch(query_id):
            raise UnknownQuery(query_id[:SHOWN_CHARACTERS])
        read = await to_thread.run_sync(served().pipeline.articles_of, query_id)
        if read.state == "reading":
            return as_json(read, 202, headers={"Retry-After": str(READING_S)})
        return as_json(read)

    async def release(_: Request) -> Response:
        manifest = dataclasses.asdict(served().release.manifest)
        return Response(json.dumps(manifest), media_type="application/json")

    async def thumbnail(request: Request) -> Response:
        name = request.path_params["name"]
        folders = [release.thumbnails for release in served().releases]
        is_name = THUMBNAIL_NAME.fullmatch(name) is not None
        path = next((f / name for f in folders if is_name and (f / name).is_file()), None)
        if path is None:
            raise HTTPException(404, "There is no such thumbnail. Take its address from a search.")
        # Named by its content, so it never changes.
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/jpeg", headers=headers)

    return [
        Route("/cards/{card_id}", card),
        Route("/tags", tags),
        Route("/queries/{query_id}/articles", articles),
        Route("/release", release),
        Route("/thumbnails/{name}", thumbnail),
    ]


async def prometheus(_: Request) -> Response:
    """The metrics, of all processes of the service."""
    content = await to_thread.run_sync(metrics.exposition)
    return Response(content, headers={"Content-Type": metrics.MEDIA_TYPE})
