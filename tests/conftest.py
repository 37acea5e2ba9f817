"""A real browser, for the tests that look at the page as a shopper does; patience for all."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from page_windows import window
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_configure() -> None:
    """Examples of hypothesis may take as long as they need: a busy machine is no fault of ours."""
    slow = [HealthCheck.too_slow]
    settings.register_profile("patient", deadline=None, suppress_health_check=slow)
    settings.load_profile("patient")


@pytest.fixture(scope="module")
def chromium() -> Path:
    """Debian's browser; installed here where the machine allows it."""
    if CHROMIUM.exists():
        return CHROMIUM
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"{CHROMIUM} is missing and cannot be installed: needs root and apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        INSTALL, shell=True, env=environment, capture_output=True, text=True, check=False
    )
    if not CHROMIUM.exists():
        pytest.skip(f"apt-get did not install chromium: {(done.stderr or 'no reason')[-300:]}")
    return CHROMIUM


# by module: while it is open, this thread has a running event loop, which other tests must not see
@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A window on the page at the `address` of the test's own module."""
    with window(browser, address) as page:
        yield page


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: PHOTOSEARCH_SCREENSHOTS, or nowhere that lasts."""
    folder = Path(os.environ.get("PHOTOSEARCH_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
