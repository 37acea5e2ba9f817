"""A pull asks only for what changed, and ends with the snapshot that asking for all would give."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_source import Shop, card, open_shop, picture, review

from photosearch.catalog import images
from photosearch.catalog.changes import Changes
from photosearch.catalog.marketplace import MarketplaceSource
from photosearch.catalog.pull import PullReport, pull
from photosearch.catalog.schemas import Card, Rejected
from photosearch.catalog.tables import read_rows
from photosearch.catalog.web import Manners
from photosearch.errors import SourceUnreachable
from photosearch.home import Home

ROOT = Path(__file__).parents[1]


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def pull_from(shop: Shop, home: Home, *allowed_hosts: str) -> PullReport:
    manners = Manners(attempts=2, max_wait_s=0.01)
    source = MarketplaceSource(shop.url, name="shop", allowed_hosts=allowed_hosts, manners=manners)
    return pull(source, home, threads=2)


def files(home: Home) -> dict[str, bytes]:
    return {
        str(path.relative_to(home.data)): path.read_bytes()
        for path in home.data.rglob("*")
        if path.is_file()
    }


def at(day: int, **more) -> dict:
    return {"updated_at": f"2026-01-{day:02d}T00:00:00Z"} | more


def serve_photos(shop: Shop, *names: str) -> None:
    for name in names:
        shop.serve(f"/{name}.jpg", picture(sum(name.encode()) % 256), ETag=f'"{name}"')


def three_cards(shop: Shop) -> None:
    """Cards a, b and c with a review each, and a place to go on from."""
    cards = [card(name, f"/{name}.jpg", **at(1)) for name in "abc"]
    shop.serve_page("cards", cards[:2], next_cursor="page-2")
    shop.serve_page("cards", cards[2:], cursor="page-2", resume_cursor="day-1")
    reviews = [review(f"r-{name}", name, f"/{name}r.jpg", **at(1)) for name in "abc"]
    shop.serve_page("reviews", reviews, resume_cursor="day-1")
    serve_photos(shop, "a", "b", "c", "ar", "br", "cr")


def test_only_what_changed_is_asked_for(shop: Shop, home: Home, tmp_path: Path):
    three_cards(shop)
    first = pull_from(shop, home)
    assert (first.told, first.changes["cards"]) == ({"cards": 3, "reviews": 3}, Changes(3, 0, 0))
    changed = [
        card("a", "/a.jpg", price=9, **at(2)),
        {"card_id": "b", "deleted": True},
        card("d", "/d.jpg", **at(2)),
    ]
    gone = [{"review_id": "r-b", "deleted": True}]
    shop.serve_page("cards", changed, cursor="day-1", resume_cursor="day-2")
    shop.serve_page("reviews", gone, cursor="day-1", resume_cursor="day-2")
    serve_photos(shop, "d")
    shop.serve("/a.jpg", status=304)
    second = pull_from(shop, home)
    assert second.told == {"cards": 3, "reviews": 1}
    assert second.changes["cards"] == Changes(new=1, changed=1, gone=1)
    assert second.changes["photos"] == Changes(new=1, changed=0, gone=2)
    assert (second.cards, second.photos, second.new_images, second.rejected) == (3, 5, 1, {})
    asked = {path: n for path, n in shop.asked.items() if path.endswith(".jpg")}
    assert asked == {"/a.jpg": 2, "/b.jpg": 1, "/c.jpg": 1, "/d.jpg": 1} | dict.fromkeys(
        ("/ar.jpg", "/br.jpg", "/cr.jpg"), 1
    )
    assert shop.asked["/v1/cards?cursor="] == 1
    with open_shop() as other:  # the same shop to somebody who asks for the first time
        rows = [changed[0], changed[2], card("c", "/c.jpg", **at(1))]
        other.serve_page("cards", rows)
        other.serve_page("reviews", [review(f"r-{n}", n, f"/{n}r.jpg", **at(1)) for n in "ca"])
        serve_photos(other, "a", "c", "d", "ar", "cr")
        pull_from(other, Home(tmp_path / "whole"))
    assert files(home) == files(Home(tmp_path / "whole"))


def test_nothing_new_costs_one_page_a_table_and_changes_no_byte(shop: Shop, home: Home):
    three_cards(shop)
    pull_from(shop, home)
    before, asked = files(home), sum(shop.asked.values())
    for table in ("cards", "reviews"):
        shop.serve_page(table, [], cursor="day-1", resume_cursor="day-1")
    report = pull_from(shop, home)
    assert sum(shop.asked.values()) == asked + 2
    assert (report.told, report.new_images) == ({"cards": 0, "reviews": 0}, 0)
    assert report.changes["cards"] == Changes(0, 0, 0)
    assert files(home) == before


def test_a_listing_that_was_cut_off_goes_on_from_its_page(shop: Shop, home: Home):
    shop.serve_page("cards", [card("a", "/a.jpg")], next_cursor="page-2")
    shop.serve("/v1/cards?cursor=page-2", status=500)
    shop.serve("/v1/cards?cursor=page-2", status=500)
    bad = [card("b", "/b.jpg"), "nonsense", {"title": "no id"}]
    shop.serve_page("cards", bad, cursor="page-2")
    shop.serve_page("reviews", [])
    serve_photos(shop, "a", "b")
    with pytest.raises(SourceUnreachable, match=r"cursor=page-2.* does not answer"):
        pull_from(shop, home)
    report = pull_from(shop, home)
    assert shop.asked["/v1/cards?cursor="] == 1
    assert report.cards == 2
    rejected = read_rows(home.catalog / "rejected.parquet", Rejected)
    places = [(row.card_id, row.reason) for row in rejected]
    assert places == [
        ("card 2 after page-2", "not_an_object"),
        ("card 3 after page-2", "missing_card_id"),
    ]


@pytest.mark.parametrize("status", [400, 410])
def test_a_forgotten_cursor_means_asking_for_everything(shop: Shop, home: Home, status: int):
    three_cards(shop)
    pull_from(shop, home)
    before = files(home)
    shop.serve("/v1/cards?cursor=day-1", status=status)
    shop.serve_page("reviews", [], cursor="day-1", resume_cursor="day-1")
    report = pull_from(shop, home)
    assert report.told == {"cards": 3, "reviews": 0}
    assert files(home) == before


def test_what_a_whole_listing_no_longer_tells_is_gone(shop: Shop, home: Home):
    serve_photos(shop, "a", "b")
    shop.serve_page("reviews", [])
    shop.serve_page("cards", [card("a", "/a.jpg"), card("b", "/b.jpg")])
    shop.serve_page("cards", [card("b", "/b.jpg")])
    assert pull_from(shop, home).cards == 2
    assert pull_from(shop, home).changes["cards"] == Changes(0, 0, 1)


def test_a_mended_row_takes_the_place_of_the_broken_one(shop: Shop, home: Home):
    serve_photos(shop, "a", "b")
    broken = card("b", "/b.jpg") | {"price": -1}
    shop.serve_page("cards", [card("a", "/a.jpg"), broken], resume_cursor="1")
    shop.serve_page("cards", [broken | {"price": 1}], cursor="1", resume_cursor="2")
    shop.serve_page("reviews", [])
    assert pull_from(shop, home).rejected == {"bad_price": 1}
    report = pull_from(shop, home)
    assert (report.rejected, report.cards) == ({}, 2)


def test_a_card_that_changes_while_it_is_listed_is_told_twice_and_kept_once(shop: Shop, home: Home):
    serve_photos(shop, "a")
    shop.serve_page("cards", [card("a", "/a.jpg", price=1, **at(1))], next_cursor="2")
    again = [card("a", "/a.jpg", price=2, **at(2)), card("a", "/a.jpg", price=3, **at(2))]
    shop.serve_page("cards", again, cursor="2")
    shop.serve_page("reviews", [])
    report = pull_from(shop, home)
    assert report.rejected == {"duplicate_card_id": 1}
    assert [row.price for row in read_rows(home.catalog / "cards.parquet", Card)] == [2]


def test_an_image_of_an_unchanged_row_without_a_time_is_asked_about_by_its_etag(
    shop: Shop, home: Home
):
    shop.serve_page("cards", [card("a", "/a.jpg")])
    shop.serve_page("reviews", [])
    shop.serve("/a.jpg", picture(1), ETag='"1"')
    shop.serve("/a.jpg", status=304)
    shop.serve("/a.jpg", picture(2), ETag='"2"')
    assert pull_from(shop, home).new_images == 1
    assert pull_from(shop, home).new_images == 0
    assert pull_from(shop, home).new_images == 1
    assert shop.asked["/a.jpg"] == 3


def test_an_image_outside_the_source_comes_once_its_host_is_allowed(shop: Shop, home: Home):
    serve_photos(shop, "a")
    with open_shop() as media:
        serve_photos(media, "b")
        shop.serve_page("cards", [card("a", "/a.jpg", f"{media.url}/b.jpg", **at(1))])
        shop.serve_page("reviews", [])
        assert pull_from(shop, home).rejected == {"outside_source": 1}
        report = pull_from(shop, home, media.url.removeprefix("http://"))
    assert (report.photos, report.new_images, report.rejected) == (2, 1, {})
    assert shop.asked["/a.jpg"] == 1


def test_a_page_in_the_place_of_an_image_is_asked_again_unless_it_has_an_etag(
    shop: Shop, home: Home
):
    addresses = ["/a.jpg", "/passing.jpg", "/text.jpg", "/large.jpg"]
    shop.serve_page("cards", [card("a", *addresses, **at(1))])
    shop.serve_page("reviews", [])
    serve_photos(shop, "a")
    shop.serve("/passing.jpg", b"<html>One moment, please</html>")
    shop.serve("/passing.jpg", picture(7))
    shop.serve("/text.jpg", b"no image", ETag='"text"')
    shop.serve("/large.jpg", b"0" * (images.MAX_BYTES + 1))
    assert pull_from(shop, home).rejected == {"too_large": 1, "unreadable": 2}
    report = pull_from(shop, home)
    assert (report.photos, report.rejected) == (2, {"too_large": 1, "unreadable": 1})
    pull_from(shop, home)
    asked = [shop.asked[address] for address in addresses]
    assert asked == [1, 2, 1, 1]


# ---- the simulator, which changes from day to day


@contextmanager
def simulator(*options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "simulator", "--cards", "20", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("simulator ready at ").strip()
        finally:
            process.terminate()


@pytest.mark.slow  # some 400 pictures are drawn
def test_days_of_a_busy_marketplace_end_as_its_last_day_alone(tmp_path: Path):
    daily, late = Home(tmp_path / "daily"), Home(tmp_path / "late")
    reports = []
    for day in ("0", "3", "9"):
        with simulator("--day", day, "--busy-every", "37") as address:
            manners = Manners(max_wait_s=0.05)
            reports.append(pull(MarketplaceSource(address, name="s", manners=manners), daily))
    with simulator("--day", "9") as address:
        whole = pull(MarketplaceSource(address, name="s"), late)
    assert reports[-1].told["cards"] < 20
    assert sum(report.changes["cards"].changed for report in reports) > 0
    assert sum(report.changes["cards"].gone for report in reports) > 0
    assert reports[-1].data_version == whole.data_version
    assert files(daily) == files(late)
    assert json.loads((late.catalog / "snapshot.json").read_text())["cards"] == whole.cards
