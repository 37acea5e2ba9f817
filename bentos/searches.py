"""The calls that search: by photo, words or card, one or many; each in its turn, none for ever."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentos import metrics
from bentos.answers import Served
from bentos.door import take_calls
from bentos.gathering import SEAT, Gathering, Seat
from bentos.problems import problem_of
from bentos.responses import as_json
from bentos.turns import Turns
from bentos.upload import (
    in_time,
    read_batch,
    read_photo,
    read_search,
    read_wishes_of_address,
    read_words,
)
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import (
    BatchAnswer,
    BatchResponse,
    CardsResponse,
    DetectResponse,
    SearchResponse,
)

Told = SearchResponse | CardsResponse | DetectResponse
Read = Callable[[Request], Awaitable[SearchRequest]]
Act = Callable[[SearchRequest], Told]


def routes(served: Callable[[], Served], turns: Turns) -> list[Route]:
    """The routes below /v1; `served` is asked at each request."""

    async def search(request: Request) -> Response:
        return await answered(request, read_search, served().pipeline.answer)

    async def search_words(request: Request) -> Response:
        return await answered(request, read_words, served().pipeline.answer_words)

    async def similar(request: Request) -> Response:
        act = partial(served().pipeline.answer_alike, request.path_params["card_id"])
        return await answered(request, read_wishes_of_address, act)

    async def detect(request: Request) -> Response:
        return await answered(request, read_photo, served().pipeline.detect)

    async def answered(request: Request, read: Read, act: Act) -> Response:
        access = served().access
        wanted = await in_time(read, request, upload_s=access.upload_s)
        answer = await turns.take(lambda: act(wanted), deadline_s=access.deadline_s)
        # counted afterwards: it would take half a millisecond of everybody's waiting
        call = request.scope["endpoint"].__name__
        return as_json(answer, then=partial(observe, call, answer))

    async def search_batch(request: Request) -> Response:
        access, came = served().access, time.perf_counter()
        wanted = await in_time(read_batch, request, upload_s=access.upload_s)
        take_calls(request, len(wanted))
        metrics.BATCHES.observe(len(wanted))
        acts = [partial(served().pipeline.answer, one) for one in wanted]
        answers = await all_of(acts, turns, deadline_s=access.deadline_s)
        total_ms = round((time.perf_counter() - came) * 1000, 3)
        return as_json(BatchResponse(answers=answers, took_ms={"total": total_ms}))

    return [
        Route("/search", search, methods=["POST"]),
        Route("/search/text", search_words, methods=["POST"]),
        Route("/search/batch", search_batch, methods=["POST"]),
        Route("/cards/{card_id}/similar", similar),
        Route("/detect", detect, methods=["POST"]),
    ]


async def all_of(
    acts: Sequence[Callable[[], SearchResponse]], turns: Turns, *, deadline_s: float
) -> list[BatchAnswer]:
    """Each search's own answer or problem; their photos are embedded as one list.

    One deadline holds for all: what is not ready by then is told as 503.
    """
    answers: list[BatchAnswer] = [BatchAnswer(answer=None, problem=None)] * len(acts)
    gathering = Gathering(len(acts))

    async def answer(place: int) -> None:
        seat = Seat(gathering)
        SEAT.set(seat)  # for this task and the thread that it starts
        try:
            found = await turns.take(acts[place], deadline_s=deadline_s)
        except Exception as error:  # a fault of one search is none of the others'
            told = problem_of(error, during="a search of a batch")
            metrics.PROBLEMS.labels(str(told.status), type(error).__name__).inc()
            answers[place] = BatchAnswer(answer=None, problem=told)
        else:
            observe("search_batch", found)
            answers[place] = BatchAnswer(answer=found, problem=None)
        finally:
            seat.leave()

    async with anyio.create_task_group() as tasks:
        for place in range(len(acts)):
            tasks.start_soon(answer, place)
    return answers


def observe(call: str, answer: Told) -> None:
    """Counts what an answer tells of itself."""
    degraded = [] if isinstance(answer, DetectResponse) else answer.degraded
    metrics.observe_answer(call, answer.took_ms, degraded=degraded)
    if isinstance(answer, SearchResponse):
        metrics.observe_confidence(answer.is_confident)
