"""Takes the pictures of the README of a page that is served; small enough to be kept in git.

For the README they are taken of what `make demo` leaves, a shop of 120 products:

    photosearch serve --home home/simulator --port 3000 &
    python tests/page_pictures.py http://127.0.0.1:3000 PHOTO docs/images

test_loop.py takes them by the same function, so that it goes on working, and of a home of its own:
24 products and a model trained for seconds, which would show less than the demo does. Those are
kept where PHOTOSEARCH_SCREENSHOTS names a folder.
"""

import io
import re
import sys
from pathlib import Path

from page_windows import DESKTOP, PHONE, window
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

BYTES_MOST = 400_000
STEP = 8
"""Of each colour: fewer shades make a file half as large; a palette of 256 spoils ours."""
CHROMIUM = "/usr/bin/chromium"
READING = re.compile("Reading|Читаем")


def take_pictures(browser: Browser, address: str, photo: Path, *, folder: Path) -> list[Path]:
    """The answer to a photo on a desktop and on a phone, in Russian; and what engineers see."""
    taken = []
    with window(browser, address, **DESKTOP) as page:
        search(page, photo)
        taken.append(keep(page, folder / "page.png"))
        page.goto(f"{address}/engineers.html")
        expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
        taken.append(keep(page, folder / "engineers.png"))
    with window(browser, address, locale="ru-RU", **PHONE) as page:
        search(page, photo)
        taken.append(keep(page, folder / "phone.png"))
    return taken


def search(page: Page, photo: Path) -> None:
    """Until words are read, too, and every picture in view is there."""
    page.set_input_files("#file", photo)
    expect(page.locator(".card[data-card-id]").first).to_be_visible()
    expect(page.locator("#articles")).not_to_have_text(READING)
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """() => Promise.all([...document.images]
             .filter((image) => image.getBoundingClientRect().top < innerHeight && image.src)
             .map((image) => image.decode()))"""
    )


def keep(page: Page, path: Path) -> Path:
    """A picture in fewer shades: letters stay sharp, photos hardly suffer, and it is small."""
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    taken.point(lambda v: min(255, (v + STEP // 2) // STEP * STEP)).save(path, optimize=True)
    assert path.stat().st_size < BYTES_MOST, f"{path} has {path.stat().st_size} bytes"
    return path


if __name__ == "__main__":
    given, of, to = sys.argv[1:]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        take_pictures(started, given, Path(of), folder=Path(to))
        started.close()
