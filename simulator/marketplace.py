"""The HTTP face of the pretended marketplace; every answer is made when it is asked for."""

import hashlib
import json
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.annotators import BadTask, annotate
from simulator.photos import Review, find_picture, gallery, reviews, truth
from simulator.pictures import render
from simulator.world import World, card_id, card_page

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
MAX_BODY_BYTES = 20_000_000


def make_app(world: World) -> Starlette:
    """The marketplace of a world, as an ASGI application."""
    app = Starlette(
        routes=[
            Route("/healthz", _healthz),
            Route("/v1/cards", _cards),
            Route("/v1/reviews", _reviews),
            Route("/v1/truth", _truth),
            Route("/v1/annotate", _annotate, methods=["POST"]),
            Route("/images/{name}", _image),
        ],
        exception_handlers={HTTPException: _as_json},
    )
    app.state.world = world
    return app


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


def _healthz(request: Request) -> Response:
    world = _world(request)
    return JSONResponse({"status": "ok", "seed": world.seed, "cards": world.n_cards})


def _cards(request: Request) -> Response:
    world, limit = _world(request), _limit(request)
    first, _ = _cursor(request)
    last = min(first + limit, world.n_cards)
    cards = [
        card_page(world, number)
        | {"images": [f"/images/{picture.name}" for picture in gallery(world, number)]}
        for number in range(first, last)
    ]
    following = f"{last}.0" if last < world.n_cards else None
    return JSONResponse({"cards": cards, "next_cursor": following})


def _reviews(request: Request) -> Response:
    """A cursor names a card and a review of it, so that a page may end inside a card."""
    world, limit = _world(request), _limit(request)
    card, skip = _cursor(request)
    page: list[dict[str, object]] = []
    while card < world.n_cards and len(page) < limit:
        waiting = reviews(world, card)[skip:]
        taken = waiting[: limit - len(page)]
        page += [_review_page(review) for review in taken]
        is_card_done = len(taken) == len(waiting)
        card, skip = (card + 1, 0) if is_card_done else (card, skip + len(taken))
    following = f"{card}.{skip}" if card < world.n_cards else None
    return JSONResponse({"reviews": page, "next_cursor": following})


def _review_page(review: Review) -> dict[str, object]:
    return {
        "review_id": review.review_id,
        "card_id": card_id(review.card),
        "text": review.text,
        "rating": review.rating,
        "split": None,
        "images": [f"/images/{photo.name}" for photo in review.photos],
    }


def _truth(request: Request) -> Response:
    """For tests: what the world knows and no marketplace would tell."""
    world, limit = _world(request), _limit(request)
    first, _ = _cursor(request)
    last = min(first + limit, world.n_cards)
    following = f"{last}.0" if last < world.n_cards else None
    cards = [truth(world, number) for number in range(first, last)]
    return JSONResponse({"cards": cards, "next_cursor": following})


def _image(request: Request) -> Response:
    world, name = _world(request), request.path_params["name"]
    try:
        picture = find_picture(world, name)
    except KeyError:
        raise HTTPException(404, f"There is no picture {name!r}. Names come from /v1/cards and "
                                 "/v1/reviews.") from None  # fmt: skip
    content = render(world, picture)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(content, media_type="image/jpeg", headers={"ETag": etag})


async def _annotate(request: Request) -> Response:
    try:
        body = json.loads(await _body(request))
    except ValueError:
        raise HTTPException(400, 'The body is not JSON. Send {"tasks": [...]}.') from None
    if not isinstance(body, dict) or "tasks" not in body:
        raise HTTPException(400, 'The body has no `tasks`. Send {"tasks": [...]}.')
    try:
        tasks = await run_in_threadpool(annotate, _world(request).seed, body["tasks"])
    except BadTask as error:
        raise HTTPException(422, str(error)) from None
    return JSONResponse({"tasks": tasks})


async def _body(request: Request) -> bytes:
    """The whole body, counted as it comes, since Content-Length may be absent or wrong."""
    parts, n_bytes = [], 0
    async for part in request.stream():
        n_bytes += len(part)
        if n_bytes > MAX_BODY_BYTES:
            raise HTTPException(
                413, f"The body is over {MAX_BODY_BYTES:,} bytes. Send it in parts."
            )
        parts.append(part)
    return b"".join(parts)


def _cursor(request: Request) -> tuple[int, int]:
    """Card and review to go on from; the start without a cursor."""
    text, world = request.query_params.get("cursor") or "0.0", _world(request)
    card, dot, review = text.partition(".")
    is_cursor = dot and all(p.isascii() and p.isdigit() and len(p) < 10 for p in (card, review))
    if not is_cursor or int(card) > world.n_cards:
        raise HTTPException(
            400, f"Cursor {text!r} is not one of ours. Take `next_cursor` of the page before."
        )
    return int(card), int(review)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise HTTPException(400, f"Limit {text!r} is not a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


async def _as_json(_: Request, error: Exception) -> Response:
    status, detail = 500, str(error)
    headers: Any = None
    if isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, error.headers
    return JSONResponse({"error": detail}, status_code=status, headers=headers)
