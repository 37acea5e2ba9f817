"""The pretended marketplace changes from day to day, tells what changed, and may be busy."""

import pytest
from starlette.testclient import TestClient

from simulator.marketplace import make_app
from simulator.world import World


def pages(shop: TestClient, table: str, cursor: str = "") -> tuple[list[dict], str]:
    """Rows of all pages, and where later changes follow."""
    rows: list[dict] = []
    while True:
        page = shop.get(f"/v1/{table}", params={"limit": 7, "cursor": cursor}).json()
        rows += page[table]
        if page["next_cursor"] is None:
            return rows, page["resume_cursor"]
        assert page["resume_cursor"] is None
        cursor = page["next_cursor"]


def on_day(day: int) -> TestClient:
    return TestClient(make_app(World(seed=7, n_cards=60, day=day)))


def test_a_card_says_what_a_product_page_says():
    (card, *_), _ = pages(on_day(0), "cards")
    reviews, _ = pages(on_day(0), "reviews")
    stars = [row["rating"] for row in reviews if row["card_id"] == card["card_id"]]
    assert card["n_reviews"] == len(stars)
    assert card["rating"] == round(sum(stars) / len(stars), 2)
    assert set(card["attributes"]) == {"Colour", "Height", "Pattern"}
    assert card["seller"]
    assert card["status"] in {"on_sale", "out_of_stock"}


@pytest.mark.parametrize("table", ["cards", "reviews"])
def test_what_changed_since_a_day_turns_that_day_into_the_next(table: str):
    key = "card_id" if table == "cards" else "review_id"
    before, cursor = pages(on_day(0), table)
    changes, _ = pages(on_day(9), table, cursor)
    known = {row[key]: row for row in before}
    for row in changes:
        if row.get("deleted"):
            del known[row[key]]
        else:
            known[row[key]] = row
    after, _ = pages(on_day(9), table)
    assert list(known.values()) == after
    assert 0 < len(changes) < len(before)
    assert len(after) < len(before)


def test_nothing_changes_within_a_day():
    _, cursor = pages(on_day(9), "cards")
    assert pages(on_day(9), "cards", cursor) == ([], cursor)


def test_pictures_of_a_card_that_went_are_gone():
    kept = {row["card_id"] for row in pages(on_day(9), "cards")[0]}
    first = next(row for row in pages(on_day(0), "cards")[0] if row["card_id"] not in kept)
    assert on_day(9).get(first["images"][0]).status_code == 404
    assert on_day(0).get(first["images"][0]).status_code == 200


@pytest.mark.parametrize("cursor", ["0.0.8.0", "0.0.7.10", "0.0.7", "0.0.7.0.0", "0.0.-7.0"])
def test_a_cursor_of_another_world_or_of_tomorrow_is_refused(cursor: str):
    answer = on_day(9).get("/v1/cards", params={"cursor": cursor})
    assert answer.status_code == 400
    assert "is not one of ours" in answer.json()["error"]


def test_a_busy_marketplace_turns_some_away_and_says_when_to_come_back():
    shop = TestClient(make_app(World(seed=7, n_cards=60), busy_every=3))
    answers = [shop.get("/healthz") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 503, 200, 200, 429]
    assert answers[2].headers["Retry-After"] == "1"
