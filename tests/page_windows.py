"""Windows on the page, as a shopper has them; they fail a test whose page breaks its promises."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 840}}
PATIENCE_MS = 60_000
"""A busy machine takes long to start a browser's processes."""
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}


@contextmanager
def window(
    browser: Browser, address: str, *, locale: str = "en-US", **device: Any
) -> Iterator[Page]:
    """A fresh window on the page; it fails the test if a script does, or asks another host.

    Args:
        browser: Which opens it.
        address: Of the page; what is asked must be asked of its host.
        locale: Of the shopper.
        device: As Playwright knows it: DESKTOP, PHONE, `color_scheme`, ...
    """
    expect.set_options(timeout=PATIENCE_MS)
    context = browser.new_context(locale=locale, **(device or DESKTOP))
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    foreign: list[str] = []
    host = "/".join(address.split("/")[:3]) + "/"
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((host, "blob:")) else foreign.append(request.url)
        ),
    )
    page.goto(address)
    yield page
    context.close()
    assert faults == []
    assert foreign == []


def without_following(context: BrowserContext) -> None:
    """The browser asks sites not to follow its person: Global Privacy Control."""
    context.add_init_script(
        "Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true})"
    )


def card(page: Page, card_id: str) -> Locator:
    return page.locator(f".card[data-card-id={card_id}]")


def best_match(page: Page) -> Locator:
    return page.locator(".card[data-card-id]").first


def drag(
    page: Page, surface: Locator, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """A press on a surface that is let go elsewhere, both as shares of its width and height."""
    box = surface.bounding_box()
    assert box is not None
    at, to = (
        (box["x"] + across * box["width"], box["y"] + down * box["height"])
        for across, down in (start, end)
    )
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(*to, steps=4)
    page.mouse.up()


def tap(page: Page, thing: Locator) -> None:
    """A press on the middle of a thing: the surface below it gets the pointer."""
    box = thing.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def touch(page: Page, thing: Locator, *, moved_px: tuple[int, int]) -> None:
    """A finger put on the middle of a thing, and lifted a little beside it."""
    box = thing.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = page.context.new_cdp_session(page)
    put, lifted = {"x": x, "y": y}, {"x": x + moved_px[0], "y": y + moved_px[1]}
    for kind, points in (("touchStart", [put]), ("touchMove", [lifted]), ("touchEnd", [])):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
