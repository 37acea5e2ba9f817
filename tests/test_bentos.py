"""The API over real HTTP: the answers, and every way in which a request can be wrong."""

import dataclasses
import http.client
import io
import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from asking import RED, assert_problem, search
from PIL import Image
from small_shop import SmallShop, colour, jpeg, open_shop, painted, served

from bentos.page import WEB
from photosearch.errors import EncoderUnavailable, ForeignIndex, IndexUnavailable
from photosearch.search.schemas import SearchResponse


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def api(shop: SmallShop) -> Iterator[httpx.Client]:
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_a_photo_gets_ranked_cards_ids_and_times(api: httpx.Client):
    response = search(api, limit="3")
    answer = SearchResponse.model_validate(response.json())
    assert response.status_code == 200
    assert [card.rank for card in answer.cards] == [1, 2, 3]
    assert answer.cards[0].card.card_id == "red"
    assert answer.release.model_id == "colours"
    assert (answer.width, answer.height, answer.length) == (400, 300, 64)


@pytest.mark.parametrize("box", ["280,20,390,280", "[280, 20, 390, 280]", "280.0,20.5,390,280"])
def test_a_box_may_be_json_or_four_numbers(api: httpx.Client, box: str):
    photo = jpeg(painted(colour("red"), colour("red"), colour("blue")))
    assert search(api, photo).json()["cards"][0]["card"]["card_id"] == "red"
    assert search(api, photo, box=box).json()["cards"][0]["card"]["card_id"] == "blue"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"box": "300,200,500,280"}, "not inside the photo of 400 x 300 pixels"),
        ({"box": "10,10,12,12"}, "at least 8 pixels"),
        ({"box": "nan,0,100,100"}, "not inside the photo"),
        ({"box": "1,2,3"}, "'1,2,3' is not four numbers"),
        ({"box": '{"left": 1}'}, "is not four numbers"),
        ({"limit": "0"}, "Limit 0 is not between 1 and 100"),
        ({"limit": "101"}, "Limit 101 is not between 1 and 100. Send at most 100"),
        ({"limit": "--5"}, "'limit' is '--5'. Give a whole number"),
        ({"limit": "٣"}, "'limit' is '٣'. Give a whole number"),
        ({"limit": "many"}, "'limit' is 'many'. Give a whole number"),
        ({"limit": "9" * 500}, "Give a whole number"),
        ({"box": "inf,0,100,100"}, "not inside the photo"),
        ({"box": "1e400,0,100,-1e400"}, "not inside the photo"),
        ({"offset": "-1"}, "Offset -1 is not between 0 and 1000. Send at least 0"),
        ({"offset": "99999999"}, "Offset 99999999 is not between 0 and 1000"),
        ({"offset": "1.5"}, "'offset' is '1.5'. Give a whole number"),
        ({"text": "a" * 301}, "'text' has 301 characters. Send at most 300"),
        ({"text": "red"}, "This release cannot be asked by text, liked or disliked"),
        ({"liked": '["red"]'}, "This release cannot be asked by text, liked or disliked"),
        ({"liked": "red"}, "'liked' is 'red': Invalid JSON"),
        ({"liked": json.dumps(["a"] * 101)}, "Send a JSON list of at most 100 card ids"),
        ({"disliked": json.dumps(["a"] * 10_000)}, "each other part once and with at most 20,000"),
        ({"disliked": '{"a": 1}'}, "Send a JSON list of at most 100 card ids"),
        ({"disliked": "[1, 2]"}, "0: Input should be a valid string"),
        ({"liked": '[""]'}, "at least 1 character"),
        ({"explain": "perhaps"}, "'explain' is 'perhaps'. Send true or false"),
        ({"where": "cheap"}, "'where' is 'cheap': Invalid JSON"),
        ({"where": "[]"}, "Send a JSON object such as"),
        ({"where": '{"colour": "red"}'}, "colour: Extra inputs are not permitted"),
        ({"where": '{"price_max": "10"}'}, "price_max: Input should be a valid number"),
        ({"where": '{"price_max": NaN}'}, "'where' is"),
        ({"where": '{"price_max": 1e999}'}, "price_max: Input should be a finite number"),
        ({"where": '{"price_min": -1}'}, "greater than or equal to 0"),
        ({"where": '{"price_min": 9, "price_max": 1}'}, "price_min 9.0 exceeds price_max 1.0"),
        ({"where": '{"rating_min": 6}'}, "less than or equal to 5"),
        ({"where": '{"brands": "Kama"}'}, "brands: Input should be a valid array"),
        ({"where": "[" * 5000}, "'where' is"),
        ({"length": "16"}, "Vector length 16 is not one of 64"),
        ({"length": "long"}, "'length' is 'long'. Give a whole number"),
        ({"lenght": "64"}, "Part 'lenght' is unknown. Send photo, box, limit, offset, length"),
    ],
)
def test_an_impossible_wish_is_400_and_says_why(
    api: httpx.Client, parts: dict[str, str], words: str
):
    assert_problem(search(api, **parts), 400, words)


def test_a_text_file_named_jpg_is_422(api: httpx.Client):
    assert_problem(search(api, b"dear diary"), 422, "'red.jpg' is not a JPEG, PNG or WebP image")


def test_an_empty_file_is_422_and_called_so(api: httpx.Client):
    assert_problem(search(api, b""), 422, "Photo 'red.jpg' is not a photo but an empty file")
    form = b'--b\r\nContent-Disposition: form-data; name="photo"; filename=""\r\n\r\n\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = api.post("/v1/search", content=form, headers=headers)  # as a browser's empty field
    assert_problem(response, 422, "Photo without a name is not a photo but an empty file")


def test_a_damaged_photo_is_422(api: httpx.Client):
    assert_problem(search(api, RED[:900]), 422, "not a readable photo", "Send a whole JPEG")


def test_a_large_photo_is_never_written_to_disk(
    api: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    noise = np.random.default_rng(7).integers(0, 256, (1000, 1400, 3), np.uint8)
    photo = jpeg(Image.fromarray(noise))
    assert len(photo) > 1_500_000
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert search(api, photo).status_code == 200


def test_a_photo_of_too_many_pixels_is_413(api: httpx.Client):
    content = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(content, "PNG")
    assert_problem(search(api, content.getvalue()), 413, "more than 50 megapixels")


def test_a_photo_of_too_many_bytes_is_413(api: httpx.Client):
    assert_problem(search(api, bytes(10_000_001)), 413, "10,000,001 bytes, more than 10,000,000")


def test_a_body_that_says_it_is_huge_is_refused_before_it_is_sent(api: httpx.Client):
    connection = http.client.HTTPConnection(urlsplit(str(api.base_url)).netloc, timeout=60)
    connection.putrequest("POST", "/v1/search")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", "900000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["status"]) == (413, 413)
    connection.close()


def test_a_chunked_body_is_counted_as_it_arrives(api: httpx.Client):
    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
        for _ in range(15):
            yield bytes(1_000_000)
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = api.post("/v1/search", content=chunks(), headers=headers)
    assert_problem(response, 413, "The body has more than 10,100,000 bytes")


def test_an_address_in_place_of_a_photo_is_refused_and_never_fetched(api: httpx.Client):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/photo.jpg"
        response = api.post("/v1/search", files={"photo": (None, address)})
        assert_problem(response, 400, "Part 'photo' must be a file", "addresses are never followed")
        trap.settimeout(0.3)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_a_form_without_a_photo_is_400(api: httpx.Client):
    response = api.post("/v1/search", files={"limit": (None, "3")})
    assert_problem(response, 400, "Part 'photo' is missing. Send -F photo=@FILE")


def test_a_part_given_twice_is_400(api: httpx.Client):
    parts = [("photo", ("a.jpg", RED)), ("limit", (None, "1")), ("limit", (None, "2"))]
    assert_problem(api.post("/v1/search", files=parts), 400, "Part 'limit' is there twice")
    parts = [("photo", ("a.jpg", RED)), ("photo", ("b.jpg", RED))]
    assert_problem(api.post("/v1/search", files=parts), 400, "Too many files")


def test_a_file_in_place_of_a_text_is_400(api: httpx.Client):
    parts = {"box": ("box.txt", b"1,2,30,40")}
    assert_problem(api.post("/v1/search", files=parts), 400, "'photo' is missing")
    parts |= {"photo": ("a.jpg", RED)}
    assert_problem(api.post("/v1/search", files=parts), 400, "Too many files")


def test_a_body_that_is_no_form_is_415(api: httpx.Client):
    response = api.post("/v1/search", json={"photo": "http://example.com/a.jpg"})
    assert_problem(response, 415, "'application/json' is not multipart/form-data")
    assert_problem(api.post("/v1/search"), 415, "Send -F photo=@FILE")


def test_a_broken_form_is_400(api: httpx.Client):
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=b"):
        headers = {"Content-Type": content_type}
        response = api.post("/v1/search", content=b"no border here", headers=headers)
        assert_problem(response, 400)


def test_unknown_paths_and_methods_are_problems_too(api: httpx.Client):
    assert_problem(api.get("/nowhere"), 404, "GET /nowhere", "POST /v1/search")
    assert_problem(api.get("/v1/nowhere"), 404)
    assert len(api.get("/" + "x" * 5000).text) < 500
    response = api.get("/v1/search")
    assert_problem(response, 405, "GET /v1/search")
    assert response.headers["allow"] == "POST"


def test_the_release_says_what_is_searched(api: httpx.Client):
    manifest = api.get("/v1/release").json()
    assert (manifest["release"], manifest["dim"], manifest["n_cards"]) == ("r1", 64, 5)


def test_a_thumbnail_is_served_for_ever_and_nothing_else_is(api: httpx.Client, shop: SmallShop):
    address = search(api).json()["cards"][0]["card"]["thumbnail"]
    picture = api.get(address)
    assert picture.headers["content-type"] == "image/jpeg"
    assert "immutable" in picture.headers["cache-control"]
    assert Image.open(io.BytesIO(picture.content)).format == "JPEG"
    for name in ("0" * 64 + ".jpg", "..%2frelease.json", "%2e%2e%2fcards.parquet", "x"):
        assert_problem(api.get(f"/v1/thumbnails/{name}"), 404)
    assert (shop.release.folder / "release.json").is_file()


def test_the_page_may_run_nothing_but_its_own_files(api: httpx.Client):
    page = api.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in page.text
    assert " style=" not in page.text
    for path in WEB.iterdir():
        file = api.get(f"/{path.name}")
        assert file.status_code == 200
        assert "//" not in file.text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (IndexUnavailable("/srv/secret/index is held"), "The index does not answer"),
        (ForeignIndex("one", "other"), "The index does not answer"),
        (EncoderUnavailable("http://10.0.0.7 is away"), "The model does not answer"),
    ],
)
def test_what_is_away_for_a_while_is_503_with_retry_after(
    api: httpx.Client, shop: SmallShop, error: Exception, words: str
):
    response = search_that_raises(api, shop, error)
    assert_problem(response, 503, words, "Try again in a few seconds")
    assert response.headers["retry-after"] == "5"
    assert str(error) not in response.text


def test_a_fault_of_ours_is_500_and_keeps_its_secrets(api: httpx.Client, shop: SmallShop):
    response = search_that_raises(api, shop, RuntimeError("/srv/secret"))
    assert_problem(response, 500, "by no fault of yours")
    assert "secret" not in response.text


def search_that_raises(api: httpx.Client, shop: SmallShop, error: Exception) -> httpx.Response:
    def fail(_: object) -> list[object]:
        raise error

    whole = shop.pipeline
    shop.pipeline = dataclasses.replace(whole, candidates=fail)
    try:
        return search(api)
    finally:
        shop.pipeline = whole
