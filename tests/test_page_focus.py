"""Where the keyboard is on the page, and where it goes on when what had the focus is gone."""

import re
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


def test_after_filters_are_cleared_the_keyboard_goes_on_at_the_answer(page: Page, red_photo: Path):
    give(page, red_photo)
    page.get_by_label("Price to").fill("10")
    page.get_by_label("Price to").press("Enter")
    expect(page.locator(".card[data-card-id]")).to_have_count(1)
    expect(page.get_by_label("Price to")).to_be_focused()
    page.get_by_role("button", name="Clear filters").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card[data-card-id]")).to_have_count(5)
    expect(page.get_by_role("status")).to_be_focused()


def test_after_another_try_the_keyboard_goes_on_at_the_answer(page: Page, red_photo: Path):
    page.route("**/v1/search", lambda route: route.fulfill(status=503, json={}), times=1)
    page.set_input_files("#file", red_photo)
    page.get_by_role("button", name="Try again").focus()
    page.keyboard.press("Enter")
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.get_by_role("status")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Why these?")).to_be_focused()


def test_what_a_search_for_others_takes_away_gives_the_keyboard_to_the_answer(page: Page):
    page.get_by_label("Or say it in words").fill("blue backpack")
    page.get_by_label("Or say it in words").press("Enter")
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(page.get_by_role("status")).to_be_focused()
    best_match(page).locator(".tool.alike").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("like=blue"))
    expect(page.locator("#cards")).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("status")).to_be_focused()
    page.go_back()
    page.go_back()
    expect(page.get_by_role("main")).to_be_focused()
