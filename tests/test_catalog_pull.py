"""A pull makes a whole snapshot or none, goes on after a kill, and repeats to the same bytes."""

import json
import shutil
from pathlib import Path

import pulled_home
import pytest
from PIL import Image
from pulled_home import files, reasons, rows
from small_source import (
    CountingSource,
    card,
    open_shop,
    picture,
    review,
    two_cards,
    write_folder,
)

from photosearch.catalog import images
from photosearch.catalog.marketplace import MarketplaceSource
from photosearch.catalog.pull import load_snapshot, pull
from photosearch.catalog.sources import FolderSource
from photosearch.catalog.web import Manners
from photosearch.errors import BadSource, EmptySource, HomeNotReady, SourceUnreachable
from photosearch.home import Home

home = pulled_home.home

GROCERY = Path(__file__).parents[2] / "shared" / "data" / "grocery"


def test_a_pull_brings_cards_reviews_and_photos(tmp_path: Path, home: Home):
    report = pull(FolderSource(two_cards(tmp_path / "shop")), home)
    assert (report.source, report.cards, report.photos, report.reviews) == ("folder shop", 2, 7, 3)
    assert (report.rejected, report.new_images) == ({}, 7)
    assert [row.card_id for row in rows(home, "cards")] == ["blue", "red"]
    assert [(row.photo_id, row.kind, row.review_id, row.split) for row in rows(home, "photos")] == [
        ("blue/gallery/0", "gallery", None, None),
        ("blue/review/2/0", "review", "2", None),
        ("blue/review/2/1", "review", "2", None),
        ("red/gallery/0", "gallery", None, None),
        ("red/gallery/1", "gallery", None, None),
        ("red/review/train:1/0", "review", "train:1", "train"),
        ("red/review/val:1/0", "review", "val:1", "val"),
    ]
    for photo in rows(home, "photos"):
        assert images.load(home.images, photo.sha256).size == (photo.width, photo.height)
    assert {row.review_id for row in rows(home, "reviews")} == {"2", "train:1", "val:1"}


def test_a_snapshot_says_what_it_holds(tmp_path: Path, home: Home):
    report = pull(FolderSource(two_cards(tmp_path / "shop")), home)
    snapshot = load_snapshot(home.catalog)
    assert snapshot.data_version == report.data_version
    assert (snapshot.source, snapshot.cards, snapshot.photos) == ("folder shop", 2, 7)


def test_no_snapshot_and_a_damaged_one_say_what_to_do(home: Home):
    with pytest.raises(
        HomeNotReady, match=r"snapshot\.json does not exist\. Run `photosearch pull"
    ):
        load_snapshot(home.catalog)
    home.catalog.mkdir(parents=True)
    for content in ("{", "[]", '{"cards": 1}'):
        (home.catalog / "snapshot.json").write_text(content)
        with pytest.raises(HomeNotReady, match=r"snapshot\.json is damaged .*Run `photosearch pul"):
            load_snapshot(home.catalog)


def test_the_size_of_a_photo_is_that_after_its_turn(tmp_path: Path, home: Home):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "wide.png", exif=exif)
    turned = (tmp_path / "wide.png").read_bytes()
    pull(FolderSource(write_folder(tmp_path / "shop", [card("a", "a.jpg")], a=turned)), home)
    (photo,) = rows(home, "photos")
    assert (photo.width, photo.height) == (20, 40)


def test_every_bad_photo_keeps_its_reason(tmp_path: Path, home: Home):
    addresses = ["good.jpg", "cut.jpg", "text.jpg", "huge.jpg", "none.jpg", "../out.jpg", "/abs"]
    root = write_folder(
        tmp_path / "shop",
        [card("a", *addresses)],
        [review("1", "a", "text.jpg", "good.jpg")],
        good=picture(1),
        cut=picture(1)[:-60],
        text=b"not a photo at all",
        huge=picture(1) + b"\0" * images.MAX_BYTES,
    )
    report = pull(FolderSource(root), home)
    assert reasons(home) == [
        ("a", "a/gallery/1", "unreadable"),
        ("a", "a/gallery/2", "unreadable"),
        ("a", "a/gallery/3", "too_large"),
        ("a", "a/gallery/4", "missing"),
        ("a", "a/gallery/5", "outside_source"),
        ("a", "a/gallery/6", "outside_source"),
        ("a", "a/review/1/0", "unreadable"),
    ]
    assert report.rejected == {"missing": 1, "outside_source": 2, "too_large": 1, "unreadable": 3}
    assert [row.photo_id for row in rows(home, "photos")] == ["a/gallery/0", "a/review/1/1"]
    assert all(row.score is None for row in rows(home, "rejected"))


def test_every_bad_row_keeps_its_reason(tmp_path: Path, home: Home):
    cards = [
        card("a", "a.jpg"),
        card("a", "b.jpg", title="A copy"),
        card("bare"),
        card("blind", "none.jpg"),
        {"card_id": "nameless", "images": ["a.jpg"]},
        "{ not json",
    ]
    reviews = [
        review("1", "a", "a.jpg"),
        review("1", "a", "b.jpg"),
        review("2", "nobody", "a.jpg"),
        review("3", "bare", "a.jpg"),
        review("4", "nameless", "a.jpg"),
        review("5", "a", "a.jpg", rating=9),
    ]
    root = write_folder(tmp_path / "shop", cards, reviews, a=picture(1), b=picture(2))
    source = CountingSource(root)
    pull(source, home)
    assert reasons(home) == [
        ("a", "", "bad_rating"),
        ("a", "", "duplicate_card_id"),
        ("a", "", "duplicate_review_id"),
        ("bare", "", "no_photos"),
        ("bare", "", "rejected_card"),
        ("blind", "", "no_photos"),
        ("blind", "blind/gallery/0", "missing"),
        ("cards.jsonl line 6", "", "not_json"),
        ("nameless", "", "missing_title"),
        ("nameless", "", "rejected_card"),
        ("nobody", "", "unknown_card"),
    ]
    assert [row.title for row in rows(home, "cards")] == ["The a"]
    assert "b.jpg" not in source.reads  # only rejected rows name it


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        ([], r"it lists no cards\)"),
        ([card("a", "none.jpg"), card("b")], r"left out: missing 1, no_photos 2\)"),
        (["{"], r"left out: not_json 1\)"),
    ],
)
def test_an_empty_source_leaves_the_snapshot_alone(tmp_path: Path, home: Home, cards, told: str):
    pull(FolderSource(two_cards(tmp_path / "shop")), home)
    before = files(home)
    with pytest.raises(
        EmptySource, match=f"has no card with a readable gallery photo .{told}. Mend"
    ):
        pull(FolderSource(write_folder(tmp_path / "empty", cards)), home)
    assert files(home) == before


def test_a_missing_column_leaves_the_snapshot_alone(tmp_path: Path, home: Home):
    pull(FolderSource(two_cards(tmp_path / "shop")), home)
    before = files(home)
    root = write_folder(tmp_path / "bad", [{"card_id": "a", "images": ["a.jpg"]}])
    with pytest.raises(BadSource, match="has the column 'title'"):
        pull(FolderSource(root), home)
    assert files(home) == before


def test_pulling_twice_changes_nothing(tmp_path: Path, home: Home):
    source = FolderSource(two_cards(tmp_path / "shop"))
    first = pull(source, home)
    before, written_at = files(home), (home.catalog / "cards.parquet").stat().st_mtime_ns
    second = pull(source, home)
    assert files(home) == before
    assert (home.catalog / "cards.parquet").stat().st_mtime_ns == written_at
    assert (first.new_images, second.new_images) == (7, 0)
    assert sorted(path.name for path in home.data.iterdir()) == ["catalog", "images"]


def test_the_bytes_depend_on_nothing_but_the_source(tmp_path: Path):
    root = two_cards(tmp_path / "here" / "shop")
    elsewhere = shutil.copytree(root, tmp_path / "there" / "shop")
    one, many = Home(tmp_path / "one"), Home(tmp_path / "many")
    pull(FolderSource(root), one, threads=1)
    pull(FolderSource(elsewhere), many, threads=8)
    assert files(one) == files(many)


def test_the_order_of_rows_does_not_matter(tmp_path: Path, home: Home):
    root = two_cards(tmp_path / "shop")
    before = pull(FolderSource(root), home).data_version
    for table in ("cards", "reviews"):
        lines = (root / f"{table}.jsonl").read_text().splitlines()
        (root / f"{table}.jsonl").write_text("\n".join(reversed(lines)))
    assert pull(FolderSource(root), home).data_version == before


def test_what_the_source_dropped_is_dropped_here(tmp_path: Path, home: Home):
    root = two_cards(tmp_path / "shop")
    first = pull(FolderSource(root), home)
    write_folder(root, [card("red", "r0.jpg", "new.jpg")], [], new=picture(250))
    second = pull(FolderSource(root), home)
    assert (second.photos, second.new_images) == (2, 1)
    assert second.data_version != first.data_version
    kept = {path.name for path in home.images.rglob("*") if path.is_file()}
    assert kept == {row.sha256 for row in rows(home, "photos")}


def test_a_damaged_stored_image_is_mended(tmp_path: Path, home: Home):
    source = FolderSource(two_cards(tmp_path / "shop"))
    pull(source, home)
    before = files(home)
    images.path_of(home.images, rows(home, "photos")[0].sha256).write_bytes(b"half")
    pull(source, home)
    assert files(home) == before


def test_a_marketplace_gives_the_snapshot_of_its_folder(tmp_path: Path, home: Home):
    folder = FolderSource(two_cards(tmp_path / "shop"))
    with open_shop() as shop:
        shop.serve_page("cards", list(folder.cards()))
        shop.serve_page("reviews", list(folder.reviews()))
        for photo in folder.root.glob("*.jpg"):
            shop.serve(f"/{photo.name}", photo.read_bytes())
        report = pull(MarketplaceSource(shop.url, name="shop"), home)
    assert report.source == "shop"
    assert report.data_version == pull(folder, Home(tmp_path / "other")).data_version


def test_a_marketplace_that_stops_answering_is_gone_on_with(home: Home):
    with open_shop() as shop:
        addresses = ["/a.jpg", "/late.jpg", "/b.jpg", "/c.jpg", "/d.jpg", "http://10.0.0.1/c.jpg"]
        shop.serve_page("cards", [card("a", *addresses)])
        shop.serve_page("reviews", [])
        shop.serve("/a.jpg", picture(1))
        shop.serve("/late.jpg", status=404)
        shop.serve("/late.jpg", picture(3))
        for number, name in enumerate("bcd"):
            shop.serve(f"/{name}.jpg", status=503)
            shop.serve(f"/{name}.jpg", status=503)
            shop.serve(f"/{name}.jpg", picture(10 + number))
        source = MarketplaceSource(shop.url, manners=Manners(attempts=2, max_wait_s=0.01))
        with pytest.raises(SourceUnreachable, match=r"/d\.jpg does not answer"):
            pull(source, home, threads=1)
        report = pull(source, home)
        assert (report.photos, report.rejected) == (5, {"outside_source": 1})
        assert shop.asked["/a.jpg"] == 1


@pytest.mark.skipif(not GROCERY.is_dir(), reason="the grocery photos are not on this machine")
def test_real_cards_and_shop_photos_are_pulled(tmp_path: Path, home: Home):
    """Its reviews are counted anew in each split, so that the same id names two photos."""
    cards = [json.loads(line) for line in (GROCERY / "cards.jsonl").read_text().splitlines()][:3]
    names = {row["card_id"] for row in cards}
    every = [json.loads(line) for line in (GROCERY / "reviews.jsonl").read_text().splitlines()]
    reviews = [row for row in every if row["card_id"] in names]
    reviews = [row for row in reviews if row["review_id"][-3:] in ("001", "002")]
    for row in cards + reviews:
        for address in row["images"]:
            (tmp_path / "shop" / address).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(GROCERY / address, tmp_path / "shop" / address)
    report = pull(FolderSource(write_folder(tmp_path / "shop", cards, reviews)), home)
    assert report.rejected == {}
    assert (report.cards, report.photos) == (3, 3 + len(reviews))
    splits = {row.split for row in rows(home, "photos") if row.kind == "review"}
    assert splits == {"train", "val"}
    assert min(row.width for row in rows(home, "photos")) > 100
