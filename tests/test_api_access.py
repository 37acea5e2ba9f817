"""Keys, calls a minute, and pages of other origins: over real HTTP."""

import hashlib
import http.client
import re
from urllib.parse import urlsplit

import httpx
import pytest
from asking import RED, assert_problem, batch, open_api, search
from pydantic import SecretStr
from small_shop import SmallShop, open_shop
from starlette.datastructures import Headers

from bentos.access import Access, access_of
from bentos.rates import Allowance, Rates
from photosearch.errors import BadParams
from photosearch.settings import Services

KEY, OTHER = "k-of-the-shop", "k-of-the-app"


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


REFUSED = r'photosearch_refused_total{caller="public",why="rate"} ([\d.]+)'
KEYS = {sha256(KEY): "shop", sha256(OTHER): "app"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


def test_without_keys_everybody_may_ask(shop: SmallShop):
    with open_api(shop) as api:
        response = search(api)
        assert response.status_code == 200
        assert "ratelimit" not in response.headers
        assert api.get("/v1/release", headers={"X-API-Key": "whatever"}).status_code == 200


def test_with_keys_a_call_without_one_is_401(shop: SmallShop):
    with open_api(shop, key_of=KEYS) as api:
        response = search(api)
        assert_problem(response, 401, "A key is needed. Send it as `X-API-Key: KEY`")
        assert response.headers["www-authenticate"] == "Bearer"
        for wrong in ("", KEY[:-1], KEY + "x", sha256(KEY), "ключ".encode()):
            response = api.get("/v1/release", headers={"X-API-Key": wrong})
            assert_problem(response, 401, "The key is not known")


def test_a_key_comes_in_either_header(shop: SmallShop):
    with open_api(shop, key_of=KEYS) as api:
        for headers in (
            {"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"},
            {"authorization": f"bearer  {OTHER}"},
        ):  # fmt: skip
            assert api.get("/v1/release", headers=headers).status_code == 200
        basic = api.get("/v1/release", headers={"Authorization": f"Basic {KEY}"})
        assert_problem(basic, 401, "A key is needed")


def test_page_pictures_document_and_metrics_need_no_key(shop: SmallShop):
    with open_api(shop, key_of=KEYS, public_per_min=1) as api:
        thumbnail = api.get("/v1/cards/red").json()["card"]["thumbnail"]
        for _ in range(3):
            for path in ("/", "/app.js", thumbnail, "/v1/openapi.json", "/metrics"):
                assert api.get(path).status_code == 200


def test_no_body_is_read_before_the_key_is_known(shop: SmallShop):
    with open_api(shop, key_of=KEYS) as api:
        connection = http.client.HTTPConnection(urlsplit(str(api.base_url)).netloc, timeout=60)
        connection.putrequest("POST", "/v1/search")
        connection.putheader("Content-Type", "multipart/form-data; boundary=b")
        connection.putheader("Content-Length", "5000")  # of which no byte is sent
        connection.endheaders()
        assert connection.getresponse().status == 401
        connection.close()


def test_each_caller_has_its_own_calls_and_is_told_how_many_are_left(shop: SmallShop):
    with open_api(shop, key_of=KEYS, key_per_min=3) as api:
        for left in (2, 1, 0):
            response = api.get("/v1/release", headers={"X-API-Key": KEY})
            assert response.status_code == 200
            assert response.headers["ratelimit-policy"] == '"calls";q=3;w=60'
            assert response.headers["ratelimit"].startswith(f'"calls";r={left};t=')
        refused = api.get("/v1/release", headers={"X-API-Key": KEY})
        assert_problem(refused, 429, "shop may make 3 calls a minute. Try again in")
        assert 15 <= int(refused.headers["retry-after"]) <= 20
        assert api.get("/v1/release", headers={"X-API-Key": OTHER}).status_code == 200


def test_the_page_asks_as_the_public_where_that_is_let_in(shop: SmallShop):
    with open_api(shop, key_of=KEYS, key_per_min=100, public_per_min=2) as api:
        assert [search(api).status_code for _ in range(3)] == [200, 200, 429]
        assert search_with(api, KEY).status_code == 200
        assert_problem(search_with(api, "wrong"), 401, "The key is not known")


def search_with(api: httpx.Client, key: str) -> httpx.Response:
    files = {"photo": ("red.jpg", RED)}
    return api.post("/v1/search", files=files, headers={"X-API-Key": key})


def left_of(response: httpx.Response) -> int:
    """Calls left, as the headers of an answer tell."""
    return int(re.fullmatch(r'"calls";r=(\d+);t=\d+', response.headers["ratelimit"])[1])


def test_a_batch_counts_as_its_searches_and_tells_what_is_left_after_them(shop: SmallShop):
    with open_api(shop, public_per_min=6) as api:
        answered = batch(api, *[RED] * 4)
        assert (answered.status_code, left_of(answered)) == (200, 2)


def test_a_batch_that_is_refused_costs_no_call(shop: SmallShop):
    def refused_so_far() -> float:
        found = re.search(REFUSED, api.get("/metrics").text)
        return float(found[1]) if found else 0

    with open_api(shop, public_per_min=6) as api:
        before = refused_so_far()
        assert batch(api, *[RED] * 4).status_code == 200
        for _ in range(2):
            refused = batch(api, *[RED] * 4)
            assert_problem(refused, 429, "public may make 6 calls a minute")
            assert left_of(refused) == 2
            assert 10 < int(refused.headers["retry-after"]) <= 20  # for two calls more
        assert left_of(batch(api, *[RED] * 2)) == 0
        assert refused_so_far() == before + 2


def test_a_batch_of_more_searches_than_a_minute_has_calls_is_answered_when_all_are_left(
    shop: SmallShop,
):
    with open_api(shop, public_per_min=3) as api:
        answered = batch(api, *[RED] * 4)
        assert (answered.status_code, left_of(answered)) == (200, 0)


def test_a_page_of_a_named_origin_may_read_answers_and_no_other(shop: SmallShop):
    ours, other = "https://shop.example", "https://evil.example"
    with open_api(shop, key_of=KEYS, key_per_min=9, origins=(ours,)) as api:
        asked = {"Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "x-api-key"}  # fmt: skip
        allowed = api.options("/v1/search", headers=asked | {"Origin": ours})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ours
        assert api.options("/v1/search", headers=asked | {"Origin": other}).status_code == 400
        answer = api.get("/v1/release", headers={"Origin": ours, "X-API-Key": KEY})
        assert answer.headers["access-control-allow-origin"] == ours
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        refused = api.get("/v1/release", headers={"Origin": ours})
        assert refused.headers["access-control-allow-origin"] == ours  # a page may read why
        silent = api.get("/v1/release", headers={"Origin": other, "X-API-Key": KEY})
        assert "access-control-allow-origin" not in silent.headers


def test_without_origins_no_page_elsewhere_may_read_answers(shop: SmallShop):
    with open_api(shop) as api:
        answer = api.get("/v1/release", headers={"Origin": "https://shop.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_access_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PHOTOSEARCH_API_KEYS", f'{{"shop": "{sha256(KEY).upper()}"}}')
    monkeypatch.setenv("PHOTOSEARCH_CORS_ORIGINS", "https://a.example, http://localhost:8000")
    monkeypatch.setenv("PHOTOSEARCH_PUBLIC_PER_MIN", "30")
    access = access_of(Services())
    assert access.key_of == {sha256(KEY): "shop"}
    assert access.origins == ("https://a.example", "http://localhost:8000")
    assert (access.public_per_min, access.deadline_s, access.upload_s) == (30, 10, 30)
    assert access.caller(Headers({"X-API-Key": KEY}), "10.0.0.1").name == "shop"


@pytest.mark.parametrize(
    ("services", "words"),
    [
        (Services(api_keys={"shop": SecretStr(KEY)}), "the key named 'shop' is not given as"),
        (Services(api_keys={"a b": SecretStr(sha256(KEY))}), "the key named 'a b' is not"),
        (Services(cors_origins="*"), r"'\*' is no origin. Give such as https://shop.example"),
        (Services(cors_origins="https://a.example/path"), "is no origin"),
    ],
)
def test_an_impossible_access_is_refused_and_shows_no_key(services: Services, words: str):
    with pytest.raises(BadParams, match=words) as error:
        access_of(services)
    assert KEY not in str(error.value)


def test_a_household_of_ipv6_is_one_caller():
    access = Access(public_per_min=5)
    ids = [access.caller(Headers({}), host).id for host in (
        "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "10.0.0.1", "10.0.0.2",
        "::ffff:10.0.0.1",
    )]  # fmt: skip
    assert ids[0] == ids[1]
    assert ids[3] == ids[5]
    assert len(set(ids)) == 4


def test_a_bucket_allows_a_minute_at_once_and_then_as_many_as_a_minute_brings():
    now = [0.0]
    rates = Rates(clock=lambda: now[0])

    def allowed(n: int) -> int:
        return sum(rates.take("a", 60).is_allowed for _ in range(n))

    assert allowed(100) == 60
    refusal = rates.take("a", 60)
    assert (refusal.is_allowed, refusal.left, refusal.wait_s, refusal.full_s) == (False, 0, 1, 60)
    now[0] += 10
    assert allowed(100) == 10
    now[0] += 3600
    assert allowed(100) == 60
    now[0] += 1
    assert rates.take("a", 60, n_calls=8).wait_s == 7
    now[0] += 7
    assert rates.take("a", 60, n_calls=8).is_allowed
    now[0] += 60
    assert rates.take("a", 60, n_calls=500).is_allowed  # as many as ever are there


def test_who_waits_as_long_as_a_refused_batch_says_is_let_in():
    now = [0.0]
    rates = Rates(clock=lambda: now[0])

    def ask_batch_of_four() -> Allowance:
        rates.take("a", 6)
        return rates.take("a", 6, n_calls=4, had=1)

    assert ask_batch_of_four().left == 2
    refused = ask_batch_of_four()
    assert (refused.is_allowed, refused.left, refused.wait_s) == (False, 2, 20)
    now[0] += refused.wait_s
    assert ask_batch_of_four().is_allowed


def test_over_an_hour_no_caller_gets_more_than_its_rate():
    now = [0.0]
    rates, n_allowed = Rates(clock=lambda: now[0]), 0
    for _ in range(36_000):
        n_allowed += rates.take("a", 120).is_allowed
        now[0] += 0.1
    assert 120 * 60 <= n_allowed <= 120 * 61
