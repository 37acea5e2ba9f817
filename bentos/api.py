"""The HTTP calls and the page as one ASGI app; knows neither models nor how it is hosted."""

import dataclasses
import json
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos import engineers, maps
from bentos.events import routes as event_routes
from bentos.experiments import experiment_routes
from bentos.problems import answer_error, unavailable
from bentos.upload import read_photo, read_search, read_wishes_of_address, read_words
from bentos.wishes import SHOWN_CHARACTERS
from photosearch.errors import PhotosearchError, UnknownQuery
from photosearch.feedback.experiments import Experiment
from photosearch.feedback.store import EventStore
from photosearch.release import Release
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import CardsResponse, DetectResponse, ReadArticles, SearchResponse

WEB = Path(__file__).parent / "web"
QUERY_ID = re.compile(r"[0-9a-f]{32}")
READING_S = 1
"""After so long it is worth asking again for articles that are being read."""
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


Read = Callable[[Request], Awaitable[SearchRequest]]
Act = Callable[[SearchRequest], BaseModel]


class Answers(Protocol):
    """See SearchPipeline, which is one."""

    def answer(self, request: SearchRequest) -> SearchResponse: ...
    def answer_words(self, request: SearchRequest) -> CardsResponse: ...
    def answer_alike(self, card_id: str, request: SearchRequest) -> CardsResponse: ...
    def detect(self, request: SearchRequest) -> DetectResponse: ...
    def articles_of(self, query_id: str) -> ReadArticles: ...
    def map_of(self, query_id: str, card_id: str | None) -> bytes: ...


class Served(Protocol):
    """What the app answers with."""

    @property
    def pipeline(self) -> Answers: ...
    @property
    def release(self) -> Release: ...
    @property
    def events(self) -> EventStore | None: ...
    @property
    def releases(self) -> Sequence[Release]:
        """All that answer somebody now, the live one first."""
        ...

    @property
    def experiment(self) -> Experiment | None: ...
    @property
    def experiments(self) -> Path | None: ...


def make_app(served: Callable[[], Served]) -> Starlette:
    """The app; `served` is asked at each request, when the service has been set up."""
    limiter = CapacityLimiter(SEARCHES_AT_ONCE)

    async def search(request: Request) -> Response:
        return await in_turn(request, read_search, served().pipeline.answer)

    async def search_words(request: Request) -> Response:
        return await in_turn(request, read_words, served().pipeline.answer_words)

    async def alike(request: Request) -> Response:
        card_id = request.path_params["card_id"]
        answer = partial(served().pipeline.answer_alike, card_id)
        return await in_turn(request, read_wishes_of_address, answer)

    async def detect(request: Request) -> Response:
        return await in_turn(request, read_photo, served().pipeline.detect)

    async def in_turn(request: Request, read: Read, act: Act) -> Response:
        if limiter.statistics().tasks_waiting >= SEARCHES_WAITING:
            return unavailable("Too many searches at once. Try again in a few seconds.")
        return as_json(await to_thread.run_sync(act, await read(request), limiter=limiter))

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
        if not THUMBNAIL_NAME.fullmatch(name):
            raise no_thumbnail()
        found = (release.thumbnails / name for release in served().releases)
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            raise no_thumbnail()
        # Named by its content, so it never changes.
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/jpeg", headers=headers)

    calls = [
        Route("/search", search, methods=["POST"]),
        Route("/search/text", search_words, methods=["POST"]),
        Route("/cards/{card_id}/similar", alike),
        Route("/detect", detect, methods=["POST"]),
        Route("/queries/{query_id}/articles", articles),
        *maps.routes(served),
        Route("/release", release),
        *engineers.routes(served),
        Route("/thumbnails/{name}", thumbnail),
        *event_routes(served),
        *experiment_routes(served),
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


def no_thumbnail() -> HTTPException:
    return HTTPException(404, "There is no such thumbnail. Take its address from a search.")


def as_json(
    answer: BaseModel, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """An answer of ours as a response."""
    body = answer.model_dump_json()
    return Response(body, status, headers=headers, media_type="application/json")


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
