"""Where the keyboard is on the page, and where it goes on when what had the focus is gone."""

from pathlib import Path

import pytest
import wordy_shop
from page_windows import best_match
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
shop, address, red_photo = wordy_shop.shop, wordy_shop.address, wordy_shop.red_photo


def give(page: Page, photo: Path) -> None:
    page.set_input_files("#file", photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")


def test_skip_to_content_keeps_the_photo_and_the_answer(page: Page, red_photo: Path, address: str):
    give(page, red_photo)
    page.get_by_role("link", name="Skip to content").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    expect(page.get_by_alt_text("Your photo red.jpg")).to_be_visible()
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page).to_have_url(f"{address}/")


def test_an_address_with_another_hash_is_still_the_same_place(
    page: Page, red_photo: Path, address: str
):
    give(page, red_photo)
    page.goto(f"{address}/#cards")
    best_match(page).locator(".open").click()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).to_have_url(f"{address}/#cards")
    expect(page.get_by_alt_text("Your photo red.jpg")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("5 products like your photo")
