"""Links to photos: who may see one, until when, and what the endpoint tells browsers."""

import io
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from labeling.links import DAY_S, VALID_DAYS, Links, check_link
from labeling.photo_server import origin_of, photo_app
from labeling.photos import LocalFiles, SignedLinks, photos_for_annotators
from photosearch.catalog import images
from photosearch.errors import BadLink, BadParams

SECRET = "x" * 32
PAGE = "http://label-studio.example:8080"
NOON = 1_800_000_000.0


@pytest.fixture
def sha256(tmp_path: Path) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return images.store(tmp_path, buffer.getvalue())


@pytest.fixture
def browser_of_annotator(tmp_path: Path) -> TestClient:
    return TestClient(photo_app(tmp_path, secret=SECRET, allowed_origin=PAGE))


def path_in(address: str) -> str:
    return address.removeprefix("http://photos")


def test_a_signed_link_shows_the_photo_to_the_pages_scripts_too(
    tmp_path: Path, sha256: str, browser_of_annotator: TestClient
):
    reply = browser_of_annotator.get(path_in(Links("http://photos/", SECRET).address(sha256)))
    assert reply.status_code == 200
    assert reply.content == images.path_of(tmp_path, sha256).read_bytes()
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "private" in reply.headers["cache-control"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda link: link.replace("signature=", "signature=0"), "signature of this link is wrong"),
        (lambda link: link.replace("expires=", "expires=9"), "signature of this link is wrong"),
        (lambda link: link.split("?")[0], "signature of this link is wrong"),
        (lambda link: link.replace("/photos/", "/photos/0")[:-1], "is no content hash"),
    ],
)
def test_a_changed_link_shows_nothing(change, told, sha256: str, browser_of_annotator: TestClient):
    link = path_in(Links("http://photos", SECRET).address(sha256))
    reply = browser_of_annotator.get(change(link))
    assert reply.status_code == 403
    assert told in reply.json()["detail"]


def test_a_link_of_another_photo_or_another_secret_is_refused(sha256: str):
    parts = dict(
        part.split("=")
        for part in Links("", SECRET).address(sha256, now_s=NOON).split("?")[1].split("&")
    )
    left_s = check_link(SECRET, sha256, **parts, now_s=NOON)
    assert VALID_DAYS * DAY_S <= left_s <= (VALID_DAYS + 1) * DAY_S
    for secret, photo in ((SECRET, "0" * 64), ("y" * 32, sha256)):
        with pytest.raises(BadLink, match="signature of this link is wrong"):
            check_link(secret, photo, **parts, now_s=NOON)
    with pytest.raises(BadLink, match=r"expired 2 days ago. Run `photosearch label`"):
        check_link(SECRET, sha256, **parts, now_s=NOON + left_s + 2 * DAY_S + 1)


def test_a_photo_that_is_not_here_or_no_image_is_not_found(
    tmp_path: Path, browser_of_annotator: TestClient
):
    for name in ("0" * 64, images.store(tmp_path, b"<html>")):
        reply = browser_of_annotator.get(path_in(Links("http://photos", SECRET).address(name)))
        assert reply.status_code == 404


def test_a_link_stays_the_same_all_day_and_is_renewed_ten_days_before_its_end(sha256: str):
    links = Links("http://photos", SECRET)
    morning = NOON - NOON % DAY_S
    link = links.address(sha256, now_s=morning)
    assert link == links.address(sha256, now_s=morning + DAY_S - 1)
    assert not links.is_expiring(link, now_s=morning + 20 * DAY_S)
    assert links.is_expiring(link, now_s=morning + 22 * DAY_S)
    assert not links.is_expiring("/data/local-files/?d=photosearch/x.jpg", now_s=morning)


def test_signed_links_are_used_where_the_endpoint_has_an_address(tmp_path: Path):
    chosen = photos_for_annotators(url="", secret="", document_root=tmp_path)
    assert isinstance(chosen, LocalFiles)
    chosen = photos_for_annotators(url="http://p", secret=SECRET, document_root=None)
    assert isinstance(chosen, SignedLinks)
    with pytest.raises(BadParams, match=r"PHOTOSEARCH_PHOTOS_SECRET has 5 characters"):
        photos_for_annotators(url="http://p", secret="short", document_root=None)


def test_the_origin_of_a_page_has_no_path():
    assert origin_of("https://labels.example/app/") == "https://labels.example"
