"""How a photo comes to the page, and which part of it is searched."""

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import wordy_shop
from page_windows import best_match, drag
from playwright.sync_api import JSHandle, Page, expect
from small_shop import colour, jpeg, painted
from told_events import NOW

pytestmark = pytest.mark.slow
shop, address, red_photo = wordy_shop.shop, wordy_shop.address, wordy_shop.red_photo


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary")
    return path


def carried(page: Page, path: Path, kind: str) -> JSHandle:
    """A file as the browser holds it while a person drags or pastes it; `kind` is a MIME type."""
    content = base64.b64encode(path.read_bytes()).decode()
    return page.evaluate_handle(
        """([content, name, type]) => {
             const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
             const data = new DataTransfer();
             data.items.add(new File([bytes], name, { type }));
             return data;
           }""",
        [content, path.name, kind],
    )


def drop(page: Page, path: Path, kind: str = "image/jpeg") -> None:
    data = carried(page, path, kind)
    page.dispatch_event("main", "dragover", {"dataTransfer": data})
    expect(page.get_by_text("Drop the photo")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": data})
    expect(page.get_by_text("Drop the photo")).to_be_hidden()


def paste(page: Page, path: Path, kind: str = "image/jpeg") -> None:
    page.evaluate(
        """(clipboardData) => document.activeElement.dispatchEvent(
             new ClipboardEvent("paste", { clipboardData, bubbles: true }))""",
        carried(page, path, kind),
    )


def framed(page: Page) -> list[float]:
    """Left, top, right and bottom of the box that is shown, as shares of the photo."""
    surface, frame = (page.locator(name).bounding_box() for name in ("#surface", "#frame"))
    assert surface is not None
    assert frame is not None
    left = (frame["x"] - surface["x"]) / surface["width"]
    top = (frame["y"] - surface["y"]) / surface["height"]
    right, bottom = frame["width"] / surface["width"], frame["height"] / surface["height"]
    return [left, top, left + right, top + bottom]


def test_a_photo_dropped_on_the_page_is_searched(page: Page, red_photo: Path):
    drop(page, red_photo)
    expect(page.get_by_role("status")).to_have_text("5 products like your photo")
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(page.get_by_alt_text("Your photo red.jpg")).to_be_visible()


def test_a_photo_pasted_from_the_clipboard_is_searched(page: Page, red_photo: Path):
    paste(page, red_photo)
    expect(page.get_by_role("status")).to_have_text("5 products like your photo")
    expect(best_match(page)).to_have_attribute("data-card-id", "red")


@pytest.mark.parametrize("give", [drop, paste])
def test_a_text_file_dropped_or_pasted_is_told_from_a_photo(
    page: Page, notes: Path, red_photo: Path, give: Callable[..., None]
):
    give(page, notes, "text/plain")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("This is not a photo we can read")
    expect(alert).to_contain_text("Try a JPEG, PNG or WebP photo")
    expect(page.locator(".card")).to_have_count(0)
    give(page, red_photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    expect(alert).to_be_hidden()


def test_a_drop_or_paste_without_a_file_changes_nothing(page: Page):
    page.evaluate(
        """() => {
             const drop = new DragEvent("drop", { bubbles: true, cancelable: true });
             const withheld = { types: ["Files"], files: [] };
             Object.defineProperty(drop, "dataTransfer", { value: withheld });
             document.body.dispatchEvent(drop);
             const clipboardData = new DataTransfer();
             clipboardData.setData("text/plain", "dear diary");
             document.body.dispatchEvent(
               new ClipboardEvent("paste", { clipboardData, bubbles: true }));
           }"""
    )
    expect(page.get_by_role("heading", name="Find it by photo")).to_be_visible()


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


def test_a_drawn_box_can_be_dragged_and_stretched_over_another_part(page: Page, red_photo: Path):
    page.set_input_files("#file", red_photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    surface = page.locator("#surface")
    drag(page, surface, (0.1, 0.2), (0.3, 0.8))
    expect(page.get_by_role("status")).to_have_text("5 products like the chosen part")
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    drag(page, surface, (0.2, 0.5), (0.99, 0.5))
    expect(best_match(page)).to_have_attribute("data-card-id", "blue")
    assert framed(page) == pytest.approx([0.8, 0.2, 1, 0.8], abs=0.01)  # the photo's edge stops it
    drag(page, surface, (0.8, 0.2), (0.1, 0.1))
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    assert framed(page) == pytest.approx([0.1, 0.1, 1, 0.8], abs=0.01)


def test_on_a_small_photo_the_smallest_box_is_one_that_can_be_searched(page: Page):
    small = jpeg(painted(colour("red"), colour("red"), colour("blue"), size=(90, 60)))
    photo = {"name": "small.jpg", "mimeType": "image/jpeg", "buffer": small}
    page.set_input_files("#file", photo)
    expect(best_match(page)).to_have_attribute("data-card-id", "red")
    surface = page.locator("#surface")
    drag(page, surface, (0.7, 0.4), (0.83, 0.52))  # 12 x 7 pixels
    expect(page.locator("#frame")).to_be_hidden()
    surface.focus()
    page.clock.install(time=NOW)
    page.clock.pause_at(NOW + timedelta(minutes=1))  # keys rest when the test says so
    page.keyboard.press("ArrowRight")
    for _ in range(30):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowRight")
    with page.expect_response("**/v1/search") as answered:
        page.clock.run_for(1000)
    assert answered.value.ok
    assert framed(page) == pytest.approx([0.27, 0.25, 0.37, 0.4], abs=0.01)
    expect(page.get_by_role("status")).to_have_text("5 products like the chosen part")


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
