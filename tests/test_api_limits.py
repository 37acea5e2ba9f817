"""What a hostile or slow world does to the API: it answers all the same, and soon."""

import io
import random
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from asking import RED, assert_problem, open_api, search
from PIL import Image
from small_shop import SmallShop, jpeg, open_shop, painted

from bentos.turns import AT_ONCE
from photosearch.errors import IndexUnavailable

HEAD = b"POST /v1/search HTTP/1.1\r\nHost: x\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"
SEED = 5


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def api(shop: SmallShop) -> Iterator[httpx.Client]:
    with open_api(shop, upload_s=2.0) as client:
        yield client


def raw(api: httpx.Client, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What the service sends back for bytes of our own, until it closes or is silent for 5 s."""
    address = (api.base_url.host, api.base_url.port)
    with socket.create_connection(address, timeout=5) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
            connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65_536):
                answer += received
        except OSError:
            pass
        return answer


class HangingIndex:
    """Answers no search until it is let go, and then fails."""

    def __init__(self) -> None:
        self.n_inside, self.let_go = 0, threading.Event()
        self._lock = threading.Lock()

    def candidates(self, _: object) -> None:
        with self._lock:
            self.n_inside += 1
        self.let_go.wait(60)
        raise IndexUnavailable("it was away")


def wait_for_inside(index: HangingIndex, n: int) -> None:
    """Until so many are inside: a thread goes on when its search is overdue."""
    until = time.monotonic() + 60
    while index.n_inside < n and time.monotonic() < until:
        time.sleep(0.01)
    assert index.n_inside == n


@contextmanager
def hanging(shop: SmallShop, *, deadline_s: float) -> Iterator[tuple[httpx.Client, HangingIndex]]:
    """The API of a shop with an index that hangs."""
    index = HangingIndex()
    stuck = replace(shop, pipeline=replace(shop.pipeline, candidates=index.candidates))
    with open_api(stuck, deadline_s=deadline_s) as api:
        try:
            yield api, index
        finally:
            index.let_go.set()


def test_an_index_that_hangs_is_503_within_the_deadline(shop: SmallShop):
    with hanging(shop, deadline_s=0.5) as (api, _):
        began = time.monotonic()
        response = search(api)
        took_s = time.monotonic() - began
        assert_problem(response, 503, "There is no answer after 0.5 s, the deadline")
        assert int(response.headers["retry-after"]) > 0
        assert 0.5 <= took_s < 20
        assert api.get("/v1/release").status_code == 200


def test_searches_that_hang_hold_a_bounded_number_of_threads(shop: SmallShop):
    with hanging(shop, deadline_s=1.0) as (api, index):
        with ThreadPoolExecutor(3 * AT_ONCE) as clients:
            answers = list(clients.map(lambda _: search(api), range(3 * AT_ONCE)))
        assert {answer.status_code for answer in answers} == {503}
        wait_for_inside(index, AT_ONCE)
        assert api.get("/v1/cards/red").status_code == 200


def test_places_come_back_when_what_hung_goes_on(shop: SmallShop):
    with hanging(shop, deadline_s=4.0) as (api, index):
        with ThreadPoolExecutor(AT_ONCE) as clients:
            list(clients.map(lambda _: search(api), range(AT_ONCE)))
        wait_for_inside(index, AT_ONCE)
        assert_problem(search(api), 503, "There is no answer after 4 s")
        assert index.n_inside == AT_ONCE
        index.let_go.set()
        assert_problem(search(api), 503, "The index does not answer")
        assert index.n_inside == AT_ONCE + 1


def test_a_batch_on_an_index_that_hangs_tells_503_of_each(shop: SmallShop):
    with hanging(shop, deadline_s=3.0) as (api, _):
        photos = [("photo", ("a.jpg", RED)), ("photo", ("b.jpg", b"broken"))]
        response = api.post("/v1/search/batch", files=photos)
        told = [answer["problem"]["status"] for answer in response.json()["answers"]]
        assert told == [503, 422]


def test_a_body_that_comes_too_slowly_is_408(api: httpx.Client):
    began = time.monotonic()
    head = HEAD + FORM + b"Content-Length: 5000\r\n\r\n--b\r\n"
    address = (api.base_url.host, api.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))  # until it is closed
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"did not arrive within 2 s" in answer
        assert b"connection: close" in answer.lower()
    assert 2 <= time.monotonic() - began < 10
    assert search(api).status_code == 200


def test_a_header_without_end_is_cut_off_before_it_takes_memory(api: httpx.Client):
    address = (api.base_url.host, api.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with pytest.raises(ConnectionError):
            for _ in range(200):  # 20 MB
                connection.sendall(b"x" * 100_000)
    assert api.get("/metrics").status_code == 200


def test_a_caller_who_goes_away_while_sending_is_no_fault_of_ours(api: httpx.Client):
    raw(api, HEAD + FORM + b"Content-Length: 5000\r\n\r\n--b\r\n")
    counted = api.get("/metrics").text
    assert 'photosearch_problems_total{kind="Bad Request",status="400"}' in counted
    assert 'kind="ClientDisconnect"' not in counted


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"X-Large: " + b"a" * 300_000 + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(20_000)) + b"\r\n",
        b"POST /v1/search?" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + FORM + b"Content-Length: -5\r\n\r\n",
        HEAD + FORM + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00" + bytes(range(256)),
        b"GET /v1/cards/" + b"%00%ff%2e%2e" * 20 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_the_service_goes_on(api: httpx.Client, sent: bytes):
    answer = raw(api, sent)
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert search(api).status_code == 200


def test_a_form_of_a_thousand_parts_is_400(api: httpx.Client):
    files = [(f"part{number}", (None, "1")) for number in range(1000)]
    assert_problem(api.post("/v1/search", files=files), 400, "Too many fields")
    files = [("photo", (f"{number}.jpg", b"")) for number in range(1000)]
    assert_problem(api.post("/v1/search", files=files), 400, "Too many files")


def test_a_part_with_huge_headers_is_400(api: httpx.Client):
    name = "a" * 200_000
    response = api.post("/v1/search", files={"photo": (name, RED)})
    assert response.status_code in {200, 400}
    assert len(response.content) < 50_000
    body = b"--b\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert_problem(api.post("/v1/search", content=body, headers=headers), 400)


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG file that says to be so large, whatever its data are."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_bombs_are_refused_before_they_are_unpacked(api: httpx.Client):
    zeros = zlib.compress(bytes(200_000_000), 9)
    assert len(zeros) < 1_000_000
    for size in ((30_000, 30_000), (2**31 - 1, 2**31 - 1), (50_000_001, 1)):
        assert_problem(search(api, png(*size, zeros)), 413, "Send a smaller photo")
    response = search(api, png(100, 100, zeros))  # it unpacks to more than it says
    assert response.status_code in {200, 422}
    long_text = png(8, 8, zlib.compress(bytes(25 * 8)))
    text = b"zTXt" + b"a\0\0" + zlib.compress(bytes(100_000_000))
    text = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    response = search(api, long_text[:33] + text + long_text[33:])
    assert response.status_code == 422


def test_a_jpeg_of_scans_without_number_is_422_and_holds_no_search_up(api: httpx.Client):
    file = io.BytesIO()
    Image.new("L", (7000, 7000), 128).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    bomb = whole[:-2] + last * (1_000_000 // len(last)) + whole[-2:]
    for path in ("/v1/search", "/v1/detect"):
        began = time.monotonic()
        response = api.post(path, files={"photo": ("bomb.jpg", bomb)})
        assert_problem(response, 422, "scans; one of 7000 x 7000 pixels may have 20")
        assert time.monotonic() - began < 5  # it would keep a core busy for half a minute
    counted = api.get("/metrics").text
    assert "photosearch_searches_running 0.0" in counted


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_cut_and_damaged_files_are_422_or_searched_and_never_500(api: httpx.Client, kind: str):
    file, dice = io.BytesIO(), random.Random(SEED)
    painted((10, 200, 30), (200, 10, 30), size=(64, 48)).save(file, kind)
    whole = file.getvalue()
    statuses = []
    for _ in range(40):
        damaged = bytearray(whole[: dice.randrange(1, len(whole) + 1)])
        for _ in range(dice.randrange(4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        statuses.append(search(api, bytes(damaged)).status_code)
    assert set(statuses) <= {200, 413, 422}
    assert 422 in statuses


def test_bodies_of_chance_are_4xx(api: httpx.Client):
    dice = random.Random(SEED)
    pieces = [
        b"--b\r\n", b"--b--\r\n", b"\r\n", b'Content-Disposition: form-data; name="photo"',
        b'Content-Disposition: form-data; name="limit"\r\n\r\n5', b'; filename="a.jpg"', b"\0\xff",
        b'Content-Disposition: form-data; name*=utf-8\'\'%ff; filename*="', RED[:50], b"http://x/",
        b"Content-Transfer-Encoding: base64\r\n", b"--", b"b", b"\r", b'name="',
    ]  # fmt: skip
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for path in ("/v1/search", "/v1/search/batch", "/v1/search/text", "/v1/detect"):
        for _ in range(30):
            body = b"".join(dice.choices(pieces, k=dice.randrange(1, 12)))
            response = api.post(path, content=body, headers=headers)
            assert 400 <= response.status_code < 500, (path, body, response.text)
            assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "charset", ["unicode_escape", "punycode", "undefined", "utf-16", "none", "x" * 500]
)
def test_texts_in_other_letters_than_utf_8_are_415(api: httpx.Client, charset: str):
    part = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n\\ud800\r\n--b--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    response = api.post("/v1/search/text", content=part, headers=headers)
    assert_problem(response, 415, f"Charset '{charset[:60]}", "Send texts in UTF-8")
    headers = {"Content-Type": "multipart/form-data; boundary=b; charset=UTF-8"}
    response = api.post("/v1/search/text", content=part, headers=headers)
    assert_problem(response, 400, "cannot be asked by text")


def test_texts_of_chance_are_never_500(api: httpx.Client):
    dice = random.Random(SEED)
    signs = [
        "[", "]", "{", "}", '"', ",", "-", "9" * 30, "e", "NaN", "\0", "\ud7ff", "💥", "٣", "null",
    ]  # fmt: skip
    for name in ("box", "limit", "offset", "where", "liked", "explain", "length", "text"):
        for _ in range(15):
            text = "".join(dice.choices(signs, k=dice.randrange(1, 9)))
            assert search(api, **{name: text}).status_code in {200, 400}, (name, text)


@pytest.mark.parametrize("path", ["/v1/search", "/v1/search/batch", "/v1/detect"])
def test_no_address_is_fetched_wherever_it_stands(api: httpx.Client, path: str):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/photo.jpg"
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{address}"/></svg>'.encode()
        api.post(path, files={"photo": (None, address)})
        api.post(path, files={"photo": (address, RED, f"message/external-body; url={address}")})
        api.post(path, files={"photo": (address, svg, "image/svg+xml")})
        api.post(path, files={"photo": ("a.jpg", RED)}, data={"text": address, "where": address})
        api.post(path, json={"photo": address})
        api.post(path, data={"photo": address})
        api.post(path, files={"photo": ("a", address.encode())}, headers={"Referer": address})
        trap.settimeout(0.3)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_a_photo_of_a_camera_is_no_bomb(api: httpx.Client):
    photo = jpeg(Image.new("RGB", (4032, 3024), (205, 40, 45)))
    assert search(api, photo).status_code == 200
