"""Answers of ours as HTTP responses."""

from pydantic import BaseModel
from starlette.responses import Response


def as_json(
    answer: BaseModel, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """An answer of ours as a response."""
    body = answer.model_dump_json()
    return Response(body, status, headers=headers, media_type="application/json")
