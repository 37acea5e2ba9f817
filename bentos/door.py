"""Lets callers in: keys, calls a minute, and pages of other origins."""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos import metrics
from bentos.access import Access, Caller
from bentos.problems import problem
from bentos.rates import Allowance, Rates
from photosearch.errors import TooManyCalls

GUARDED = "/v1/"
OPEN = ("/v1/thumbnails/", "/v1/openapi.json")
"""A browser asks for pictures without a key, and each answer names many."""
TAKE, ALLOWANCE = "photosearch.take", "photosearch.allowance"
"""Where a request's scope has what counts it as several calls, and what its caller may still do."""


class Door:
    """Asks who calls before a byte of the body is read; set up with the first call."""

    def __init__(self, app: ASGIApp, *, access: Callable[[], Access]) -> None:
        """`access`: known once the service has been set up."""
        self._app, self._access = app, access
        self._rates = Rates()
        self._shared: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._shared is None:
            self._shared = shared_with(self._guarded, self._access().origins)
        if is_preflight(scope) and self._access().origins:
            scope[metrics.CALL] = "preflight"
        await self._shared(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not path.startswith(GUARDED) or path.startswith(OPEN):
            await self._app(scope, receive, send)
            return
        host = scope["client"][0] if scope.get("client") else "none"
        caller = self._access().caller(Headers(scope=scope), host)
        if caller.is_refused:
            _count_refused(scope, caller, "key")
            await refused(caller)(scope, receive, send)
            return
        if not caller.per_min:
            await self._app(scope, receive, send)
            return
        allowance = self._rates.take(caller.id, caller.per_min)
        if not allowance.is_allowed:
            _count_refused(scope, caller, "rate")
            headers = rate_headers(caller, allowance)
            await too_many(caller, allowance.wait_s, headers)(scope, receive, send)
            return
        scope[ALLOWANCE] = allowance
        scope[TAKE] = lambda n_calls: self._take(scope, caller, n_calls)
        await self._app(scope, receive, _with_rate_headers(send, scope, caller))

    def _take(self, scope: Scope, caller: Caller, n_calls: int) -> None:
        allowance = self._rates.take(caller.id, caller.per_min, n_calls=n_calls, had=1)
        scope[ALLOWANCE] = allowance
        if not allowance.is_allowed:
            metrics.REFUSED.labels(caller.name, "rate").inc()
            raise TooManyCalls(caller.name, caller.per_min, allowance.wait_s)


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what a page of another origin may send."""
    is_asked = scope["method"] == "OPTIONS"
    return is_asked and "access-control-request-method" in Headers(scope=scope)


def take_calls(request: Request, n_calls: int) -> None:
    """Counts a call as so many; raises TooManyCalls, and counts none, where its caller may not."""
    take = request.scope.get(TAKE)
    if take is not None:
        take(n_calls)


def _count_refused(scope: Scope, caller: Caller, why: str) -> None:
    metrics.REFUSED.labels(caller.name, why).inc()
    scope[metrics.CALL] = "refused"


def shared_with(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """The app, whose answers scripts of these origins may read."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "X-API-Key"],
        expose_headers=["Retry-After", "RateLimit", "RateLimit-Policy"],
        max_age=3600,
    )


def refused(caller: Caller) -> Response:
    """401: the caller has no key, or one that nobody knows."""
    what = "The key is not known" if caller.name == "unknown" else "A key is needed"
    detail = f"{what}. Send it as `X-API-Key: KEY` or `Authorization: Bearer KEY`."
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def too_many(caller: Caller, wait_s: int, headers: dict[str, str]) -> Response:
    """429, and when to come again."""
    detail = str(TooManyCalls(caller.name, caller.per_min, wait_s))
    return problem(429, detail, headers=headers | {"Retry-After": str(wait_s)})


def rate_headers(caller: Caller, allowance: Allowance) -> dict[str, str]:
    """What a caller may still do.

    Source: draft-ietf-httpapi-ratelimit-headers-10, "RateLimit header fields for HTTP".
    """
    return {
        "RateLimit-Policy": f'"calls";q={caller.per_min};w=60',
        "RateLimit": f'"calls";r={allowance.left};t={allowance.full_s}',
    }


def _with_rate_headers(send: Send, scope: Scope, caller: Caller) -> Send:
    """Tells what is left when the answer starts: a batch takes further calls until then."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(rate_headers(caller, scope[ALLOWANCE]))
        await send(message)

    return send_with_headers
