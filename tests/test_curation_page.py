"""Pages about curation and its data: what they show, and that nothing but pages is served."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from small_market import PARAMS, Market, curated, fill, paint, png

from photosearch.catalog.schemas import Photo, Review
from photosearch.catalog.tables import read_rows
from photosearch.curation.docs_site import docs_server, write_docs
from photosearch.curation.quality import Truth, measure
from photosearch.curation.raw_expectations import validate_raw
from photosearch.errors import HomeNotReady
from photosearch.home import Home

# Great Expectations imports sre_constants and sre_parse, deprecated in Python 3.11
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path / "shop"))


def with_noise(market: Market) -> Home:
    fill(market)
    look = paint("red", "green", seed=1234)
    market.review("c0", png(look))
    market.review("c0", png(look.resize((120, 120))))
    market.review("c1", png(paint("red", seed=3, side_px=20)))
    market.curate()
    return market.home


@contextmanager
def served(home: Home) -> Iterator[str]:
    with docs_server(home, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_the_page_shows_each_rule_with_count_threshold_and_examples(
    market: Market, browser: Browser, pictures: Path
):
    home = with_noise(market)
    truth = {photo_id: Truth("product", None) for photo_id in curated(home)}
    validate_raw(home)
    write_docs(home, PARAMS, quality=measure([], truth))
    with served(home) as address:
        page = browser.new_page()
        page.goto(address)
        assert page.title() == "Data of this home"
        assert page.locator("a").all_inner_texts() == [
            "What curation left out", "Checks of the raw tables", "Data Docs of the raw tables",
        ]  # fmt: skip
        page.click("text=What curation left out")
        page.wait_for_url("**/curation.html")
        rows = page.locator("table tr").all_inner_texts()
        assert any("near_duplicate" in row and "0.87" in row for row in rows)
        assert any("too_small" in row and "min_side_px: 64" in row for row in rows)
        figure = page.locator("h2#near_duplicate + div figure").first
        loaded = figure.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
        assert loaded == [120, 120]  # the photo, and what its card keeps
        page.screenshot(path=pictures / "curation.png", full_page=True)
        page.close()


def test_only_pages_are_served(market: Market):
    home = with_noise(market)
    write_docs(home, PARAMS)
    with served(home) as address, httpx.Client(base_url=address, timeout=60) as client:
        assert client.get("/docs/curation.html").status_code == 200
        for path in ("/rejected.parquet", "/curated/photos.parquet", "/docs/../rejected.parquet",
                     "/docs/%2e%2e/rejected.parquet"):  # fmt: skip
            assert client.get(path).status_code == 404
        assert client.head("/docs/curation.html").status_code == 405


def test_a_seller_s_words_do_not_run_in_the_page(market: Market):
    market.card("<script>alert(1)</script>")
    market.photo("<script>alert(1)</script>", png(paint("red", seed=1)))
    market.review("<script>alert(1)</script>", png(paint("red", seed=2, side_px=9)))
    market.curate()
    write_docs(market.home, PARAMS)
    page = (market.home.build / "docs" / "curation.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_without_curated_tables_there_are_no_pages(tmp_path: Path):
    with pytest.raises(HomeNotReady, match=r"rejected\.parquet does not exist\. Run"):
        write_docs(Home(tmp_path), PARAMS)


def test_the_pages_are_the_same_bytes_each_time(market: Market):
    home = with_noise(market)
    write_docs(home, PARAMS)
    before = (home.build / "docs" / "curation.html").read_bytes()
    write_docs(home, PARAMS)
    assert (home.build / "docs" / "curation.html").read_bytes() == before
    assert len(read_rows(home.catalog / "photos.parquet", Photo)) == 39
    assert len(read_rows(home.catalog / "reviews.parquet", Review)) == 33
