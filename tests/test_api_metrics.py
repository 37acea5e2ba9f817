"""What metrics tell, and answers that go without a step and say so."""

import dataclasses
from hashlib import sha256
from types import SimpleNamespace

import anyio
import httpx
import pytest
import whole_shop
from asking import RED, assert_problem, batch, open_api, search
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from small_shop import (
    SmallShop,
    jpeg,
    painted,
)
from starlette.types import Message, Receive, Scope, Send

from bentos.metrics import CALL, Measured
from photosearch.search.schemas import SearchResponse

shop, api = whole_shop.shop, whole_shop.api


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("a step of no use")


class DeadReader:
    start = read = fail


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("rank", fail), ("late_interaction", fail), ("rerank", fail), ("chips", fail),
        ("articles", DeadReader()),
    ],
)  # fmt: skip
def test_a_step_that_fails_is_gone_without_and_told(
    api: httpx.Client, shop: SmallShop, field: str, broken: object
):
    before = counted(api, "photosearch_degraded_total", step=field)
    whole = shop.pipeline
    right = SearchResponse.model_validate(search(api).json())
    shop.pipeline = dataclasses.replace(whole, **{field: broken})
    try:
        answer = SearchResponse.model_validate(search(api).json())
    finally:
        shop.pipeline = whole
    if field == "rank":  # whose scores alone have probabilities
        unknown = [card.model_copy(update={"probability": None}) for card in right.cards]
        right = right.model_copy(update={"cards": unknown})
    assert answer.cards == right.cards
    assert answer.degraded == [field]
    assert right.degraded == []
    assert answer.articles.state == ("failed" if field == "articles" else "read")
    assert counted(api, "photosearch_degraded_total", step=field) == before + 1


@pytest.mark.parametrize("field", ["candidates", "embed", "cards", "policies"])
def test_a_step_that_an_answer_needs_is_not_gone_without(
    api: httpx.Client, shop: SmallShop, field: str
):
    whole, step = shop.pipeline, SimpleNamespace(enrich=fail) if field == "cards" else fail
    shop.pipeline = dataclasses.replace(whole, **{field: step})
    try:
        assert_problem(search(api), 500, "by no fault of yours")
    finally:
        shop.pipeline = whole


def counted(api: httpx.Client, name: str, **labels: str) -> float:
    """The value of a metric, 0 where nothing was counted."""
    families = text_string_to_metric_families(api.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def test_metrics_tell_stages_problems_and_abstentions(api: httpx.Client):
    def now() -> list[float]:
        stage = {"call": "search", "stage": "candidates"}
        return [
            counted(api, "photosearch_stage_seconds_count", **stage),
            counted(api, "photosearch_call_seconds_count", call="search", status="200"),
            counted(api, "photosearch_call_seconds_count", call="search", status="422"),
            counted(api, "photosearch_problems_total", kind="UnreadablePhoto", status="422"),
            counted(api, "photosearch_answers_total", confident="yes"),
            counted(api, "photosearch_answers_total", confident="no"),
            counted(api, "photosearch_queue_seconds_count"),
            counted(api, "photosearch_batch_searches_sum"),
            counted(api, "photosearch_searches_running"),
        ]

    before = now()
    search(api)
    search(api, jpeg(painted((250, 250, 250))))  # white: none of the shop's colours
    search(api, b"dear diary")
    batch(api, RED, RED)
    assert [b - a for a, b in zip(before, now(), strict=True)] == [2, 2, 1, 1, 3, 1, 5, 2, 0]


def test_calls_are_counted_by_their_name_and_not_by_their_path(api: httpx.Client):
    for number in range(20):
        api.get(f"/v1/cards/{number}")
        api.get(f"/nowhere/{number}")
    text = api.get("/metrics").text
    assert 'call="card"' in text
    assert "nowhere" not in text
    assert "/v1/cards" not in text


def test_calls_that_are_turned_away_at_the_door_are_counted_as_refused_and_not_as_the_page(
    shop: SmallShop,
):
    with open_api(shop, key_of={sha256(b"key").hexdigest(): "shop"}, key_per_min=1) as api:
        name = "photosearch_call_seconds_count"
        pages = counted(api, name, call="page")
        without = counted(api, name, call="refused", status="401")
        beyond = counted(api, name, call="refused", status="429")
        assert search(api).status_code == 401
        told = [api.get("/v1/release", headers={"X-API-Key": "key"}).status_code for _ in range(2)]
        assert told == [200, 429]
        assert counted(api, name, call="page") == pages
        assert counted(api, name, call="refused", status="401") == without + 1
        assert counted(api, name, call="refused", status="429") == beyond + 1


def test_what_browsers_ask_before_a_call_is_counted_by_itself(shop: SmallShop):
    ours = "https://shop.example"
    asked = {"Origin": ours, "Access-Control-Request-Method": "POST"}
    name = "photosearch_call_seconds_count"
    with open_api(shop, origins=(ours,)) as api:
        before = counted(api, name, call="preflight", status="200")
        assert api.options("/v1/search", headers=asked).status_code == 200
        assert counted(api, name, call="preflight", status="200") == before + 1
    with open_api(shop) as api:  # here nobody may ask
        before = counted(api, name, call="preflight")
        assert api.options("/v1/search", headers=asked).status_code == 405
        assert counted(api, name, call="preflight") == before


def test_a_call_is_timed_to_its_answers_end_and_no_further():
    at = 0.0

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        nonlocal at
        scope[CALL] = "timed"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        at = 2.0
        await send({"type": "http.response.body", "body": b"b"})
        at = 50.0  # what is done once the answer is sent

    async def nothing(*_: object) -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "raw_path": b"/"}
    anyio.run(Measured(app, clock=lambda: at), scope, nothing, nothing)
    assert REGISTRY.get_sample_value(
        "photosearch_call_seconds_sum", {"call": "timed", "status": "200"}
    ) == pytest.approx(2.0)


def test_each_call_is_one_line_of_the_log_whatever_its_path_is(caplog: pytest.LogCaptureFixture):
    async def app(scope: Scope, _: Receive, send: Send) -> None:
        scope[CALL] = "card"
        await send({"type": "http.response.start", "status": 404})
        await send({"type": "http.response.body", "body": b""})

    async def nothing(*_: object) -> Message:
        return {"type": "http.request"}

    path = b"/v1/cards/no%0Asuch%20card"
    scope = {"type": "http", "method": "GET", "raw_path": path, "client": ("10.0.0.7", 5000)}
    with caplog.at_level("INFO", "bentos.metrics"):
        anyio.run(Measured(app, clock=iter([1.0, 1.5]).__next__), scope, nothing, nothing)
    assert caplog.messages == ["10.0.0.7 GET /v1/cards/no%0Asuch%20card: card, 404, 500.0 ms"]
