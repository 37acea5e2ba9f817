"""What the page makes of calls that fail: it says what to do, goes on, and asks again."""

from pathlib import Path

import pytest
import wordy_shop
from page_windows import best_match
from playwright.sync_api import Page, expect

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
