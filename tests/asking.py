"""How tests ask the API, and what a problem document has to be."""

import httpx
from small_shop import jpeg, painted

RED = jpeg(painted((205, 40, 45)))


def search(api: httpx.Client, photo: bytes = RED, **parts: str) -> httpx.Response:
    return api.post("/v1/search", files={"photo": ("red.jpg", photo)}, data=parts)


def batch(api: httpx.Client, *photos: bytes, **parts: str) -> httpx.Response:
    files = [("photo", (f"{number}.jpg", photo)) for number, photo in enumerate(photos)]
    return api.post("/v1/search/batch", files=files, data=parts)


def assert_problem(response: httpx.Response, status: int, *words: str) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert set(problem) == {"type", "title", "status", "detail"}
    for word in words:
        assert word in problem["detail"]
