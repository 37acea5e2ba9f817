"""The HTTP face of the pretended marketplace; every answer is made when it is asked for."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.annotators import BadTask, annotate
from simulator.busy import Busy
from simulator.calendar import changed_on, gone_on, is_on_sale, moment, price_factor
from simulator.photos import Review, find_picture, gallery, reviews, truth
from simulator.pictures import render
from simulator.world import World, card_id, card_page

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
MAX_BODY_BYTES = 20_000_000


def make_app(world: World, *, busy_every: int = 0) -> Starlette:
    """The marketplace of a world, as an ASGI application.

    Args:
        world: What it sells.
        busy_every: Each so many requests one is turned away; 0 turns none away.
    """
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
    if busy_every:
        app.add_middleware(Busy, every=busy_every)
    return app


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


def _healthz(request: Request) -> Response:
    world = _world(request)
    return JSONResponse({"status": "ok", "seed": world.seed, "cards": world.n_cards})


def _cards(request: Request) -> Response:
    """All cards, or with a cursor of an earlier end what changed since."""
    world, limit = _world(request), _limit(request)
    since, first, _ = _cursor(request)
    page: list[dict[str, object]] = []
    number = first
    while number < world.n_cards and len(page) < limit:
        gone, changed = gone_on(world, number), changed_on(world, number)
        if gone is None and (since is None or changed > since):
            page.append(_card_page(world, number, changed))
        elif gone is not None and since is not None and gone > since:
            page.append(_gone({"card_id": card_id(number)}, world, number))
        number += 1
    return _page("cards", page, world, _Cursor(since, number, 0))


def _reviews(request: Request) -> Response:
    """A cursor names a card and a review of it, so that a page may end inside a card."""
    world, limit = _world(request), _limit(request)
    since, card, skip = _cursor(request)
    page: list[dict[str, object]] = []
    while card < world.n_cards and len(page) < limit:
        waiting = _reviews_of(world, card, since)[skip:]
        taken = waiting[: limit - len(page)]
        page += taken
        is_card_done = len(taken) == len(waiting)
        card, skip = (card + 1, 0) if is_card_done else (card, skip + len(taken))
    return _page("reviews", page, world, _Cursor(since, card, skip))


def _page(
    table: str, rows: list[dict[str, object]], world: World, following: "_Cursor"
) -> Response:
    """Rows with the cursor of the next page or, at the end, the one that later changes follow."""
    is_end = following.card >= world.n_cards
    return JSONResponse(
        {
            table: rows,
            "next_cursor": None if is_end else following.text(world.seed),
            "resume_cursor": _Cursor(world.day, 0, 0).text(world.seed) if is_end else None,
        }
    )


def _card_page(world: World, number: int, changed: int) -> dict[str, object]:
    page = card_page(world, number)
    stars = [review.rating for review in reviews(world, number)]
    price = round(float(str(page["price"])) * price_factor(world, number, changed), 2)
    return page | {
        "price": price,
        "rating": round(sum(stars) / len(stars), 2),
        "n_reviews": len(stars),
        "images": [f"/images/{picture.name}" for picture in gallery(world, number)],
        "updated_at": moment(world, number, changed),
    }


def _reviews_of(world: World, card: int, since: int | None) -> list[dict[str, object]]:
    """Reviews never change: after the opening there is news only of cards that went."""
    gone = gone_on(world, card)
    if gone is None:
        return [] if since is not None else [_review_page(each) for each in reviews(world, card)]
    if since is None or gone <= since:
        return []
    return [
        _gone({"review_id": review.review_id, "card_id": card_id(card)}, world, card)
        for review in reviews(world, card)
    ]


def _gone(named: dict[str, object], world: World, card: int) -> dict[str, object]:
    return named | {"deleted": True, "updated_at": moment(world, card, gone_on(world, card) or 0)}


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
    _, first, _ = _cursor(request)
    last = min(first + limit, world.n_cards)
    following = f"{last}.0" if last < world.n_cards else None
    cards = [truth(world, number) for number in range(first, last)]
    return JSONResponse({"cards": cards, "next_cursor": following})


def _image(request: Request) -> Response:
    world, name = _world(request), request.path_params["name"]
    try:
        picture = find_picture(world, name)
        if not is_on_sale(world, picture.card):
            raise KeyError(name)
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


@dataclass(frozen=True, slots=True)
class _Cursor:
    """`CARD.REVIEW`, or `CARD.REVIEW.SEED.DAY` where only changes since a day are told."""

    since: int | None
    card: int
    review: int

    def text(self, seed: int) -> str:
        plain = f"{self.card}.{self.review}"
        return plain if self.since is None else f"{plain}.{seed}.{self.since}"


def _cursor(request: Request) -> tuple[int | None, int, int]:
    """The day since which, the card and the review to go on from; the start without a cursor."""
    text, world = request.query_params.get("cursor") or "0.0", _world(request)
    parts = text.split(".")
    is_cursor = len(parts) in {2, 4} and all(
        part.isascii() and part.isdigit() and len(part) < 10 for part in parts
    )
    card, review, seed, day = [*map(int, parts), world.seed, 0][:4] if is_cursor else (0, 0, 0, 0)
    if not is_cursor or card > world.n_cards or seed != world.seed or day > world.day:
        raise HTTPException(
            400, f"Cursor {text!r} is not one of ours. Take `next_cursor` of the page before."
        )
    return (day if len(parts) == 4 else None), card, review


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
