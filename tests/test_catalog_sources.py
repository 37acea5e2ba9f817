"""A folder and a marketplace over real HTTP tell the same rows, and give nothing from elsewhere."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from small_source import Shop, card, open_shop, picture, review, two_cards, write_folder

from photosearch.catalog import marketplace
from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.marketplace import MarketplaceSource
from photosearch.catalog.source_rows import BadRow, SourceCard, SourceReview
from photosearch.catalog.sources import FolderSource, read_cards, read_reviews
from photosearch.errors import (
    BadSource,
    HugePhoto,
    MissingPhoto,
    OutsidePhoto,
    SourceUnreachable,
    UnreadablePhoto,
)


def cards_of(root: Path, *rows: object) -> list[SourceCard | BadRow]:
    return list(read_cards(FolderSource(write_folder(root, list(rows)))))


def reviews_of(root: Path, *rows: object) -> list[SourceReview | BadRow]:
    return list(read_reviews(FolderSource(write_folder(root, [], list(rows)))))


# ---- rows


def test_a_card_needs_little_and_ignores_what_we_do_not_use(tmp_path: Path):
    row = {"card_id": " a ", "title": "Apple", "images": ["a.jpg"], "store_title": "x", "volume": 3}
    (found,) = cards_of(tmp_path, row | {"brand": None, "category": None, "article": " "})
    made = found.card()
    assert (made.card_id, made.group_id, made.title) == ("a", "a", "Apple")
    assert (made.brand, made.article, made.category, made.price) == (None, None, [], None)


def test_a_card_keeps_everything_we_use(tmp_path: Path):
    more = {"title_ru": "Кружка", "description": "d", "category": ["Home", "Mugs"], "brand": "B"}
    more |= {"article": "AB-1", "price": 5, "group_id": "g", "updated_at": 1700000000}
    (found,) = cards_of(tmp_path, card("a", "a.jpg", **more))
    values = {name: getattr(found.card(), name) for name in more if name != "updated_at"}
    assert values == {name: value for name, value in more.items() if name != "updated_at"}
    assert found.updated_at == "1700000000"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": None}, "missing_title"),
        ({"title": "  "}, "missing_title"),
        ({"images": None}, "missing_images"),
        ({"title": 5}, "bad_title"),
        ({"title": "x" * 1001}, "bad_title"),
        ({"title": "half a letter \ud800"}, "bad_title"),
        ({"description": "x" * 20_001}, "bad_description"),
        ({"category": [None]}, "bad_category"),
        ({"category": ["x"] * 21}, "bad_category"),
        ({"price": -1}, "bad_price"),
        ({"price": float("nan")}, "bad_price"),
        ({"images": "a.jpg"}, "bad_images"),
        ({"images": ["a.jpg"] * 101}, "bad_images"),
        ({"group_id": "a\nb"}, "bad_group_id"),
    ],
)
def test_a_bad_value_rejects_the_card_with_its_name(tmp_path: Path, change: dict, reason: str):
    assert cards_of(tmp_path, card("a", "a.jpg") | change) == [BadRow("a", reason)]


@pytest.mark.parametrize(
    ("card_id", "reason"),
    [
        ("", "missing_card_id"),
        ("x" * 201, "bad_card_id"),
        ("a\0b", "bad_card_id"),
        ("a/b", "bad_card_id"),
        (5, "bad_card_id"),
    ],
)
def test_a_card_without_a_sound_id_is_told_by_its_place(tmp_path: Path, card_id, reason: str):
    found = cards_of(tmp_path, card("a", "a.jpg"), card("a", "a.jpg") | {"card_id": card_id})
    assert found[1] == BadRow("card 2", reason)


@pytest.mark.parametrize("column", ["card_id", "title", "images"])
def test_a_column_missing_from_some_cards_rejects_them(tmp_path: Path, column: str):
    partial = {name: value for name, value in card("a", "a.jpg").items() if name != column}
    _, bad = cards_of(tmp_path, card("b", "b.jpg"), partial)
    assert bad.reason == f"missing_{column}"


@pytest.mark.parametrize("column", ["card_id", "title", "images"])
def test_a_column_missing_from_every_card_stops_with_its_name(tmp_path: Path, column: str):
    partial = {name: value for name, value in card("a", "a.jpg").items() if name != column}
    with pytest.raises(BadSource, match=f"No card of folder .* has the column '{column}' .2 rows"):
        cards_of(tmp_path, partial, partial)


def test_a_review_without_photos_or_stars_is_fine(tmp_path: Path):
    (found, empty) = reviews_of(tmp_path, review("1", "a", "x.jpg", rating=5, split="val"),
                                review("2", "a") | {"images": None, "text": ""})  # fmt: skip
    assert (found.review().rating, found.review().split) == (5, "val")
    assert (empty.images, empty.review().text, empty.review().rating) == ([], None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rating": 0}, "bad_rating"),
        ({"rating": 6}, "bad_rating"),
        ({"split": "training"}, "bad_split"),
        ({"review_id": None}, "missing_review_id"),
        ({"text": "x" * 20_001}, "bad_text"),
    ],
)
def test_a_bad_value_rejects_the_review_under_its_card(tmp_path: Path, change: dict, reason: str):
    assert reviews_of(tmp_path, review("1", "a") | change) == [BadRow("a", reason)]


def test_reviews_counted_anew_in_each_split_have_keys_of_their_own(tmp_path: Path):
    rows = [review("1", "a", split=split) for split in ("train", "val", None)]
    keys = [row.key for row in reviews_of(tmp_path, *rows)]
    assert keys == ["train:1", "val:1", "1"]


# ---- a folder


def test_a_folder_that_is_not_there_says_what_to_name(tmp_path: Path):
    with pytest.raises(BadSource, match=r"nowhere is not a folder. Name one that holds cards"):
        FolderSource(tmp_path / "nowhere")
    with pytest.raises(BadSource, match=r"has no cards\.jsonl. Write one line of JSON a card"):
        FolderSource(tmp_path)


def test_a_folder_may_have_no_reviews(tmp_path: Path):
    assert list(FolderSource(write_folder(tmp_path, [])).reviews()) == []


def test_lines_that_are_not_json_objects_are_rejected_by_number(tmp_path: Path):
    deep = "[" * 100_000
    found = cards_of(tmp_path, "{", "", card("a", "a.jpg"), "[1]", deep, '{"a": "\\ud800"')
    places = [(row.place, row.reason) for row in found if isinstance(row, BadRow)]
    assert places == [
        ("cards.jsonl line 1", "not_json"),
        ("cards.jsonl line 4", "not_an_object"),
        ("cards.jsonl line 5", "not_json"),
        ("cards.jsonl line 6", "not_json"),
    ]


def test_an_endless_line_is_never_read_whole(tmp_path: Path):
    long = card("long", "a.jpg", description="x" * 2_500_000)
    found = cards_of(tmp_path, long, card("a", "a.jpg"))
    assert {row.place for row in found if isinstance(row, BadRow)} == {"cards.jsonl line 1"}
    assert found[-1].card_id == "a"


def test_bytes_that_are_not_text_and_a_byte_order_mark_do_no_harm(tmp_path: Path):
    root = write_folder(tmp_path, [])
    line = json.dumps(card("a", "a.jpg")).encode()
    (root / "cards.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\xff\xfe\n" + line)
    found = list(read_cards(FolderSource(root)))
    assert [type(row) for row in found] == [SourceCard, BadRow, SourceCard]


@pytest.mark.parametrize("address", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "a\0b"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, address: str):
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    source = FolderSource(write_folder(tmp_path / "shop", []))
    with pytest.raises(OutsidePhoto, match=r"is not a path inside the source\. Put the photo into"):
        source.read_image(address)
    assert source.mark(address) == ""


def test_no_link_leads_out_of_the_folder(tmp_path: Path):
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    root = write_folder(tmp_path / "shop", [], inside=picture(2))
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "in.jpg").symlink_to(root / "inside.jpg")
    (root / "round.jpg").symlink_to(root / "round.jpg")
    source = FolderSource(root)
    with pytest.raises(OutsidePhoto, match=r"'out\.jpg' is a link that leaves the source"):
        source.read_image("out.jpg")
    assert source.read_image("in.jpg") == picture(2)
    with pytest.raises(UnreadablePhoto, match=r"round\.jpg"):
        source.read_image("round.jpg")


def test_what_is_no_file_is_not_opened(tmp_path: Path):
    root = write_folder(tmp_path, [])
    os.mkfifo(root / "pipe.jpg")
    (root / "dir.jpg").mkdir()
    for address in ("pipe.jpg", "dir.jpg", ""):
        with pytest.raises(UnreadablePhoto, match="is not a file"):
            FolderSource(root).read_image(address)
    with pytest.raises(MissingPhoto, match=r"none\.jpg is not in .*. Put it there"):
        FolderSource(root).read_image("none.jpg")
    with pytest.raises(UnreadablePhoto, match="cannot be read: File name too long"):
        FolderSource(root).read_image("x" * 1000)


def test_a_huge_file_is_not_read(tmp_path: Path):
    root = write_folder(tmp_path, [])
    with (root / "huge.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(HugePhoto, match=r"huge\.jpg has 10,000,001 bytes, more than 10,000,000"):
        FolderSource(root).read_image("huge.jpg")


def test_a_mark_changes_with_the_file(tmp_path: Path):
    source = FolderSource(write_folder(tmp_path, [], a=picture(1)))
    before = source.mark("a.jpg")
    assert source.mark("a.jpg") == before
    (tmp_path / "a.jpg").write_bytes(picture(1) + b"more")
    assert source.mark("a.jpg") != before


# ---- a marketplace


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def source_of(shop: Shop, *, attempts: int = 3, max_wait_s: float = 0.01) -> MarketplaceSource:
    return MarketplaceSource(shop.url, attempts=attempts, max_wait_s=max_wait_s)


def test_a_marketplace_tells_the_rows_of_all_its_pages(shop: Shop):
    shop.serve_page("cards", [card("a"), card("b")], next_cursor="2")
    shop.serve_page("cards", [card("c"), "nonsense"], cursor="2")
    shop.serve_page("reviews", [])
    source = source_of(shop)
    assert [row if isinstance(row, BadRow) else row["card_id"] for row in source.cards()] == [
        *("a", "b", "c"),
        BadRow("cards 4", "not_an_object"),
    ]
    assert list(source.reviews()) == []
    assert source.name == f"marketplace {shop.url}"


def test_pages_that_go_round_in_a_circle_are_noticed(shop: Shop):
    shop.serve_page("cards", [card("a")], next_cursor="2")
    shop.serve_page("cards", [card("b")], cursor="2", next_cursor="2")
    with pytest.raises(BadSource, match="cards go round in a circle, back to '2'"):
        list(source_of(shop).cards())


@pytest.mark.parametrize(
    "content", [b"<html>", b"[]", b'{"cards": 5}', b'{"cards": [], "next_cursor": 5}', b"[" * 99999]
)
def test_what_is_not_a_page_stops_with_its_address(shop: Shop, content: bytes):
    shop.serve("/v1/cards?cursor=", content)
    with pytest.raises(BadSource, match=r"/v1/cards\?.* does not answer with a page. It must be"):
        list(source_of(shop).cards())


def test_a_wrong_address_is_told_from_a_marketplace(shop: Shop):
    with pytest.raises(BadSource, match=r"answers HTTP 404\. Check the address"):
        list(source_of(shop).cards())
    for address in ("ftp://x", "nonsense", "http://", "http://a\0b", ""):
        with pytest.raises(BadSource, match=r"is not the address of a marketplace\. Give"):
            MarketplaceSource(address)


def test_an_image_comes_as_it_is(shop: Shop):
    shop.serve("/images/a.jpg", picture(1))
    assert source_of(shop).read_image("/images/a.jpg") == picture(1)
    assert source_of(shop).read_image(f"{shop.url}/images/a.jpg") == picture(1)


def test_no_other_host_is_ever_asked(shop: Shop):
    with open_shop() as other:
        other.serve("/a.jpg", picture(1))
        port = other.url.rsplit(":", 1)[1]
        addresses = [f"{other.url}/a.jpg", f"//127.0.0.1:{port}/a.jpg", "http://[", "file:///a"]
        addresses += [f"http://user:word@{shop.url[7:]}/a.jpg"]
        addresses += [f"{shop.url}@127.0.0.1:{port}/a.jpg", "https" + shop.url[4:] + "/a.jpg"]
        for address in addresses:
            with pytest.raises(OutsidePhoto, match=r"Serve the image from|is not an address"):
                source_of(shop).read_image(address)
        shop.serve("/moved.jpg", status=302, Location=f"{other.url}/a.jpg")
        with pytest.raises(OutsidePhoto, match=r"redirects to .*, which is not followed"):
            source_of(shop).read_image("/moved.jpg")
        assert not other.asked


def test_an_absent_image_is_missing(shop: Shop):
    with pytest.raises(MissingPhoto, match=r"/none\.jpg answers HTTP 404"):
        source_of(shop).read_image("/none.jpg")


def test_an_image_is_dropped_when_it_passes_the_limit(shop: Shop):
    shop.serve("/huge.jpg", b"x" * (MAX_BYTES + 1))
    with pytest.raises(HugePhoto, match=r"/huge\.jpg has more than 10,000,000 bytes"):
        source_of(shop).read_image("/huge.jpg")


def test_a_busy_marketplace_is_asked_again(shop: Shop):
    shop.serve("/a.jpg", status=503)
    shop.serve("/a.jpg", status=429, Retry_After="0")
    shop.serve("/a.jpg", picture(1))
    assert source_of(shop).read_image("/a.jpg") == picture(1)
    assert shop.asked["/a.jpg"] == 3


def test_a_marketplace_says_how_long_to_wait(shop: Shop):
    shop.serve("/a.jpg", status=503, Retry_After="1")
    shop.serve("/a.jpg", picture(1))
    started = time.monotonic()
    source_of(shop, max_wait_s=30).read_image("/a.jpg")
    assert 0.9 < time.monotonic() - started < 10


def test_a_marketplace_cannot_make_us_wait_for_ever(shop: Shop):
    shop.serve("/a.jpg", status=503, Retry_After="999999999")
    shop.serve("/a.jpg", picture(1))
    started = time.monotonic()
    source_of(shop).read_image("/a.jpg")
    assert time.monotonic() - started < 5


def test_retry_after_holds_seconds_or_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert marketplace._retry_after_s("7") == 7
    assert 50 < marketplace._retry_after_s(later) <= 60
    assert marketplace._retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for nonsense in (None, "soon", "-5", "²"):
        assert marketplace._retry_after_s(nonsense) is None


def test_a_marketplace_that_stays_busy_is_unreachable(shop: Shop):
    shop.serve("/a.jpg", status=503)
    with pytest.raises(SourceUnreachable, match=r"/a\.jpg does not answer .HTTP 503; asked 3 tim"):
        source_of(shop).read_image("/a.jpg")
    assert shop.asked["/a.jpg"] == 3


def test_a_marketplace_that_is_not_there_is_unreachable():
    with open_shop() as closed:
        url = closed.url
    source = MarketplaceSource(url, attempts=2, max_wait_s=0.01)
    with pytest.raises(SourceUnreachable, match="Start the marketplace or check the address, then"):
        list(source.cards())


def test_an_answer_that_breaks_off_is_asked_for_again(shop: Shop):
    shop.serve("/a.jpg", picture(1)[:50], Content_Length=str(len(picture(1))))
    shop.serve("/a.jpg", picture(1))
    assert source_of(shop).read_image("/a.jpg") == picture(1)


def test_an_answer_that_drips_is_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(marketplace, "MAX_ANSWER_S", -1.0)
    shop.serve("/a.jpg", picture(1))
    with pytest.raises(SourceUnreachable, match="not whole after"):
        source_of(shop).read_image("/a.jpg")


def test_a_folder_and_a_marketplace_tell_the_same_cards(tmp_path: Path, shop: Shop):
    folder = FolderSource(two_cards(tmp_path))
    shop.serve_page("cards", list(folder.cards()))
    shop.serve_page("reviews", list(folder.reviews()))
    assert list(read_cards(source_of(shop))) == list(read_cards(folder))
    assert list(read_reviews(source_of(shop))) == list(read_reviews(folder))
