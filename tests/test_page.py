"""The page in a real browser, over the real app: what a shopper sees."""

import dataclasses
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from page_windows import PHONE, best_match, tap, window
from playwright.sync_api import Browser, Page, expect
from small_shop import (
    SmallShop,
    colour,
    jpeg,
    labelled,
    open_shop,
    painted,
    served,
    sighted,
)

from photosearch.assembly_serving import load_reader
from photosearch.catalog.images import open_photo
from photosearch.perception.reader import Word
from photosearch.perception_settings import OcrParams
from photosearch.search.query import Candidates

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def address(shop: SmallShop) -> Iterator[str]:
    with served(shop) as address:
        yield address


class PatientReader:
    """The real reader, which starts only when the test says so."""

    def __init__(self) -> None:
        params = OcrParams(reader="rapidocr", side_px=640, confidence_min=0.5, threads=1)
        self.may_read = threading.Event()
        self._reader = load_reader(params)

    def read(self, photo: bytes) -> Sequence[Word]:
        assert self.may_read.wait(30)
        assert self._reader is not None
        return self._reader.read(open_photo(photo, name="a test's photo"))


@pytest.fixture(scope="module")
def reader() -> PatientReader:
    return PatientReader()


@pytest.fixture(scope="module")
def sighted_address(shop: SmallShop, reader: PatientReader) -> Iterator[str]:
    with served(sighted(shop, reader.read)) as address:
        yield address


@pytest.fixture
def sighted_page(browser: Browser, sighted_address: str) -> Iterator[Page]:
    """A window on the page of the shop that finds things, reads and tells probabilities."""
    with window(browser, sighted_address) as page:
        yield page


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with window(browser, address) as page:
        yield page


@pytest.fixture
def two_colours(tmp_path: Path) -> Path:
    photo = tmp_path / "shelf.jpg"
    photo.write_bytes(jpeg(painted(colour("red"), colour("red"), colour("blue"))))
    return photo


def test_a_shopper_gives_a_photo_and_sees_products(page: Page, two_colours: Path, pictures: Path):
    expect(page.locator("#stock")).to_have_text("Searching 5 products in 10 photos")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").click()
    chooser.value.set_files(two_colours)
    expect(page.get_by_role("status")).to_have_text("5 products like your photo")
    expect(best_match(page)).to_contain_text("Red mug")
    expect(best_match(page)).to_contain_text("Best match")
    expect(best_match(page)).to_contain_text("Home › Colour")
    expect(best_match(page)).to_contain_text("Paint & Co · No. KR-4820")
    expect(best_match(page)).to_contain_text("9.50")
    expect(best_match(page).get_by_role("meter")).to_have_attribute("aria-valuenow", "0.90")
    expect(page.locator("footer")).to_contain_text("release r1")
    expect(page.locator("footer")).to_contain_text(re.compile(r"\d+ ms: decode .* rank"))
    assert best_match(page).locator("img").evaluate("image => image.decode().then(() => true)")
    page.screenshot(path=pictures / "results.png")


def test_a_box_drawn_over_a_part_searches_that_part(page: Page, two_colours: Path, pictures: Path):
    page.set_input_files("#file", two_colours)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    photo = page.locator("#surface").bounding_box()
    assert photo is not None
    page.mouse.move(photo["x"] + 0.72 * photo["width"], photo["y"] + 0.2 * photo["height"])
    page.mouse.down()
    page.mouse.move(photo["x"] + 0.95 * photo["width"], photo["y"] + 0.9 * photo["height"], steps=4)
    page.mouse.up()
    expect(page.get_by_role("status")).to_have_text("5 products like the chosen part")
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    page.screenshot(path=pictures / "box.png")
    page.get_by_role("button", name="Whole photo").click()
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.locator("#frame")).to_be_hidden()


def test_the_box_can_be_moved_by_keyboard(page: Page, two_colours: Path):
    page.set_input_files("#file", two_colours)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    page.locator("#surface").focus()
    for _ in range(14):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("status")).to_have_text("5 products like the chosen part")
    for _ in range(20):
        page.keyboard.press("Shift+ArrowLeft")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status")).to_have_text("5 products like your photo")


def test_a_text_file_gets_a_clear_error_and_a_way_on(
    page: Page, two_colours: Path, pictures: Path, tmp_path: Path
):
    notes = tmp_path / "notes.jpg"
    notes.write_text("dear diary")
    page.set_input_files("#file", notes)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("This is not a photo we can read")
    expect(alert).to_contain_text("Try a JPEG, PNG or WebP photo")
    page.screenshot(path=pictures / "error.png")
    page.get_by_role("button", name="РУ").click()
    expect(alert).to_contain_text("Попробуйте фото JPEG, PNG или WebP")
    expect(alert).not_to_contain_text("is not a JPEG")
    page.get_by_role("button", name="EN").click()
    with page.expect_file_chooser() as chooser:
        alert.get_by_role("button", name="Another photo").click()
    chooser.value.set_files(two_colours)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(alert).to_be_hidden()


def test_titles_and_words_change_with_the_language(page: Page, two_colours: Path):
    page.set_input_files("#file", two_colours)
    expect(best_match(page)).to_contain_text("Red mug")
    page.get_by_role("button", name="РУ").click()
    expect(best_match(page)).to_contain_text("Красная кружка")
    expect(page.get_by_role("status")).to_have_text("Похоже на ваше фото: 5")
    page.reload()
    expect(page.get_by_role("heading", name="Найдите по фото")).to_be_visible()


def test_markup_in_a_title_is_shown_as_text(page: Page, two_colours: Path):
    page.set_input_files("#file", two_colours)
    blue = page.locator("[data-card-id=blue]")
    expect(blue.get_by_role("heading")).to_have_text("Blue backpack <b>Sky</b>")
    expect(blue.locator("b")).to_have_count(0)


def test_nothing_found_is_said_kindly(page: Page, two_colours: Path, shop: SmallShop):
    whole = shop.pipeline
    shop.pipeline = dataclasses.replace(whole, candidates=lambda _: Candidates([]))
    try:
        page.set_input_files("#file", two_colours)
        expect(page.get_by_role("alert")).to_contain_text("Nothing like this here yet")
    finally:
        shop.pipeline = whole


@pytest.fixture
def labelled_shelf(tmp_path: Path) -> Path:
    """Much red and some blue; the label of the violet scarf lies on the red."""
    photo = tmp_path / "label.jpg"
    shelf = painted(colour("red"), colour("red"), colour("blue"))
    photo.write_bytes(jpeg(labelled(shelf, "KR-4824", left=60, top=20)))
    return photo


def test_a_tap_on_a_thing_searches_it(sighted_page: Page, two_colours: Path, pictures: Path):
    page = sighted_page
    page.set_input_files("#file", two_colours)
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


def test_things_can_be_chosen_by_keyboard(sighted_page: Page, two_colours: Path):
    page = sighted_page
    page.set_input_files("#file", two_colours)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    page.get_by_role("button", name="РУ").click()
    page.get_by_role("button", name="Искать только вещь 2").focus()
    page.keyboard.press("Enter")
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")


def test_an_article_that_is_read_late_brings_its_card_to_the_front(
    sighted_page: Page, labelled_shelf: Path, reader: PatientReader, pictures: Path
):
    page = sighted_page
    reader.may_read.clear()
    page.set_input_files("#file", labelled_shelf)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.locator("#articles")).to_have_text("Reading article numbers on the photo…")
    reader.may_read.set()
    expect(best_match(page)).to_have_attribute("data-card-id", "violet", timeout=20_000)
    expect(best_match(page)).to_contain_text("Exact article")
    expect(best_match(page).get_by_role("meter")).to_have_count(0)
    expect(page.locator("#articles")).to_have_text("Read on the photo: KR-4824")
    expect(page.locator(".card[data-card-id]")).to_have_count(5)
    page.screenshot(path=pictures / "article.png")
    tap(page, page.locator(".object:visible"))  # the blue part: the label is not on it
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(page.locator("#articles")).to_have_text("")


def test_filters_narrow_what_is_found_and_can_be_cleared(page: Page, two_colours: Path):
    page.set_input_files("#file", two_colours)
    expect(page.locator(".card[data-card-id]")).to_have_count(5)
    expect(page.get_by_label("Category")).to_have_count(0)  # all cards are of one
    page.get_by_label("Price to").fill("10")
    page.get_by_label("Price to").press("Enter")
    expect(page.locator(".card[data-card-id]")).to_have_count(1)
    page.get_by_label("Price to").fill("1")
    page.get_by_label("Price to").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("No similar product fits these filters")
    page.get_by_role("alert").get_by_role("button", name="Clear filters").click()
    expect(page.locator(".card[data-card-id]")).to_have_count(5)
    expect(page.get_by_label("Price to")).to_have_value("")


def test_the_page_fits_a_phone(browser: Browser, address: str, two_colours: Path, pictures: Path):
    with window(browser, address, **PHONE) as page:
        page.set_input_files("#file", two_colours)
        expect(best_match(page)).to_contain_text("Red mug")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.screenshot(path=pictures / "phone.png")
