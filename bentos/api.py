"""The HTTP calls and the page as one ASGI app; knows neither models nor how it is hosted."""

import dataclasses
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos.problems import answer_error, unavailable
from bentos.upload import read_search
from photosearch.errors import PhotosearchError
from photosearch.release import Release
from photosearch.search.pipeline import SearchPipeline

WEB = Path(__file__).parent / "web"
THUMBNAIL_NAME = re.compile(r"[0-9a-f]{64}\.jpg")
SEARCHES_AT_ONCE = 16
"""Each may hold a decoded photo of 150 MB; the encoder batches so many at most."""
SEARCHES_WAITING = 64
"""More than these are sent away at once instead of making everybody wait."""
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Served(Protocol):
    """What the app answers with."""

    pipeline: SearchPipeline
    release: Release


def make_app(find_served: Callable[[], Served]) -> Starlette:
    """The app; `find_served` is asked at each request, when the service has been set up."""
    limiter = CapacityLimiter(SEARCHES_AT_ONCE)

    async def search(request: Request) -> Response:
        if limiter.statistics().tasks_waiting >= SEARCHES_WAITING:
            return unavailable("Too many searches at once. Try again in a few seconds.")
        asked = await read_search(request)
        answer = await to_thread.run_sync(find_served().pipeline.answer, asked, limiter=limiter)
        return Response(answer.model_dump_json(), media_type="application/json")

    async def release(_: Request) -> Response:
        manifest = dataclasses.asdict(find_served().release.manifest)
        return Response(json.dumps(manifest), media_type="application/json")

    async def thumbnail(request: Request) -> Response:
        name = request.path_params["name"]
        path = find_served().release.thumbnails / name
        if not (THUMBNAIL_NAME.fullmatch(name) and path.is_file()):
            raise HTTPException(404, "There is no such thumbnail. Take its address from a search.")
        # Named by its content, so it never changes.
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/jpeg", headers=headers)

    calls = [
        Route("/search", search, methods=["POST"]),
        Route("/release", release),
        Route("/thumbnails/{name}", thumbnail),
    ]
    return Starlette(
        routes=[
            Mount("/v1", routes=calls),  # its own router, so that a wrong method is 405, not 404
            Mount("/", Page(directory=WEB, html=True)),
        ],
        middleware=[Middleware(SafeHeaders)],
        exception_handlers={
            error: answer_error for error in (HTTPException, PhotosearchError, Exception)
        },
    )


class Page(StaticFiles):
    """The page's files; browsers ask each time whether they have changed."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response


class SafeHeaders:
    """Tells browsers to run nothing but our own files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SAFE_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
