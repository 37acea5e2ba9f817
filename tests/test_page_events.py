"""What the page tells of a shopper: what came into view, was opened and looked at; or nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import wordy_shop
from page_windows import best_match, card, window, without_following
from playwright.sync_api import Browser, Page, expect
from pydantic import TypeAdapter
from small_shop import SmallShop, logged, open_shop, served
from starlette.types import ASGIApp, Receive, Scope, Send
from told_events import NOW

from photosearch.feedback.schemas import Event
from photosearch.feedback.store import open_store

pytestmark = pytest.mark.slow
red_photo = wordy_shop.red_photo
EVENTS = TypeAdapter(list[Event])
KEY = "localStorage.getItem('photosearch-shopper')"
ONCE_IN_VIEW = """(card, isIn) => new Promise((resolve) => new IntersectionObserver((entries) => {
  if (entries.at(-1).isIntersecting === isIn) resolve(); // the page's own observer was told before
}).observe(card))"""


class EventDesk:
    """An ASGI app before another: takes events as the API does, and remembers them."""

    def __init__(self, app: ASGIApp) -> None:
        self.events: list[Event] = []
        self.bodies = 0
        self.status = 200
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/events":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies += 1
        if self.status == 200:
            self.events += EVENTS.validate_python(json.loads(body)["events"])
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def desk(shop: SmallShop) -> Iterator[tuple[EventDesk, str]]:
    desks: list[EventDesk] = []

    def before(app: ASGIApp) -> ASGIApp:
        desks.append(EventDesk(app))
        return desks[0]

    with served(shop, before=before) as address:
        yield desks[0], address


def wait_for(page: Page, desk: EventDesk, *kinds: str) -> None:
    """Waits for events of these kinds."""
    wait_until(page, lambda: set(kinds) <= set(desk.kinds()))


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    """Waits at most a minute, while the page goes on."""
    for _ in range(600):
        if is_so():
            return
        page.wait_for_timeout(100)
    raise AssertionError("waited in vain for a minute")


def test_cards_are_told_as_seen_opened_and_looked_at(
    browser: Browser, desk: tuple[EventDesk, str], red_photo: Path
):
    told, address = desk
    with window(browser, address) as page:
        with page.expect_response("**/v1/search") as answered:
            page.set_input_files("#file", red_photo)
        answer = answered.value.json()
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        wait_for(page, told, "impression")
        card(page, "blue").locator(".open").click()
        page.wait_for_timeout(300)
        page.get_by_role("button", name="Close").click()
        wait_for(page, told, "impression", "click", "view")
        shopper = page.evaluate(KEY)
    assert {event.shopper for event in told.events} == {shopper}
    assert {event.query_id for event in told.events} == {answer["query_id"]}
    ranks = {found["card"]["card_id"]: found["rank"] for found in answer["cards"]}
    assert all(event.rank == ranks[event.card_id] for event in told.events)
    seen = [event.card_id for event in told.events if event.kind == "impression"]
    assert len(seen) == len(set(seen))
    (looked,) = [event for event in told.events if event.kind == "view"]
    assert looked.card_id == "blue"
    assert looked.view_ms is not None
    assert 300 <= looked.view_ms < 60_000


def test_cards_out_of_view_or_shown_for_a_moment_are_not_told(
    browser: Browser, desk: tuple[EventDesk, str], red_photo: Path
):
    told, address = desk
    with window(browser, address, viewport={"width": 700, "height": 500}) as page:
        page.clock.install(time=NOW)
        page.clock.pause_at(NOW + timedelta(minutes=1))
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        last = page.locator(".card").last
        best_match(page).evaluate(ONCE_IN_VIEW, True)
        page.clock.run_for(500)  # however slow the machine is
        last.scroll_into_view_if_needed()  # past the first ones
        best_match(page).evaluate(ONCE_IN_VIEW, False)
        page.clock.resume()
        wait_for(page, told, "impression")
        seen = {event.card_id for event in told.events}
        assert last.get_attribute("data-card-id") in seen
        assert "red" not in seen


def test_what_waits_is_sent_when_the_page_is_left(
    browser: Browser, desk: tuple[EventDesk, str], red_photo: Path
):
    told, address = desk
    with window(browser, address) as page:
        page.set_input_files("#file", red_photo)
        card(page, "blue").locator(".open").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.goto(f"{address}/icon.svg")
        wait_for(page, told, "click", "view")


def test_a_browser_that_asks_not_to_be_followed_gets_no_key_and_tells_nothing(
    browser: Browser, desk: tuple[EventDesk, str], red_photo: Path
):
    told, address = desk
    with window(browser, address) as page:
        without_following(page.context)
        page.reload()
        page.set_input_files("#file", red_photo)
        card(page, "blue").locator(".open").click()
        page.wait_for_timeout(5000)
        assert page.evaluate(KEY) is None
    assert told.bodies == 0


def test_a_service_that_keeps_no_events_is_asked_once(
    browser: Browser, desk: tuple[EventDesk, str], red_photo: Path
):
    told, address = desk
    told.status = 501
    with window(browser, address) as page:
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        wait_until(page, lambda: told.bodies > 0)
        page.wait_for_timeout(2000)
        assert told.bodies == 1
        card(page, "blue").locator(".open").click()
        page.wait_for_timeout(4000)
    assert told.bodies == 1


@pytest.mark.parametrize("status", [500, 503])
def test_events_wait_for_a_service_that_failed(
    browser: Browser, desk: tuple[EventDesk, str], red_photo: Path, status: int
):
    told, address = desk
    told.status = status
    with window(browser, address) as page:
        page.clock.install()
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        card(page, "blue").locator(".open").click()
        page.clock.run_for(5000)
        wait_until(page, lambda: told.bodies > 0)
        page.wait_for_timeout(500)
        assert (told.bodies, told.events) == (1, [])
        told.status = 200
        page.clock.run_for(40_000)
        wait_for(page, told, "impression", "click")


def test_events_wait_for_the_connection_to_come_back(
    browser: Browser, desk: tuple[EventDesk, str], red_photo: Path
):
    told, address = desk
    with window(browser, address) as page:
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        page.clock.install()
        page.context.set_offline(True)
        card(page, "blue").locator(".open").click()
        page.clock.run_for(5000)
        page.context.set_offline(False)
        page.clock.run_for(40_000)
        wait_for(page, told, "click")
    ids = [event.event_id for event in told.events]
    assert len(ids) == len(set(ids))


def test_the_log_keeps_what_the_page_told_beside_what_was_shown(
    browser: Browser, shop: SmallShop, red_photo: Path, tmp_path: Path
):
    with closing(open_store(f"sqlite:///{tmp_path}/events.sqlite")) as store:
        with served(logged(shop, store)) as address, window(browser, address) as page:
            page.set_input_files("#file", red_photo)
            card(page, "blue").locator(".open").click()
            with page.expect_response("**/v1/events") as told:
                page.get_by_role("button", name="Close").click()
            assert told.value.status == 200
            wait_until(page, lambda: any(one.event.kind == "click" for one in store.events()))
            shopper = page.evaluate(KEY)
        events = [stored.event for stored in store.events()]
        (clicked,) = [event for event in events if event.kind == "click"]
        assert clicked.query_id is not None
        (answer,) = store.answers([clicked.query_id])
    assert answer.shopper == clicked.shopper == shopper
    assert clicked.card_id in [shown.card_id for shown in answer.cards]
