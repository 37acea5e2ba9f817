"""The page in a real browser, over the real app: what a shopper sees."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from small_shop import SmallShop, colour, jpeg, open_shop, painted, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def address(shop: SmallShop) -> Iterator[str]:
    with served(shop) as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A fresh window on the page; it fails the test if a script does."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 840})
    page = context.new_page()
    faults: list[str] = []
    foreign: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((address, "blob:")) else foreign.append(request.url)
        ),
    )
    page.goto(address)
    yield page
    context.close()
    assert faults == []
    assert foreign == []


@pytest.fixture
def two_colours(tmp_path: Path) -> Path:
    photo = tmp_path / "shelf.jpg"
    photo.write_bytes(jpeg(painted(colour("red"), colour("red"), colour("blue"))))
    return photo


def best_match(page: Page):
    return page.locator(".card[data-card-id]").first


def test_a_shopper_gives_a_photo_and_sees_products(page: Page, two_colours: Path, pictures: Path):
    expect(page.locator("#stock")).to_have_text("Searching 5 products in 10 photos")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").click()
    chooser.value.set_files(two_colours)
    expect(page.get_by_role("status")).to_have_text("5 products like your photo")
    expect(best_match(page)).to_contain_text("Red mug")
    expect(best_match(page)).to_contain_text("Best match")
    expect(best_match(page)).to_contain_text("Home › Colour")
    expect(best_match(page)).to_contain_text("Paint & Co · No. N-0")
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
    expect(alert).to_contain_text("'notes.jpg' is not a JPEG, PNG or WebP image")
    page.screenshot(path=pictures / "error.png")
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
    expect(page.get_by_role("heading", level=1)).to_have_text("Найдите по фото")


def test_markup_in_a_title_is_shown_as_text(page: Page, two_colours: Path):
    page.set_input_files("#file", two_colours)
    blue = page.locator("[data-card-id=blue]")
    expect(blue.get_by_role("heading")).to_have_text("Blue backpack <b>Sky</b>")
    expect(blue.locator("b")).to_have_count(0)


def test_nothing_found_is_said_kindly(page: Page, two_colours: Path, shop: SmallShop):
    whole = shop.pipeline
    shop.pipeline = dataclasses.replace(whole, candidates=lambda _: [])
    try:
        page.set_input_files("#file", two_colours)
        expect(page.get_by_role("alert")).to_contain_text("Nothing like this here yet")
    finally:
        shop.pipeline = whole


def test_the_page_fits_a_phone(browser: Browser, address: str, two_colours: Path, pictures: Path):
    phone = {"width": 390, "height": 844}
    context = browser.new_context(
        locale="en-US", viewport=phone, is_mobile=True, has_touch=True, device_scale_factor=2
    )
    page = context.new_page()
    page.goto(address)
    page.set_input_files("#file", two_colours)
    expect(best_match(page)).to_contain_text("Red mug")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.screenshot(path=pictures / "phone.png")
    context.close()
