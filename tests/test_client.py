"""The Python client against the real app over real HTTP, and against one that fails on purpose."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from asking import RED
from small_shop import SmallShop, colour, jpeg, mapped, open_shop, painted, served, sighted
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from told_events import an_event

from photosearch.client import Client
from photosearch.errors import CallFailed
from photosearch.feedback.store import open_store

CARD = {
    "card_id": "red", "title": "Red", "title_ru": None, "description": None, "category": [],
    "brand": None, "article": None, "price": None, "rating": None, "n_reviews": None,
    "seller": None, "status": None, "thumbnail": None,
}  # fmt: skip
RELEASE = {"release": "r", "model_id": "m", "index_id": "i", "data_version": "d"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    folder = tmp_path_factory.mktemp("shop")
    with closing(open_store(f"sqlite:///{folder}/events.sqlite")) as events:
        yield replace(mapped(sighted(open_shop(folder), lambda _: [])), events=events)


@pytest.fixture(scope="module")
def api(shop: SmallShop) -> Iterator[Client]:
    with served(shop) as address, Client(address) as client:
        yield client


def test_a_photo_is_searched_with_wishes(api: Client):
    answer = api.search(RED, limit=2, where={"price_max": 11}, explain=True, box=[0, 0, 200, 200])
    assert [card.card.card_id for card in answer.cards] == ["red", "green"]
    assert answer.cards[0].reasons
    assert answer.box == (0, 0, 200, 200)


def test_a_wish_of_none_is_none(api: Client):
    assert len(api.search(RED, limit=None, box=None).cards) == 5


def test_several_photos_have_their_own_answers(api: Client):
    blue = jpeg(painted(colour("blue")))
    first, second = api.search_batch([blue, b"broken"], limit=1).answers
    assert first.answer is not None
    assert first.answer.cards[0].card.card_id == "blue"
    assert second.problem is not None
    assert second.problem.status == 422


def test_cards_pictures_things_and_articles(api: Client):
    answer = api.search(RED)
    told = api.card("red")
    assert told.card == answer.cards[0].card
    assert api.thumbnail(told.gallery[0]).startswith(b"\xff\xd8")
    assert [card.card.card_id for card in api.similar("red", limit=1).cards] != ["red"]
    assert len(api.detect(RED).objects) == 1
    assert api.articles(answer.query_id).state == "read"
    assert api.tags("re").n_found == 0


def test_a_map_is_drawn_of_a_search_that_asked_to_explain(api: Client):
    query_id = api.search(RED, explain=True).query_id
    for png in (api.maps(query_id), api.maps(query_id, card="red")):
        assert png.startswith(b"\x89PNG")
    with pytest.raises(CallFailed, match="answered 404"):
        api.maps(api.search(RED).query_id)


def test_what_engineers_ask_is_told_as_the_service_tells_it(api: Client):
    assert api.release()["release"] == "r1"
    assert api.release_report()["switches"] is None
    assert api.experiments() == []


def test_events_are_kept_and_those_sent_again_are_known(api: Client, shop: SmallShop):
    first, second = an_event(kind="click", rank=1), an_event(kind="view", view_ms=900)
    assert (api.events([first]).kept, api.events([first, second]).known) == (1, 1)
    stored = [one.event for one in shop.events.events()]
    assert stored[-2:] == [first, second]


def losing_its_first_answer(app: ASGIApp) -> ASGIApp:
    """Does what each call asks, but answers the first as a proxy whose connection broke."""
    calls = list[str]()

    async def nowhere(_: Message) -> None: ...

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        is_first = scope["type"] == "http" and not calls
        calls.extend([scope["path"]] if is_first else [])
        await app(scope, receive, nowhere if is_first else send)
        if is_first:
            await PlainTextResponse("Bad gateway", 502)(scope, receive, send)

    return ask


def test_events_whose_answer_was_lost_are_sent_again_and_kept_once(shop: SmallShop):
    event, waited = an_event(), list[float]()
    with (
        served(shop, before=losing_its_first_answer) as address,
        Client(address, wait=waited.append) as api,
    ):
        kept = api.events([event])
    assert (kept.kept, kept.known, len(waited)) == (0, 1, 1)
    assert [one.event for one in shop.events.events()].count(event) == 1


def test_events_are_not_sent_again_to_a_service_that_keeps_none(shop: SmallShop):
    waited = list[float]()
    with (
        served(replace(shop, events=None)) as address,
        Client(address, wait=waited.append) as api,
        pytest.raises(CallFailed, match="answered 501: There is no store of events") as error,
    ):
        api.events([an_event()])
    assert (error.value.status, waited) == (501, [])


def test_a_refusal_is_told_at_once_with_its_detail(api: Client):
    with pytest.raises(CallFailed, match=r"POST /v1/search answered 400: Limit 0 is not") as error:
        api.search(RED, limit=0)
    assert error.value.status == 400
    with pytest.raises(CallFailed, match="There is no card 'no such'"):
        api.card("no such")


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], object]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, and what it was asked; 0 closes the connection."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, headers, body = left.pop(0)
            if status == 0:
                self.close_connection = True
                return
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()


BUSY = {"type": "about:blank", "title": "Busy", "status": 503, "detail": "Too many."}
GOOD = {"card": CARD, "gallery": [], "release": RELEASE}


def test_a_call_is_tried_again_when_the_service_says_so():
    waited: list[float] = []
    answers = [(503, {"Retry-After": "7"}, BUSY), (429, {"Retry-After": "900"}, BUSY), (0, {}, b"")]
    with scripted(*answers, (200, {}, GOOD)) as (address, asked):
        with Client(address, wait=waited.append) as api:
            assert api.card("red").card.title == "Red"
        assert len(asked) == 4
    assert waited == [7, 30, 2]


def test_after_the_last_try_the_call_has_failed():
    with scripted(*[(503, {}, BUSY)] * 2) as (address, asked):
        client = Client(address, tries=2, wait=lambda _: None)
        with client as api, pytest.raises(CallFailed, match="answered 503: Too many"):
            api.card("red")
        assert len(asked) == 2
    client = Client(address, tries=2, wait=lambda _: None)
    with client as api, pytest.raises(CallFailed, match="not answer: ConnectError") as error:
        api.card("red")
    assert error.value.status == 0


def test_an_error_of_a_proxy_is_told_as_it_is():
    with (
        scripted((502, {}, b"<html>Bad gateway</html>")) as (address, _),
        Client(address, tries=1) as api,
        pytest.raises(CallFailed, match="<html>Bad gateway"),
    ):
        api.card("red")


def test_fields_of_a_newer_service_are_left_out():
    newer = GOOD | {"colour": "red", "card": CARD | {"weight": 3}}
    with scripted((200, {}, newer)) as (address, _), Client(address) as api:
        assert api.card("red").card.card_id == "red"


def test_articles_are_asked_for_until_they_are_read():
    query_id = "0" * 32
    waited: list[float] = []

    def told(state: str) -> dict[str, object]:
        return {"query_id": query_id, "state": state, "found": [], "cards": [], "release": RELEASE}

    reading = (202, {"Retry-After": "1"}, told("reading"))
    answers = [reading, reading, (200, {}, told("read")), reading, reading]
    with scripted(*answers) as (address, asked), Client(address, wait=waited.append) as api:
        assert api.articles(query_id).state == "read"
        assert (len(asked), waited) == (3, [1, 1])
        assert api.articles(query_id, wait_s=1.5).state == "reading"
        assert (len(asked), waited) == (5, [1, 1, 1])
