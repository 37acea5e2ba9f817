"""`POST /v1/events` over real HTTP: what is kept, what is refused, and what is never lost."""

import gzip
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from small_shop import SmallShop, colour, jpeg, logged, open_shop, painted, served
from test_bentos import assert_problem
from told_events import an_event

from bentos.answers_log import logged as as_logged
from photosearch.feedback.store import open_store
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import InExperiment, SearchResponse

RED_PHOTO = jpeg(painted(colour("red")))
ZIPPED = gzip.compress(b'{"events": []}', mtime=0)  # the same in each process


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    folder = tmp_path_factory.mktemp("shop")
    with closing(open_store(f"sqlite:///{folder}/events.sqlite")) as events:
        yield logged(open_shop(folder), events)


@pytest.fixture(scope="module")
def api(shop: SmallShop) -> Iterator[httpx.Client]:
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def wire(**said: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(an_event().model_dump_json())
    return event | said


def send(api: httpx.Client, *events: object) -> httpx.Response:
    return api.post("/v1/events", json={"events": events})


def test_events_are_kept_and_those_sent_again_are_known(api: httpx.Client, shop: SmallShop):
    first, second = wire(kind="click", rank=2), wire(kind="view", view_ms=900, query_id=None)
    response = send(api, first)
    assert (response.status_code, response.json()) == (200, {"kept": 1, "known": 0})
    assert send(api, first, second, second).json() == {"kept": 1, "known": 2}
    ids = [stored.event.event_id for stored in shop.events.events()]
    assert ids == [first["event_id"], second["event_id"]]


def test_no_more_is_stored_of_a_caller_than_the_events_say(api: httpx.Client, shop: SmallShop):
    headers = {"User-Agent": "a-telling-browser", "X-Forwarded-For": "203.0.113.77"}
    assert api.post("/v1/events", json={"events": [wire()]}, headers=headers).status_code == 200
    address = shop.events.place.removeprefix("sqlite:///")
    with closing(sqlite3.connect(address)) as database:
        dump = "\n".join(database.iterdump())
    assert "shopper-1" in dump
    for told in ("a-telling-browser", "203.0.113.77", "127.0.0.1"):
        assert told not in dump


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], "'events': List should have at least 1 item"),
        ([{}], "Event 0 (the first is 0): 'event_id': Field required"),
        (["click"], "Event 0 (the first is 0): Input should be an object"),
        ([wire(), wire(rank=0)], "Event 1 (the first is 0): 'rank': Input should be greater than"),
        ([wire(rank="3")], "'rank': Input should be a valid integer"),
        ([wire(kind="like")], "'kind': Input should be 'impression', 'click', 'cart', 'purchase'"),
        ([wire(shopper="a b")], "'shopper': String should match pattern"),
        ([wire(card_id="a\x00")], "'card_id': String should match pattern"),
        ([wire(at="yesterday")], "'at': Input should be a valid datetime"),
        ([wire(at="2026-11-22T12:00:00")], "'at': Input should have timezone info"),
        ([wire(at="0001-01-01T00:00:00+14:00")], "'at': Value error, year 1 is not between 2000"),
        ([wire(at=1e300)], "'at': "),
        ([wire(view_ms=10**30)], "'view_ms': "),
        ([wire(**{"x" * 5000: 1})], "x…': Extra inputs are not permitted"),
        ([wire() for _ in range(501)], "'events': List should have at most 500 items"),
    ],
)
def test_one_wrong_event_refuses_all_and_says_which_and_where(
    api: httpx.Client, shop: SmallShop, events: list[object], words: str
):
    before = len(list(shop.events.events()))
    response = send(api, *events)
    assert_problem(response, 400, words, "No event was kept: mend it and send all again.")
    assert len(response.text) < 500
    assert len(list(shop.events.events())) == before


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'{"events": [', b"\xff\xfe", b'{"events": ["\\ud800"]}', b"[" * 100_000,
     b'{"events": [], "events": {}}', b'{"more": 1}', b"NaN", ZIPPED],
)  # fmt: skip
def test_a_body_that_is_no_batch_is_400(api: httpx.Client, body: bytes):
    response = api.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "No event was kept")


def test_a_body_of_another_kind_is_415(api: httpx.Client):
    assert_problem(api.post("/v1/events", data={"events": "[]"}), 415, "is not application/json")
    assert_problem(api.post("/v1/events"), 415, 'Send -H "Content-Type: application/json"')


def test_a_body_that_is_too_large_is_413_also_in_chunks(api: httpx.Client):
    events = [wire(card_id="x" * 200, shopper="y" * 64) for _ in range(500)]
    body = json.dumps({"events": [*events, *events]}).encode()
    assert len(body) > 256 * 1024
    chunks = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    headers = {"Content-Type": "application/json"}
    for content in (body, chunks):
        response = api.post("/v1/events", content=content, headers=headers)
        assert_problem(response, 413, "more than 262,144 bytes. Send fewer events")


def test_other_methods_are_405(api: httpx.Client):
    assert_problem(api.get("/v1/events"), 405, "GET /v1/openapi.json lists them")


def test_without_a_store_it_is_501_not_to_be_asked_again_and_names_the_setting(shop: SmallShop):
    with served(replace(shop, events=None)) as address:
        response = httpx.post(f"{address}/v1/events", json={"events": [wire()]}, timeout=60)
    assert_problem(response, 501, "There is no store of events. Set PHOTOSEARCH_EVENTS")
    assert "retry-after" not in response.headers


def test_a_store_that_is_held_is_503_with_retry_after_within_the_deadline(
    shop: SmallShop, tmp_path: Path
):
    path = tmp_path / "events.sqlite"
    with (
        closing(open_store(f"sqlite:///{path}")) as events,
        served(replace(shop, events=events)) as address,
        httpx.Client(base_url=address, timeout=60) as api,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        assert send(api, wire()).status_code == 200
        other.execute("BEGIN IMMEDIATE")
        event, began = wire(), time.monotonic()
        response = send(api, event)
        assert time.monotonic() - began < 8
        assert_problem(response, 503, "The store of events does not answer", "kept once")
        assert response.headers["retry-after"] == "5"
        assert str(path) not in response.text
        other.execute("ROLLBACK")
        assert send(api, event).status_code == 200
        assert len(list(events.events())) == 2


def test_a_caller_that_goes_away_in_the_middle_of_a_body_harms_nobody(api: httpx.Client):
    where = urlsplit(str(api.base_url))
    with socket.create_connection((where.hostname, where.port)) as caller:
        caller.sendall(
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b'Content-Length: 1000\r\n\r\n{"events"'
        )
    assert send(api, wire()).status_code == 200


def test_what_a_search_showed_is_logged_with_what_ranked_it(api: httpx.Client, shop: SmallShop):
    photo = {"photo": ("red.jpg", RED_PHOTO)}
    answer = SearchResponse.model_validate(
        api.post("/v1/search", files=photo, data={"limit": "2"}).json()
    )
    similar = api.get("/v1/cards/red/similar", params={"limit": 1}).json()
    assert send(api, wire(query_id=answer.query_id, card_id="red")).status_code == 200
    by_photo, alike = shop.events.answers([answer.query_id, similar["query_id"]])
    assert [(card.card_id, card.rank) for card in by_photo.cards] == [
        (card.card.card_id, card.rank) for card in answer.cards
    ]
    assert by_photo.cards[0].photo_id == "red/gallery/0"
    assert (by_photo.release, by_photo.shopper, by_photo.photo_sha256) == ("r1", "", "")
    assert len(alike.cards) == 1


def test_the_log_tells_shopper_arm_and_features_of_an_answer(shop: SmallShop):
    request = SearchRequest(RED_PHOTO, shopper="k7Qm2x_Tz0")
    answered = shop.pipeline.answer(request)
    ranked = [
        card.model_copy(update={"features": {"cosine": 0.123456789, "votes": 1e-9}})
        for card in answered.cards
    ]
    in_arm = answered.model_copy(
        update={"cards": ranked, "experiment": InExperiment(name="bolder", arm="b")}
    )
    told = as_logged(in_arm, request)
    assert (told.shopper, told.experiment, told.arm) == ("k7Qm2x_Tz0", "bolder", "b")
    assert told.cards[0].features == {"cosine": 0.123457, "votes": 1e-9}


def test_a_detection_shows_no_card_and_is_not_logged(api: httpx.Client, shop: SmallShop):
    assert send(api, wire()).status_code == 200  # what other tests showed is logged by then
    before = len(list(shop.events.answers_after(0)))
    assert api.post("/v1/detect", files={"photo": ("red.jpg", RED_PHOTO)}).status_code == 200
    assert send(api, wire()).status_code == 200
    assert len(list(shop.events.answers_after(0))) == before


def test_a_search_goes_on_while_the_log_is_away(shop: SmallShop, tmp_path: Path):
    path = tmp_path / "events.sqlite"
    path.write_text("no database " * 500)
    with (
        closing(open_store(f"sqlite:///{path}")) as events,
        served(logged(shop, events)) as address,
        httpx.Client(base_url=address, timeout=60) as api,
    ):
        for _ in range(3):
            response = api.post("/v1/search", files={"photo": ("red.jpg", RED_PHOTO)})
            assert response.status_code == 200
        assert_problem(send(api, wire()), 503, "The store of events does not answer")
