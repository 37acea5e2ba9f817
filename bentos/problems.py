"""Errors as RFC 9457 problem documents; knows which error means which status."""

import logging
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

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
    UnknownQuery,
    UnreadablePhoto,
)
from photosearch.search.schemas import Problem

RETRY_AFTER_S = 5
STATUS_OF: dict[type[Exception], int] = {
    BadRequest: 400, BadBox: 400, BadLength: 400, UnknownQuery: 404, NoMap: 404, HugePhoto: 413,
    UnreadablePhoto: 422, EventsOff: 503,
}  # fmt: skip
"""Errors whose turn is the caller's; their messages are for the caller."""

log = logging.getLogger(__name__)


async def answer_error(request: Request, error: Exception) -> Response:
    """Turns whatever an endpoint raised into a problem document: the status says whose turn it is.

    Errors of ours are only logged in full: their messages may name paths or hosts.
    """
    if isinstance(error, HTTPException):
        headers = dict(error.headers) if error.headers else None
        return problem(error.status_code, _detail(request, error), headers=headers)
    if type(error) in STATUS_OF:
        return problem(STATUS_OF[type(error)], str(error))
    if isinstance(error, EncoderUnavailable | IndexProblem):
        log.warning("%s: %s", request.url.path, error)
        part = "model" if isinstance(error, EncoderUnavailable) else "index"
        return unavailable(f"The {part} does not answer. Try again in a few seconds.")
    if isinstance(error, EventsUnavailable):
        log.warning("%s: %s", request.url.path, error)
        return unavailable(
            "The store of events does not answer. Send them again in a few seconds: each event is "
            "kept once."
        )
    log.error("%s failed", request.url.path, exc_info=error)
    return problem(500, "The search failed, by no fault of yours. The log says why.")


def unavailable(detail: str) -> Response:
    """503: the same request may well succeed later."""
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """One problem document as a response."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return Response(
        body.model_dump_json(), status, headers=headers, media_type="application/problem+json"
    )


def _detail(request: Request, error: HTTPException) -> str:
    if error.detail != HTTPStatus(error.status_code).phrase:
        return error.detail
    return (
        f"{error.detail}: {request.method} {request.url.path}. "
        "There are POST /v1/search, POST /v1/detect, POST /v1/events, GET /v1/queries/ID/articles, "
        "GET /v1/queries/ID/maps, "
        "GET /v1/release, GET /v1/thumbnails/NAME, and the page at /."
    )
