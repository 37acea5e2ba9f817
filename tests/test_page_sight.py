"""What the page makes of a photo that is looked at: things to tap, articles that are read."""

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import wordy_shop
from page_windows import PHONE, best_match, card, drag, tap, touch, window
from playwright.sync_api import Browser, Page, Route, expect
from small_shop import SmallShop, colour, jpeg, labelled, open_shop, painted, served, sighted

from photosearch.assembly_serving import load_reader
from photosearch.catalog.images import open_photo
from photosearch.perception.reader import Word
from photosearch.perception_settings import OcrParams

pytestmark = pytest.mark.slow
red_photo = wordy_shop.red_photo


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


class PatientReader:
    """The real reader, which starts only when the test says so."""

    def __init__(self) -> None:
        params = OcrParams(reader="rapidocr", side_px=640, confidence_min=0.5, threads=1)
        self.may_read = threading.Event()
        self._reader = load_reader(params)

    def read(self, photo: bytes) -> Sequence[Word]:
        assert self.may_read.wait(60)
        assert self._reader is not None
        return self._reader.read(open_photo(photo, name="a test's photo"))


@pytest.fixture(scope="module")
def reader() -> PatientReader:
    return PatientReader()


@pytest.fixture(scope="module")
def address(shop: SmallShop, reader: PatientReader) -> Iterator[str]:
    with served(sighted(shop, reader.read)) as address:
        yield address


@pytest.fixture
def labelled_shelf(tmp_path: Path) -> Path:
    """Much red and some blue; the label of the violet scarf lies on the red."""
    photo = tmp_path / "label.jpg"
    shelf = painted(colour("red"), colour("red"), colour("blue"))
    photo.write_bytes(jpeg(labelled(shelf, "KR-4824", left=60, top=20)))
    return photo


def test_a_tap_on_a_thing_searches_it(page: Page, red_photo: Path, pictures: Path):
    page.set_input_files("#file", red_photo)
    expect(page.get_by_role("status")).to_have_text("5 products like the chosen part")
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.locator("#frame")).to_be_visible()
    expect(page.locator(".object:visible")).to_have_count(1)
    page.screenshot(path=pictures / "objects.png")
    tap(page, page.locator(".object:visible"))
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(best_match(page).get_by_role("meter")).to_have_attribute("aria-valuenow", "1.00")
    page.get_by_role("button", name="Whole photo").click()
    expect(page.get_by_role("status")).to_have_text("5 products like your photo")
    expect(page.locator("#frame")).to_be_hidden()
    expect(page.locator(".object:visible")).to_have_count(2)


@pytest.mark.parametrize("moved_px", [(0, 0), (3, -3), (10, 10)])
def test_a_finger_that_trembles_searches_the_thing_below_it(
    browser: Browser, address: str, red_photo: Path, moved_px: tuple[int, int]
):
    with window(browser, address, **PHONE) as page:
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        touch(page, page.locator(".object:visible"), moved_px=moved_px)
        expect(best_match(page)).to_have_attribute("data-card-id", "blue")
        expect(page.get_by_role("status")).to_have_text("5 products like the chosen part")


def test_a_box_too_small_to_search_searches_the_thing_below_it(page: Page, red_photo: Path):
    page.set_input_files("#file", red_photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    drag(page, page.locator("#surface"), (0.8, 0.5), (0.83, 0.53))
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")


def test_things_can_be_chosen_by_keyboard(page: Page, red_photo: Path):
    page.set_input_files("#file", red_photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    page.get_by_role("button", name="РУ").click()
    page.get_by_role("button", name="Искать только вещь 2").focus()
    page.keyboard.press("Enter")
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(page.locator("#surface")).to_be_focused()
    page.get_by_role("button", name="Всё фото").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Похоже на ваше фото: 5")
    expect(page.locator("#surface")).to_be_focused()


def test_an_article_that_is_read_late_brings_its_card_to_the_front(
    page: Page, labelled_shelf: Path, reader: PatientReader, pictures: Path
):
    reader.may_read.clear()
    page.set_input_files("#file", labelled_shelf)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.locator("#articles")).to_have_text("Reading article numbers on the photo…")
    reader.may_read.set()
    expect(best_match(page)).to_have_attribute("data-card-id", "violet")
    expect(best_match(page)).to_contain_text("Exact article")
    expect(best_match(page).get_by_role("meter")).to_have_count(0)
    expect(page.locator("#articles")).to_have_text("Read on the photo: KR-4824")
    expect(page.locator(".card[data-card-id]")).to_have_count(5)
    page.screenshot(path=pictures / "article.png")
    tap(page, page.locator(".object:visible"))  # the blue part: the label is not on it
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(page.locator("#articles")).to_have_text("")


def test_a_card_that_is_closed_gives_the_focus_back_though_articles_came_meanwhile(
    page: Page, reader: PatientReader
):
    reader.may_read.clear()
    shelf = jpeg(labelled(painted(colour("red"), colour("yellow")), "KR-4824", left=60, top=20))
    page.set_input_files("#file", {"name": "shelf.jpg", "mimeType": "image/jpeg", "buffer": shelf})
    opens = card(page, "blue").locator(".open")
    opens.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    reader.may_read.set()
    expect(page.locator("#articles")).to_have_text("Read on the photo: KR-4824")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(opens).to_be_focused()


def test_articles_are_asked_for_as_seldom_as_the_service_wishes(page: Page, reader: PatientReader):
    reader.may_read.clear()
    shelf = jpeg(labelled(painted(colour("red"), colour("green")), "KR-4824", left=60, top=20))
    photo = {"name": "shelf.jpg", "mimeType": "image/jpeg", "buffer": shelf}
    turned_away = [(202, 1), (429, 2), (503, 3)]
    asked_at: list[float] = []

    def turn_away(route: Route) -> None:
        asked_at.append(time.monotonic())
        if len(asked_at) > len(turned_away):
            reader.may_read.set()
            route.continue_()
            return
        status, told_s = turned_away[len(asked_at) - 1]
        route.fulfill(status=status, headers={"Retry-After": str(told_s)}, json={})

    page.route("**/articles", turn_away)
    page.set_input_files("#file", photo)
    expect(page.locator("#articles")).to_have_text("Read on the photo: KR-4824")
    rests = [after - before for before, after in pairwise(asked_at)]
    for rest, (_, told_s) in zip(rests, turned_away, strict=False):
        assert rest > 0.95 * told_s
    assert len(rests) >= len(turned_away)


def test_a_busy_reader_is_told_of(page: Page, reader: PatientReader):
    articles = page.locator("#articles")
    reader.may_read.clear()
    for shade in (0, 60, 120):
        shelf = jpeg(painted(colour("red"), (shade, 9, 9)))
        photo = {"name": "shelf.jpg", "mimeType": "image/jpeg", "buffer": shelf}
        with page.expect_response("**/v1/search"):
            page.set_input_files("#file", photo)
    expect(articles).to_contain_text("were not read: too much to do right now")
    page.get_by_role("button", name="РУ").click()
    expect(articles).to_contain_text("не прочитаны: сейчас слишком много запросов")
    reader.may_read.set()


def test_a_reading_that_failed_is_told_from_a_busy_reader(
    browser: Browser, shop: SmallShop, red_photo: Path
):
    def broken(_photo: bytes) -> Sequence[Word]:
        raise OSError("the reader's model is damaged")

    with served(sighted(shop, broken)) as address, window(browser, address) as page:
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        articles = page.locator("#articles")
        expect(articles).to_contain_text("were not read: that did not work this time")
        page.get_by_role("button", name="РУ").click()
        expect(articles).to_contain_text("не прочитаны: в этот раз не получилось")
