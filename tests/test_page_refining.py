"""The page once a shopper says more: words, tags, likes, the way back, a card, the reasons why."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import wordy_shop
from page_windows import DESKTOP, PHONE, best_match, card, window
from playwright.sync_api import Browser, Page, Request, expect
from small_shop import SmallShop, colour, jpeg, mapped, open_shop, painted, served
from wordy_shop import open_wide_shop

pytestmark = pytest.mark.slow
shop, address = wordy_shop.shop, wordy_shop.address


@pytest.fixture
def red_photo(tmp_path: Path) -> Path:
    """Mostly red, with a stripe of blue and one of violet."""
    stripes = [colour("red")] * 4 + [colour("blue"), colour("violet")]
    photo = tmp_path / "red.jpg"
    photo.write_bytes(jpeg(painted(*stripes)))
    return photo


def give(page: Page, photo: Path) -> None:
    page.set_input_files("#file", photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")


def order(page: Page) -> list[str]:
    cards = page.locator(".card[data-card-id]")
    return [one.get_attribute("data-card-id") or "" for one in cards.all()]


def searches_of(page: Page) -> list[Request]:
    """Every search that the page asks for from now on."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if is_search(request) else None)
    return asked


def is_search(request: Request) -> bool:
    return bool(re.search(r"/v1/(search|cards/.*/similar)", request.url))


STORY = {
    "en": ("en-US", "blue", "Add “blue”", "Like: Violet scarf", "5 products like"),
    "ru": ("ru-RU", "синий", "Добавить «синий»", "Нравится: Фиолетовый шарф", "Похоже на"),
}


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_shopper_refines_by_tag_and_like_and_goes_back(
    browser: Browser, address: str, red_photo: Path, language: str, device: dict[str, Any]
):
    locale, word, tag, like, status = STORY[language]
    with window(browser, address, locale=locale, **device) as page:
        give(page, red_photo)
        expect(page.get_by_role("status")).to_contain_text(status)
        page.get_by_role("button", name=tag).click()
        expect(page.locator("#say input")).to_have_value(word)
        expect(page.get_by_role("button", name=tag)).to_have_count(0)
        page.get_by_role("button", name=like).click()
        expect(page.locator(".opinion.liked")).to_have_count(1)
        expect(page.get_by_role("button", name=like)).to_have_attribute("aria-pressed", "true")
        page.go_back()
        expect(page.locator(".opinion")).to_have_count(0)
        page.go_back()
        expect(page.locator("#say input")).to_have_value("")
        page.go_back()
        expect(page.locator("#headline")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= device["viewport"]["width"]


def test_words_alone_find_cards_and_their_address_can_be_shared(page: Page, address: str):
    page.get_by_label("Or say it in words").fill("blue backpack")
    page.get_by_label("Or say it in words").press("Enter")
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(page.get_by_text("Best match")).to_have_count(0)  # of words nobody knows how sure
    expect(page.get_by_role("status")).to_contain_text("for “blue backpack”")
    expect(page.get_by_role("meter")).to_have_count(0)  # words and photos are not compared
    expect(page).to_have_title("blue backpack · Photosearch")
    assert page.url == f"{address}/?text=blue+backpack"
    page.reload()
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    expect(page.locator("#say input")).to_have_value("blue backpack")


def test_a_shared_address_brings_its_filters(browser: Browser, address: str):
    where = quote(json.dumps({"price_max": 10}))
    with window(browser, f"{address}/?text=mug+kettle&where={where}") as page:
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        expect(page.locator(".card[data-card-id]")).to_have_count(1)
        expect(page.get_by_label("Price to")).to_have_value("10")
        page.get_by_role("button", name="Clear filters").click()
        expect(page).to_have_url(f"{address}/?text=mug+kettle")
        expect(page.get_by_label("Price to")).to_have_value("")


def test_filters_of_an_address_wait_for_the_photo(browser: Browser, address: str, red_photo: Path):
    where = quote(json.dumps({"price_max": 10}))
    with window(browser, f"{address}/?where={where}") as page:
        expect(page.get_by_text("once you give a photo or words")).to_be_visible()
        give(page, red_photo)
        assert order(page) == ["red"]


@pytest.mark.parametrize("where", ["{", '{"brands": "Paint"}', '{"nonsense": 1}', "[]", "null"])
def test_a_spoiled_address_opens_the_page_all_the_same(browser: Browser, address: str, where: str):
    with window(browser, f"{address}/?text=mug&where={quote(where)}") as page:
        expect(best_match(page)).to_have_attribute("data-card-id", "red")


def test_words_beside_a_photo_move_its_answer(page: Page, red_photo: Path):
    give(page, red_photo)
    asked = searches_of(page)
    page.get_by_label("Add words to the photo").fill("violet scarf")
    page.get_by_role("button", name="Find").last.click()
    expect(page.get_by_role("status")).to_contain_text("like your photo")
    expect(page.locator("#cards")).to_have_attribute("aria-busy", "false")
    assert order(page).index("violet") < 2
    page.get_by_label("Add words to the photo").fill("")
    page.get_by_label("Add words to the photo").press("Enter")
    expect(page).to_have_url(re.compile("/$"))
    expect(page.locator("#cards")).to_have_attribute("aria-busy", "false")
    assert len(asked) == 2


def test_a_dislike_moves_a_card_down_and_can_be_taken_back(page: Page, red_photo: Path):
    give(page, red_photo)
    before = order(page)
    assert before[:2] == ["red", "violet"]
    page.get_by_role("button", name="Not this: Violet scarf").click()
    expect(page.locator(".opinion.disliked")).to_have_count(1)
    expect(page.locator(".card[data-card-id]").nth(1)).not_to_have_attribute(
        "data-card-id", "violet"
    )
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "Not this: Violet scarf"  # though the card has moved
    page.get_by_role("button", name="Like: Violet scarf", exact=True).click()
    expect(page.locator(".opinion.disliked")).to_have_count(0)
    expect(page.locator(".opinion.liked")).to_have_count(1)
    page.get_by_role("button", name="Forget: Violet scarf").click()
    expect(page.locator(".opinion")).to_have_count(0)
    expect(page.locator("#cards")).to_have_attribute("aria-busy", "false")
    assert order(page) == before


def test_more_like_a_card_is_an_address_of_its_own(page: Page, red_photo: Path, address: str):
    give(page, red_photo)
    card(page, "blue").locator(".tool.alike").click()
    expect(page).to_have_url(f"{address}/?like=blue")
    expect(page.get_by_role("status")).to_have_text("4 like “Blue backpack <b>Sky</b>”")
    expect(card(page, "blue")).to_have_count(0)
    expect(page.locator(".tool.like")).to_have_count(0)  # this call takes no likes
    page.reload()
    expect(page.get_by_role("status")).to_have_text("4 similar products")
    page.go_back()
    expect(page.locator("#headline")).to_be_visible()  # the photo went with the reload


def test_back_and_forward_show_what_was_shown_and_ask_nothing(page: Page, red_photo: Path):
    give(page, red_photo)
    page.get_by_role("button", name="Add “violet”").click()
    expect(page).to_have_url(re.compile("text=violet"))
    expect(page.locator("#cards")).to_have_attribute("aria-busy", "false")
    refined = order(page)
    asked = searches_of(page)
    page.go_back()
    expect(page.locator("#say input")).to_have_value("")
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    page.go_forward()
    expect(page.locator("#say input")).to_have_value("violet")
    assert order(page) == refined
    assert asked == []


def test_a_card_opens_over_the_page_and_back_closes_it(page: Page, red_photo: Path, address: str):
    give(page, red_photo)
    card(page, "blue").get_by_role("button", name="Blue backpack").first.click()
    dialog = page.get_by_role("dialog", name="Details of Blue backpack <b>Sky</b>")
    expect(dialog.get_by_role("heading")).to_have_text("Blue backpack <b>Sky</b>")
    expect(dialog).to_contain_text("No. KR-4822")
    expect(dialog).to_contain_text("Probability of being the same product")
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    assert page.url == f"{address}/?card=blue"
    page.go_back()
    expect(dialog).to_be_hidden()
    page.go_forward()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.url == f"{address}/"
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    card(page, "blue").get_by_role("button", name="Blue backpack").first.click()
    dialog.get_by_role("button", name="More like this").last.click()
    expect(page).to_have_url(f"{address}/?like=blue")
    expect(dialog).to_be_hidden()


def test_a_card_of_an_address_offers_others_like_it_and_no_likes(browser: Browser, address: str):
    with window(browser, f"{address}/?card=blue") as page:
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".tool.alike")).to_be_visible()
        expect(dialog.locator(".tool.like")).to_have_count(0)  # there is no answer to move
        dialog.locator(".tool.alike").click()
        expect(page.get_by_role("status")).to_have_text("4 like “Blue backpack <b>Sky</b>”")


def test_an_engineer_sees_why(page: Page, red_photo: Path):
    give(page, red_photo)
    why = page.get_by_role("button", name="Why these?")
    why.click()
    told = page.get_by_role("region", name="Why these products, in this order")
    expect(told).to_contain_text("Nothing was left out")
    expect(told).to_contain_text("candidates")
    expect(told).to_contain_text("colours")
    reasons = card(page, "red").get_by_role("list", name="What moved this product")
    expect(reasons).to_contain_text("likeness of the nearest photo")
    expect(why).to_be_focused()
    why.click()
    expect(told).to_be_hidden()
    expect(reasons).to_have_count(0)


def test_the_map_of_a_photo_is_shown_though_who_draws_is_busy_at_first(
    browser: Browser, shop: SmallShop, red_photo: Path
):
    with served(mapped(shop)) as address, window(browser, address) as page:
        give(page, red_photo)
        busy = {"status": 503, "headers": {"Retry-After": "1"}}
        page.route("**/maps", lambda route: route.fulfill(**busy), times=1)
        page.get_by_role("button", name="Why these?").click()
        told = page.get_by_role("region", name="Why these products, in this order")
        expect(told.get_by_role("img")).to_be_visible()
        assert told.get_by_role("img").evaluate("image => image.naturalWidth") > 0


def test_more_cards_are_shown_below_and_get_the_focus(browser: Browser, tmp_path: Path):
    shop = open_wide_shop(tmp_path, 30)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(painted(colour("red"))))
    with served(shop) as address, window(browser, address) as page:
        page.set_input_files("#file", photo)
        expect(page.locator(".card[data-card-id]")).to_have_count(24)
        expect(best_match(page)).to_contain_text("★ 4.0 (7)")
        page.get_by_role("button", name="Show more").click()
        expect(page.locator(".card[data-card-id]")).to_have_count(30)
        expect(page.get_by_role("button", name="Show more")).to_be_hidden()
        expect(page.locator(".card").nth(24).locator(".open")).to_be_focused()
        assert len(set(order(page))) == 30


def test_nothing_sure_is_said_and_the_first_is_not_called_best(page: Page, tmp_path: Path):
    grey = tmp_path / "grey.jpg"
    grey.write_bytes(jpeg(painted((120, 120, 120), colour("green"), (10, 120, 120))))
    page.set_input_files("#file", grey)
    expect(page.locator("#unsure")).to_have_text(
        "No sure match. These are the most similar things."
    )
    expect(best_match(page)).to_contain_text("Most similar")
    expect(page.get_by_text("Best match")).to_have_count(0)


def test_a_phone_has_a_camera_and_a_desktop_has_none(
    browser: Browser, address: str, red_photo: Path
):
    with window(browser, address, **PHONE) as page:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Take a photo").click()
        assert chooser.value.element.get_attribute("capture") == "environment"
        chooser.value.set_files(red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
    with window(browser, address) as page:
        expect(page.get_by_role("button", name="Take a photo")).to_be_hidden()


def test_a_release_without_words_offers_none(browser: Browser, tmp_path: Path, red_photo: Path):
    with served(open_shop(tmp_path)) as address, window(browser, address) as page:
        give(page, red_photo)
        expect(page.get_by_role("searchbox")).to_have_count(0)
        expect(page.locator(".tool.like")).to_have_count(0)
        expect(page.locator(".tool.alike")).to_have_count(5)
