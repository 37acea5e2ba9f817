"""The page in a real browser, over the real app: what a shopper sees."""

import dataclasses
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from page_windows import PHONE, best_match, drag, window
from playwright.sync_api import Browser, Page, expect
from small_shop import SmallShop, colour, jpeg, open_shop, painted, served
from wordy_shop import open_wide_shop

from photosearch.search.found import FoundCard
from photosearch.search.query import Candidates, Query

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def address(shop: SmallShop) -> Iterator[str]:
    with served(shop) as address:
        yield address


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


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "Попробуйте другое фото или другие слова"),
        (401, "отвечает только тем, кого знает"),
        (408, "слишком долго отправлялось"),
        (413, "до 10 МБ и 50 мегапикселей"),
        (500, "через несколько секунд"),
    ],
)
def test_an_error_is_told_in_the_language_of_the_page_and_not_of_the_api(
    page: Page, two_colours: Path, status: int, told: str
):
    problem = {"title": "No", "status": status, "detail": "words for who writes programs"}
    page.route("**/v1/search", lambda route: route.fulfill(status=status, json=problem))
    page.get_by_role("button", name="РУ").click()
    page.set_input_files("#file", two_colours)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(told)
    expect(alert).not_to_contain_text("words for who")


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


def test_while_a_search_runs_the_page_says_so_and_keeps_the_cards_it_has(
    page: Page, two_colours: Path, shop: SmallShop, monkeypatch: pytest.MonkeyPatch
):
    whole, may_answer = shop.pipeline, threading.Event()

    def patient(query: Query) -> Candidates:
        assert may_answer.wait(60)
        return whole.candidates(query)

    monkeypatch.setattr(shop, "pipeline", dataclasses.replace(whole, candidates=patient))
    cards, waiting = page.locator(".card[data-card-id]"), page.locator(".card.waiting")
    page.set_input_files("#file", two_colours)
    expect(page.get_by_role("status")).to_have_text("Searching…")
    expect(page.locator("#cards")).to_have_attribute("aria-busy", "true")
    expect(waiting).to_have_count(8)
    may_answer.set()
    expect(cards).to_have_count(5)
    expect(waiting).to_have_count(0)
    expect(page.locator("#cards")).to_have_attribute("aria-busy", "false")
    may_answer.clear()
    drag(page, page.locator("#surface"), (0.72, 0.2), (0.95, 0.9))
    expect(page.get_by_role("status")).to_have_text("Searching…")
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(best_match(page)).to_have_css("opacity", "0.5")
    may_answer.set()
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(best_match(page)).to_have_css("opacity", "1")


def test_an_answer_without_its_ranker_says_so_in_small_print_alone(
    page: Page, two_colours: Path, shop: SmallShop, monkeypatch: pytest.MonkeyPatch
):
    def broken(_found: Sequence[FoundCard], _query: Query) -> Sequence[FoundCard]:
        raise OSError("the ranker's file is damaged")

    monkeypatch.setattr(shop, "pipeline", dataclasses.replace(shop.pipeline, rank=broken))
    page.set_input_files("#file", two_colours)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.locator("footer")).to_contain_text("without rank")
    expect(page.get_by_role("main")).not_to_contain_text("without")


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


def test_category_brand_and_rating_each_leave_the_cards_that_fit(
    browser: Browser, tmp_path: Path, two_colours: Path
):
    cards = ".card[data-card-id]"
    with served(open_wide_shop(tmp_path, 6)) as address, window(browser, address) as page:
        page.set_input_files("#file", two_colours)
        expect(page.locator(cards)).to_have_count(6)
        page.get_by_label("Category").select_option("Kitchen › Mugs (3)")
        expect(page.locator(f"{cards} .category")).to_have_text(["Kitchen › Mugs"] * 3)
        page.get_by_label("Tin (2)").check()
        expect(page.locator(cards)).to_have_count(1)
        expect(best_match(page)).to_contain_text("Tin")
        page.get_by_role("button", name="Clear filters").click()
        expect(page.locator(cards)).to_have_count(6)
        page.get_by_label("Rating from").select_option("★ 4")
        expect(page.locator(f"{cards} .rating")).to_have_text(["★ 4.0 (7)"] * 4)


def test_in_a_low_window_filters_are_reached_beside_the_first_results(
    browser: Browser, tmp_path: Path
):
    tall = jpeg(painted(colour("red"), colour("red"), colour("blue"), size=(600, 800)))
    photo = {"name": "tall.jpg", "mimeType": "image/jpeg", "buffer": tall}
    low = {"viewport": {"width": 1366, "height": 700}}
    with served(open_wide_shop(tmp_path, 30)) as address, window(browser, address, **low) as page:
        page.set_input_files("#file", photo)
        rating, first = page.get_by_label("Rating from"), best_match(page)
        expect(rating).not_to_be_in_viewport()
        rating.focus()
        expect(rating).to_be_in_viewport(ratio=1)
        expect(first).to_be_in_viewport(ratio=1)
        surface = page.locator("#surface")
        drag(page, surface, (0.7, 0.6), (0.95, 0.9))  # also on a photo that is half out of view
        expect(page.get_by_role("status")).to_have_text("30 products like the chosen part")
        box, frame = surface.bounding_box(), page.locator("#frame").bounding_box()
        assert box is not None
        assert frame is not None
        assert frame["y"] == pytest.approx(box["y"] + 0.6 * box["height"], abs=2)


def test_the_page_fits_a_phone(browser: Browser, address: str, two_colours: Path, pictures: Path):
    with window(browser, address, **PHONE) as page:
        page.set_input_files("#file", two_colours)
        expect(best_match(page)).to_contain_text("Red mug")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.screenshot(path=pictures / "phone.png")
