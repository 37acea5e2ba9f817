"""The pages for those who see little, use no mouse, or want no motion; and no other host asked."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import wordy_shop
from axe_playwright_python.sync_playwright import Axe
from page_windows import DESKTOP, PATIENCE_MS, PHONE, best_match, card, window
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.slow
shop, address, red_photo = wordy_shop.shop, wordy_shop.address, wordy_shop.red_photo
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


NAME_OF_FOCUSED = """() => {
  const e = document.activeElement;
  return e.getAttribute("aria-label") ?? e.textContent;
}"""


IS_STILL = """() => document.getAnimations().every(
  (one) => one.playState !== "running" || one.effect.getComputedTiming().iterations === Infinity
)"""


def check(page: Page, where: str) -> None:
    """Asks axe-core; a violation fails with what it is and where."""
    page.wait_for_timeout(400)
    page.wait_for_function(IS_STILL)  # colours that fade in are judged when they are there
    found = Axe().run(page, options=RULES)
    told = [
        f"{where}: {one['id']}: {one['help']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found.response["violations"]
        for node in one["nodes"][:3]
    ]
    assert told == []


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong_with_any_state_of_the_page(
    browser: Browser, address: str, red_photo: Path, device: dict[str, Any], colours: Any
):
    with window(browser, address, locale="ru-RU", **device, color_scheme=colours) as page:
        expect(page.locator("#stock")).not_to_be_empty()
        check(page, "start")
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        page.locator(".tool.like").first.click()
        expect(page.locator(".opinion")).to_have_count(1)
        page.locator("#explain").click()
        expect(page.locator("#why")).to_be_visible()
        check(page, "answer with reasons")
        card(page, "blue").locator(".open").click()
        check(page, "card")
        page.keyboard.press("Escape")
        page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"a"})
        expect(page.get_by_role("alert")).to_be_visible()
        check(page, "error")


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong_with_the_page_for_engineers(
    browser: Browser, address: str, device: dict[str, Any]
):
    with window(browser, f"{address}/engineers.html", **device) as page:
        expect(page.get_by_role("heading", name="Index")).to_be_visible()
        check(page, "engineers")


def test_the_keyboard_goes_from_photo_to_words_to_cards(
    browser: Browser, address: str, red_photo: Path
):
    with window(browser, address) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        page.locator("#surface").focus()
        passed: list[str] = []
        for _ in range(30):
            page.keyboard.press("Tab")
            passed.append(page.evaluate(NAME_OF_FOCUSED))
        stations = ["Another photo", "Add words to the photo", "Add “blue”", "Why these?"]
        stations += ["Red mug", "Like: Red mug", "Not this: Red mug", "More like this: Red mug"]
        places = [passed.index(station) for station in stations]
        assert places == sorted(places), passed


def test_focus_is_seen_wherever_it_is(browser: Browser, address: str, red_photo: Path):
    with window(browser, address) as page:
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        page.keyboard.press("Tab")
        for _ in range(25):
            page.keyboard.press("Tab")
            outlined = page.evaluate(
                """() => {
                  const e = document.activeElement;
                  const shown = [e, e.parentElement].flatMap((one) => [
                    getComputedStyle(one), getComputedStyle(one, "::after"),
                    ...[...one.children].map((child) => getComputedStyle(child))]);
                  return shown.some((style) => style.outlineStyle === "solid"
                                    && parseFloat(style.outlineWidth) >= 2);
                }"""
            )
            assert outlined, page.evaluate("document.activeElement.outerHTML")[:200]


def test_who_wants_no_motion_gets_none(browser: Browser, address: str, red_photo: Path):
    with window(browser, address, **DESKTOP, reduced_motion="reduce") as page:
        page.set_input_files("#file", red_photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        moving = page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((e) => {
                 const { animationName, transitionDuration } = getComputedStyle(e);
                 return animationName !== "none" || transitionDuration !== "0s";
               }).map((e) => e.className)"""
        )
        assert moving == []


def test_the_page_may_ask_no_other_host(browser: Browser, address: str):
    policy = httpx.get(address, timeout=60).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    context = browser.new_context()
    page = context.new_page()
    page.goto(address, timeout=PATIENCE_MS)
    refused = page.evaluate(
        """async () => {
             const broken = [];
             addEventListener("securitypolicyviolation", (e) => broken.push(e.violatedDirective));
             await fetch("https://example.org/").catch(() => {});
             const image = new Image();
             image.src = "https://example.org/a.png";
             const script = document.createElement("script");
             script.src = "https://example.org/a.js";
             document.head.append(script);
             for (let tried = 0; tried < 600 && broken.length < 3; tried += 1) {
               await new Promise((resolve) => setTimeout(resolve, 100));
             }
             return broken.sort();
           }"""
    )
    context.close()
    assert refused == ["connect-src", "img-src", "script-src-elem"]


def test_files_of_the_page_name_no_other_host():
    web = Path(__file__).parents[1] / "bentos" / "web"
    for path in web.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path.name
        assert "https://" not in text, path.name
