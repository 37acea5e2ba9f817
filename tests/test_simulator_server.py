"""The pretended marketplace over HTTP: pages, pictures, annotators, and what is wrongly asked."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from simulator.annotators import ANNOTATORS, answer
from simulator.marketplace import make_app
from simulator.photos import find_picture, review_photos
from simulator.pictures import render
from simulator.world import World

ROOT = Path(__file__).parents[1]
WORLD = World(seed=7, n_cards=60)


@pytest.fixture(scope="module")
def shop() -> Iterator[TestClient]:
    with TestClient(make_app(WORLD)) as client:
        yield client


def all_pages(shop: TestClient, what: str, limit: int) -> list[dict]:
    rows, cursor = [], ""
    while cursor is not None:
        page = shop.get(f"/v1/{what}", params={"limit": limit, "cursor": cursor}).json()
        assert len(page[what if what != "truth" else "cards"]) <= limit
        rows += page[what if what != "truth" else "cards"]
        cursor = page["next_cursor"]
    return rows


@pytest.mark.parametrize("limit", [7, 25, 1000])
def test_pages_walk_all_cards_exactly_once(shop: TestClient, limit: int):
    cards = all_pages(shop, "cards", limit)
    assert [card["card_id"] for card in cards] == [f"c{number:06d}" for number in range(60)]
    assert all(len(card["images"]) == 3 for card in cards)


@pytest.mark.parametrize("limit", [1, 37])
def test_pages_walk_all_reviews_exactly_once(shop: TestClient, limit: int):
    found = all_pages(shop, "reviews", limit)
    assert len({review["review_id"] for review in found}) == len(found)
    names = [name for review in found for name in review["images"]]
    expected = [f"/images/{p.name}" for card in range(60) for p in review_photos(WORLD, card)]
    assert names == expected
    assert all(review["text"] and 1 <= review["rating"] <= 5 for review in found)


def test_truth_lists_every_picture_of_every_card(shop: TestClient):
    truth = all_pages(shop, "truth", 50)
    told = {p["image"]: p["nature"] for card in truth for p in card["pictures"]}
    shown = [name for card in all_pages(shop, "cards", 50) for name in card["images"]]
    shown += [name for r in all_pages(shop, "reviews", 100) for name in r["images"]]
    assert sorted(told) == sorted(shown)
    assert {card["role"] for card in truth} == {"original", "look_alike", "resale"}


def test_an_image_comes_with_its_type_and_etag(shop: TestClient):
    answer = shop.get("/images/c000000-g0.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == render(WORLD, find_picture(WORLD, "c000000-g0.jpg"))
    again = shop.get("/images/c000000-g0.jpg", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def task(pair_key: str, group_a: str, group_b: str) -> dict:
    return {"id": 5, "data": {"pair_key": pair_key, "group_a": group_a, "group_b": group_b}}


def test_three_annotators_answer_and_say_that_they_are_simulated(shop: TestClient):
    tasks = [task("a-b", "pear", "pear"), task("a-c", "pear", "lime")]
    answered = shop.post("/v1/annotate", json={"tasks": tasks}).json()["tasks"]
    assert answered == shop.post("/v1/annotate", json={"tasks": tasks}).json()["tasks"]
    for asked, got in zip(tasks, answered, strict=True):
        assert got["id"] == 5
        assert got["data"] == asked["data"]
        emails = [annotation["completed_by"]["email"] for annotation in got["annotations"]]
        assert emails == list(ANNOTATORS)
        assert all(email.startswith("simulated-") for email in emails)
        for annotation in got["annotations"]:
            (result,) = annotation["result"]
            assert (result["from_name"], result["to_name"]) == ("answer", "photo_a")
            assert result["type"] == "choices"
            assert result["value"]["choices"][0] in {"same", "different", "cannot tell"}


@pytest.mark.parametrize(("is_same", "right"), [(True, "same"), (False, "different")])
def test_annotators_are_mostly_right(is_same: bool, right: str):
    given = Counter(
        answer(7, name, f"pair-{n}", is_same=is_same) for name in ANNOTATORS for n in range(4000)
    )
    assert given[right] / given.total() == pytest.approx(0.95, abs=0.01)
    assert given["cannot tell"] / given.total() == pytest.approx(0.02, abs=0.006)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/v1/cards?cursor=abc", "Cursor 'abc' is not one of ours"),
        ("/v1/cards?cursor=61.0", "Cursor '61.0' is not one of ours"),
        ("/v1/reviews?cursor=1.-2", "Cursor '1.-2' is not one of ours"),
        ("/v1/cards?limit=0", "Limit '0' is not a whole number from 1 to 1000"),
        ("/v1/cards?limit=1001", "Limit '1001' is not"),
        ("/v1/reviews?limit=many", "Limit 'many' is not"),
    ],
)
def test_a_bad_cursor_or_limit_is_named(shop: TestClient, path: str, complaint: str):
    answer = shop.get(path)
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


@pytest.mark.parametrize(
    "name", ["c000060-g0.jpg", "c000000-g3.jpg", "c000000-r9.jpg", "c000000-g0.png", "x", "..%2fx"]
)
def test_an_unknown_picture_is_404(shop: TestClient, name: str):
    answer = shop.get(f"/images/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        (b"{", 400, "The body is not JSON"),
        (b"[]", 400, "The body has no `tasks`"),
        (b'{"tasks": 5}', 422, "`tasks` must be a list"),
        (b'{"tasks": [5]}', 422, "Task 0 has no `data`"),
        (b'{"tasks": [{"data": {"pair_key": "k", "group_a": 3}}]}', 422, "`group_a` is 3"),
    ],
)
def test_a_malformed_body_is_named(shop: TestClient, body: bytes, status: int, complaint: str):
    answer = shop.post("/v1/annotate", content=body)
    assert answer.status_code == status
    assert complaint in answer.json()["error"]


def test_a_wrong_method_or_path_is_answered_in_json(shop: TestClient):
    assert shop.post("/v1/cards").status_code == 405
    assert shop.get("/v2/cards").json() == {"error": "Not Found"}


def test_the_process_says_where_it_listens_and_serves():
    command = [sys.executable, "-m", "simulator", "--seed", "7", "--cards", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("simulator ready at http://127.0.0.1:")
            url = line.split()[-1]
            healthy = httpx.get(f"{url}/healthz", timeout=60).json()
            assert healthy == {"status": "ok", "seed": 7, "cards": 60}
            served = httpx.get(f"{url}/images/c000011-r0.jpg", timeout=60).content
            assert served == render(WORLD, find_picture(WORLD, "c000011-r0.jpg"))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.stdout.read() == ""


def test_the_process_refuses_no_cards_in_one_line():
    command = [sys.executable, "-m", "simulator", "--cards", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'0' is not a whole number above 0" in done.stderr
