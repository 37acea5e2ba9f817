"""A folder and a marketplace over real HTTP tell the same rows, and give nothing from elsewhere."""

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from small_source import Shop, card, open_shop, picture, review, two_cards, write_folder

from photosearch.catalog import web
from photosearch.catalog.addresses import is_public
from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.marketplace import MarketplaceSource
from photosearch.catalog.source_rows import BadRow, Cursor, Deleted, SourceCard, SourceReview
from photosearch.catalog.sources import FolderSource, read_cards, read_reviews
from photosearch.catalog.web import Manners
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
    more |= {"seller": "S", "rating": 4.5, "n_reviews": 12, "status": "on_sale"}
    more |= {"attributes": {"Colour": "red"}}
    (found,) = cards_of(tmp_path, card("a", "a.jpg", **more))
    values = {name: getattr(found.card(), name) for name in more if name != "updated_at"}
    assert values == {name: value for name, value in more.items() if name != "updated_at"}
    assert found.updated_at == "1700000000"


def test_attributes_become_text_in_order_of_their_names(tmp_path: Path):
    told = {"Size": 42, "Organic": True, "Materials": ["wool", "silk"], "Colour": "red", "No": None}
    (found,) = cards_of(tmp_path, card("a", "a.jpg", attributes=told))
    expected = {"Colour": "red", "Materials": "wool, silk", "Organic": "true", "Size": "42"}
    assert list(found.card().attributes.items()) == list(expected.items())


def test_a_row_may_say_that_it_is_gone(tmp_path: Path):
    assert cards_of(tmp_path, card("b", "b.jpg"), {"card_id": " a ", "deleted": True})[1] == (
        Deleted("a")
    )
    gone = [
        {"review_id": "1", "deleted": True},
        {"review_id": "1", "split": "val", "deleted": True},
    ]
    found = reviews_of(tmp_path, review("2", "a"), *gone, {"deleted": True})
    assert found[1:] == [Deleted("1"), Deleted("val:1"), BadRow("review 4", "missing_review_id")]


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
        ({"rating": 5.1}, "bad_rating"),
        ({"n_reviews": -1}, "bad_n_reviews"),
        ({"attributes": [["Colour", "red"]]}, "bad_attributes"),
        ({"attributes": {"Size": {"cm": 5}}}, "bad_attributes"),
    ],
)
def test_a_bad_value_rejects_the_card_with_its_name(tmp_path: Path, change: dict, reason: str):
    assert cards_of(tmp_path, card("a", "a.jpg") | change) == [BadRow("a", reason, key="a")]


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
    key = "" if {"review_id", "split"} & change.keys() else "1"
    assert reviews_of(tmp_path, review("1", "a") | change) == [BadRow("a", reason, key)]


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


def test_no_link_leads_out_of_the_folder(tmp_path: Path):
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    root = write_folder(tmp_path / "shop", [], inside=picture(2))
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "in.jpg").symlink_to(root / "inside.jpg")
    (root / "round.jpg").symlink_to(root / "round.jpg")
    source = FolderSource(root)
    with pytest.raises(OutsidePhoto, match=r"'out\.jpg' is a link that leaves the source"):
        source.read_image("out.jpg")
    assert source.read_image("in.jpg").content == picture(2)
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


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path):
    source = FolderSource(write_folder(tmp_path, [], a=picture(1)))
    first = source.read_image("a.jpg")
    assert source.read_image("a.jpg", known_mark=first.mark) is None
    (tmp_path / "a.jpg").write_bytes(picture(1) + b"more")
    assert source.read_image("a.jpg", known_mark=first.mark).content == picture(1) + b"more"


# ---- a marketplace


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def source_of(shop: Shop, *, attempts: int = 3, max_wait_s: float = 0.01) -> MarketplaceSource:
    return MarketplaceSource(shop.url, manners=Manners(attempts=attempts, max_wait_s=max_wait_s))


def test_a_marketplace_tells_the_rows_of_all_its_pages(shop: Shop):
    shop.serve_page("cards", [card("a"), card("b")], next_cursor="2")
    shop.serve_page("cards", [card("c"), "nonsense"], cursor="2")
    shop.serve_page("reviews", [])
    source = source_of(shop)
    assert [row["card_id"] if isinstance(row, dict) else row for row in source.cards()] == [
        *("a", "b", Cursor("2", is_end=False), "c"),
        BadRow("", "not_an_object"),
        Cursor("", is_end=True),
    ]
    assert list(read_cards(source))[-2] == BadRow("card 2 after 2", "not_an_object")
    assert list(source.reviews()) == [Cursor("", is_end=True)]
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
    assert source_of(shop).read_image("/images/a.jpg").content == picture(1)
    assert source_of(shop).read_image(f"{shop.url}/images/a.jpg").content == picture(1)


def test_no_image_address_reaches_this_machine_or_its_network(shop: Shop):
    with open_shop() as other:
        other.serve("/a.jpg", picture(1))
        port = other.url.rsplit(":", 1)[1]
        inside = [f"{other.url}/a.jpg", f"//127.0.0.1:{port}/a.jpg", f"http://localhost:{port}/a"]
        inside += [f"http://[::1]:{port}/a", f"http://[::ffff:127.0.0.1]:{port}/a"]
        inside += ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://0/"]
        inside += [f"http://2130706433:{port}/a.jpg", f"http://0x7f.1:{port}/a.jpg"]
        for address in inside:
            with pytest.raises(OutsidePhoto, match=r"which is not open to all\. If the source's"):
                source_of(shop).read_image(address)
        shop.serve("/moved.jpg", status=302, Location=f"{other.url}/a.jpg")
        with pytest.raises(OutsidePhoto, match=r"add 127\.0\.0\.1:.* to PHOTOSEARCH_SOURCE_HOSTS"):
            source_of(shop).read_image("/moved.jpg")
        assert not other.asked


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "http://user:word@HOST/a.jpg", "https://HOST/a"]
)
def test_what_is_no_plain_address_is_not_asked(shop: Shop, address: str):
    with pytest.raises(OutsidePhoto, match=r"is not an address|is not how 127\.0\.0\.1 speaks"):
        source_of(shop).read_image(address.replace("HOST", shop.url[7:]))
    assert not shop.asked


def test_a_private_host_may_be_allowed_by_name(shop: Shop):
    with open_shop() as other:
        other.serve("/a.jpg", picture(1))
        shop.serve("/moved.jpg", status=302, Location=f"{other.url}/a.jpg")
        for allowed in ("127.0.0.1", other.url[7:]):
            source = MarketplaceSource(shop.url, allowed_hosts=(allowed,))
            assert source.read_image(f"{other.url}/a.jpg").content == picture(1)
            assert source.read_image("/moved.jpg").content == picture(1)


def test_redirects_that_never_end_are_left(shop: Shop):
    shop.serve("/round.jpg", status=301, Location="/round.jpg")
    with pytest.raises(OutsidePhoto, match=r"comes after 3 redirects and is not asked"):
        source_of(shop).read_image("/round.jpg")
    assert shop.asked["/round.jpg"] == 4


def test_a_name_that_answers_otherwise_the_second_time_gains_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    """A rebinding name: public when it is checked, our own machine when it is connected to."""
    public, mine = "93.184.216.34", "127.0.0.1"
    answers, connected = iter([public, mine, mine]), []

    def look_up(_host: str, port: int, **_: object) -> list:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: tuple, *_: object, **__: object) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    source = source_of(shop)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutsidePhoto, match=r"rebinding\.example:80 is 127\.0\.0\.1, which is not"):
        source.read_image("http://rebinding.example/a.jpg")
    assert connected == [public]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        *[(a, True) for a in ("8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808")],
        *[(a, False) for a in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "0.0.0.0")],
        *[(a, False) for a in ("169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255")],
        *[(a, False) for a in ("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1")],
        *[(a, False) for a in ("::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "240.0.0.1")],
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address: str, told: bool):
    assert is_public(address) is told


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
    assert source_of(shop).read_image("/a.jpg").content == picture(1)
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
    assert web.retry_after_s("7") == 7
    assert 50 < web.retry_after_s(later) <= 60
    assert web.retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for nonsense in (None, "soon", "-5", "²"):
        assert web.retry_after_s(nonsense) is None


def test_one_image_that_always_fails_is_missing_and_several_mean_the_shop_is_down(shop: Shop):
    source = source_of(shop)
    for name in "abc":
        shop.serve(f"/{name}.jpg", status=503)
    shop.serve("/good.jpg", picture(1))
    for _ in range(2):
        with pytest.raises(MissingPhoto, match=r"/a\.jpg does not come .HTTP 503"):
            source.read_image("/a.jpg")
        assert source.read_image("/good.jpg").content == picture(1)
    assert shop.asked["/a.jpg"] == 6
    for name in "ab":
        with pytest.raises(MissingPhoto):
            source.read_image(f"/{name}.jpg")
    with pytest.raises(SourceUnreachable, match=r"/c\.jpg does not answer .HTTP 503.\. Start the"):
        source.read_image("/c.jpg")


def test_a_page_that_does_not_come_is_not_done_without(shop: Shop):
    shop.serve("/v1/cards?cursor=", status=503)
    with pytest.raises(SourceUnreachable, match=r"does not answer .HTTP 503"):
        list(source_of(shop).cards())
    assert shop.asked["/v1/cards?cursor="] == 3


def test_another_host_that_is_down_costs_its_own_photos_only(shop: Shop):
    with open_shop() as closed:
        down = closed.url
    shop.serve("/good.jpg", picture(1))
    source = MarketplaceSource(shop.url, allowed_hosts=(down[7:],), manners=Manners(max_wait_s=0))
    for _ in range(3):
        with pytest.raises(MissingPhoto, match=r"does not come .*refused"):
            source.read_image(f"{down}/a.jpg")
    with pytest.raises(MissingPhoto, match=r"is not asked, for 127\.0\.0\.1 has stopped answering"):
        source.read_image(f"{down}/a.jpg")
    assert source.read_image("/good.jpg").content == picture(1)


def test_a_host_is_asked_no_oftener_than_allowed(shop: Shop):
    shop.serve("/a.jpg", picture(1))
    source = MarketplaceSource(shop.url, manners=Manners(requests_per_s=20))
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(source.read_image, ["/a.jpg"] * 11))
    assert 0.45 < time.monotonic() - started < 5


def test_an_image_with_the_etag_we_know_is_not_sent_again(shop: Shop):
    shop.serve("/a.jpg", picture(1), ETag='"1"')
    shop.serve("/a.jpg", status=304)
    source = source_of(shop)
    first = source.read_image("/a.jpg")
    assert first.mark == '"1"'
    assert source.read_image("/a.jpg", known_mark=first.mark) is None


def test_a_marketplace_that_is_not_there_is_unreachable():
    with open_shop() as closed:
        url = closed.url
    source = MarketplaceSource(url, manners=Manners(attempts=2, max_wait_s=0.01))
    with pytest.raises(SourceUnreachable, match="Start the marketplace or check the address, then"):
        list(source.cards())


def test_an_answer_that_breaks_off_is_asked_for_again(shop: Shop):
    shop.serve("/a.jpg", picture(1)[:50], Content_Length=str(len(picture(1))))
    shop.serve("/a.jpg", picture(1))
    assert source_of(shop).read_image("/a.jpg").content == picture(1)


def test_an_answer_that_drips_is_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(web, "MAX_ANSWER_S", -1.0)
    shop.serve("/a.jpg", picture(1))
    with pytest.raises(SourceUnreachable, match="not whole after"):
        source_of(shop).read_image("/a.jpg")


def test_a_folder_and_a_marketplace_tell_the_same_cards(tmp_path: Path, shop: Shop):
    folder = FolderSource(two_cards(tmp_path))
    shop.serve_page("cards", list(folder.cards()))
    shop.serve_page("reviews", list(folder.reviews()))
    end = Cursor("", is_end=True)
    assert list(read_cards(source_of(shop))) == [*read_cards(folder), end]
    assert list(read_reviews(source_of(shop))) == [*read_reviews(folder), end]
