"""What the page makes of calls that fail: it says what to do, goes on, and asks again."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
import wordy_shop
from page_windows import best_match, window
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.slow
shop, address, red_photo = wordy_shop.shop, wordy_shop.address, wordy_shop.red_photo
BUSY = {"status": 503, "json": {}}


def give(page: Page, photo: Path) -> None:
    page.set_input_files("#file", photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")


def test_words_and_likes_stay_though_the_release_was_not_told_at_first(page: Page, red_photo: Path):
    page.route("**/v1/release", lambda route: route.fulfill(**BUSY), times=1)
    with page.expect_response("**/v1/release"):
        page.reload()
    expect(page.get_by_label("Or say it in words")).to_be_visible()
    expect(page.locator("#stock")).to_be_empty()
    with page.expect_response("**/v1/release") as told:
        give(page, red_photo)
    assert told.value.ok
    expect(page.locator("#stock")).to_have_text("Searching 5 products in 10 photos")
    expect(page.get_by_label("Add words to the photo")).to_be_visible()
    expect(page.get_by_role("button", name="Add “blue”")).to_be_visible()
    expect(page.locator(".tool.like")).to_have_count(5)


def test_a_damaged_photo_gives_way_to_another_whatever_the_filters_are(
    browser: Browser, address: str, red_photo: Path
):
    where = quote(json.dumps({"price_max": 10}))
    damaged = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"a"}
    with window(browser, f"{address}/?where={where}") as page:
        page.set_input_files("#file", damaged)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("This is not a photo we can read")
        with page.expect_file_chooser() as chooser:
            alert.get_by_role("button", name="Another photo").click()
        chooser.value.set_files(red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")


def test_filters_that_a_search_refuses_can_be_cleared(
    browser: Browser, address: str, red_photo: Path
):
    where = quote(json.dumps({"price_max": -1}))
    with window(browser, f"{address}/?where={where}") as page:
        page.set_input_files("#file", red_photo)
        alert = page.get_by_role("alert")
        alert.get_by_role("button", name="Clear filters").click()
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        expect(alert).to_be_hidden()
