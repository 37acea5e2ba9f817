"""Errors as RFC 9457 problem documents; knows which error means which status."""

import logging
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos import metrics
from photosearch.errors import (
    BadBox,
    BadLength,
    BadRequest,
    EncoderUnavailable,
    EventsOff,
    EventsUnavailable,
    HugePhoto,
    IndexProblem,
    NoMap,
    Overdue,
    TooBusy,
    TooManyCalls,
    UnknownCard,
    UnknownQuery,
    UnreadablePhoto,
)
from photosearch.search.schemas import Problem

RETRY_AFTER_S = 5
PATH_SHOWN = 100
"""Characters of a caller's path that a message repeats."""
STATUS_OF: dict[type[Exception], int] = {
    BadRequest: 400, BadBox: 400, BadLength: 400, UnknownQuery: 404, UnknownCard: 404, NoMap: 404,
    HugePhoto: 413, UnreadablePhoto: 422, TooManyCalls: 429,
    EventsOff: 501, TooBusy: 503, Overdue: 503,
}  # fmt: skip
"""Errors whose messages are for the caller."""

log = logging.getLogger(__name__)


async def answer_error(request: Request, error: Exception) -> Response:
    """Turns whatever an endpoint raised into a problem document: the status says whose turn it is.

    Errors of ours are only logged in full: their messages may name paths or hosts.
    """
    if isinstance(error, HTTPException):
        headers = dict(error.headers) if error.headers else {}
        return problem(error.status_code, _detail(request, error), headers=headers)
    told = problem_of(error, during=request.url.path)
    headers = {}
    if told.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(error, TooManyCalls):
        headers = {"Retry-After": str(error.wait_s)}
    return _response(told, type(error).__name__, headers)


class Faults:
    """Answers what nobody foresaw as a problem too.

    Starlette's own handler of all exceptions raises them again, and the server then closes the
    connection under the caller's next request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def send_and_see(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_see)
        except Exception as error:
            if has_started or scope["type"] != "http":
                raise
            response = await answer_error(Request(scope), error)
            await response(scope, receive, send)


def problem_of(error: Exception, *, during: str) -> Problem:
    """What a caller is told of an error; what it is not told is in the log."""
    if type(error) in STATUS_OF:
        return _problem(STATUS_OF[type(error)], str(error))
    if isinstance(error, EncoderUnavailable | IndexProblem):
        log.warning("%s: %s", during, error)
        part = "model" if isinstance(error, EncoderUnavailable) else "index"
        return _problem(503, f"The {part} does not answer. Try again in a few seconds.")
    if isinstance(error, EventsUnavailable):
        log.warning("%s: %s", during, error)
        return _problem(
            503,
            "The store of events does not answer. Send them again in a few seconds: each event is "
            "kept once.",
        )
    log.error("%s failed", during, exc_info=error)
    return _problem(500, "The search failed, by no fault of yours. The log says why.")


def problem(status: int, detail: str, *, headers: dict[str, str]) -> Response:
    """One problem document as a response."""
    return _response(_problem(status, detail), HTTPStatus(status).phrase, headers)


def _problem(status: int, detail: str) -> Problem:
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)


def _response(told: Problem, kind: str, headers: dict[str, str]) -> Response:
    metrics.PROBLEMS.labels(str(told.status), kind).inc()
    body = told.model_dump_json()
    return Response(body, told.status, headers=headers, media_type="application/problem+json")


def _detail(request: Request, error: HTTPException) -> str:
    if error.detail != HTTPStatus(error.status_code).phrase:
        return error.detail
    path = request.url.path
    path = path if len(path) <= PATH_SHOWN else path[:PATH_SHOWN] + "…"
    return (
        f"{error.detail}: {request.method} {path}. There are POST /v1/search and "
        "others: GET /v1/openapi.json lists them, docs/api.md explains them. The page is at /."
    )
