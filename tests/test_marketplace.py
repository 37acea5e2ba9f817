"""A marketplace over real HTTP: its pages, its images, and nothing from where it must not be."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from small_source import Shop, card, open_shop, picture, two_cards, write_folder

from photosearch.catalog import web
from photosearch.catalog.addresses import is_public
from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.marketplace import MarketplaceSource
from photosearch.catalog.source_rows import BadRow, Cursor, SourceCard
from photosearch.catalog.sources import FolderSource, read_cards, read_reviews
from photosearch.catalog.web import Manners
from photosearch.errors import (
    BadSource,
    HugePhoto,
    MissingPhoto,
    OutsidePhoto,
    SourceUnreachable,
)


def cards_of(root: Path, *rows: object) -> list[SourceCard | BadRow]:
    return list(read_cards(FolderSource(write_folder(root, list(rows)))))


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
