"""Answers of ours as HTTP responses."""

import asyncio
from collections.abc import Callable

from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import Response


def as_json(
    answer: BaseModel,
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    then: Callable[[], None] | None = None,
) -> Response:
    """An answer of ours as a response; `then` is called once it is sent, and must be quick."""
    body = answer.model_dump_json()
    after = None if then is None else BackgroundTask(_once_sent, then)
    return Response(body, status, headers=headers, media_type="application/json", background=after)


async def _once_sent(act: Callable[[], None]) -> None:
    await asyncio.sleep(0)  # uvloop sends what was written at the end of its round
    act()
