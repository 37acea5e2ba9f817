"""Which part of a photo is searched: the box that is drawn on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import wordy_shop
from page_windows import best_match, drag, window
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.slow
shop, address, red_photo = wordy_shop.shop, wordy_shop.address, wordy_shop.red_photo


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with window(browser, address) as page:
        yield page


def test_a_box_drawn_over_a_part_searches_that_part(page: Page, red_photo: Path, pictures: Path):
    page.set_input_files("#file", red_photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    drag(page, page.locator("#surface"), (0.72, 0.2), (0.95, 0.9))
    expect(page.get_by_role("status")).to_have_text("5 products like the chosen part")
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    page.screenshot(path=pictures / "box.png")
    page.get_by_role("button", name="Whole photo").click()
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.locator("#frame")).to_be_hidden()


def test_the_box_can_be_moved_by_keyboard(page: Page, red_photo: Path):
    page.set_input_files("#file", red_photo)
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
