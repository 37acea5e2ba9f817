"""How tests ask the API, and what a problem document has to be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
from small_shop import PATIENT, SmallShop, jpeg, painted, served

RED = jpeg(painted((205, 40, 45)))


def search(api: httpx.Client, photo: bytes = RED, **parts: str) -> httpx.Response:
    return api.post("/v1/search", files={"photo": ("red.jpg", photo)}, data=parts)


def batch(api: httpx.Client, *photos: bytes, **parts: str) -> httpx.Response:
    files = [("photo", (f"{number}.jpg", photo)) for number, photo in enumerate(photos)]
    return api.post("/v1/search/batch", files=files, data=parts)


@contextmanager
def open_api(shop: SmallShop, **access: object) -> Iterator[httpx.Client]:
    """The API of a shop that lets callers in as `access` says."""
    guarded = replace(shop, access=replace(PATIENT, **access))
    with served(guarded) as address, httpx.Client(base_url=address, timeout=60) as api:
        yield api


def assert_problem(response: httpx.Response, status: int, *words: str) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert set(problem) == {"type", "title", "status", "detail"}
    for word in words:
        assert word in problem["detail"]
