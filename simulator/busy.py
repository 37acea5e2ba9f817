"""Turns away some requests as a busy server does: HTTP 429 and 503 in turn, with Retry-After."""

from itertools import count

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

STATUSES = (429, 503)
RETRY_AFTER_S = "1"


class Busy:
    """ASGI middleware; which request is turned away depends on nothing but their number."""

    def __init__(self, app: ASGIApp, *, every: int) -> None:
        self._app, self._every = app, every
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = next(self._numbers) if scope["type"] == "http" else 0
        if number == 0 or number % self._every:
            await self._app(scope, receive, send)
            return
        status = STATUSES[number // self._every % len(STATUSES)]
        answer = JSONResponse(
            {"error": "Too many requests. Ask again later."},
            status_code=status,
            headers={"Retry-After": RETRY_AFTER_S},
        )
        await answer(scope, receive, send)
