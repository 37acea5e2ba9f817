"""The calls that are not a search by one photo: batch, card, tags."""

import json
from dataclasses import replace

import httpx
import pytest
import whole_shop
from asking import RED, assert_problem, batch, search
from small_shop import (
    SmallShop,
    colour,
    jpeg,
    open_shop,
    painted,
    served,
)

from bentos.gathering import encode_together
from photosearch.search.schemas import BatchResponse

shop, api = whole_shop.shop, whole_shop.api


def found(response: httpx.Response) -> list[str | int]:
    """The best card of each search, or the status of its problem."""
    assert response.status_code == 200, response.text
    answers = BatchResponse.model_validate(response.json()).answers
    for one in answers:
        assert (one.answer is None) != (one.problem is None)
    return [
        one.answer.cards[0].card.card_id if one.answer else one.problem.status for one in answers
    ]


def test_a_batch_answers_each_photo_or_says_what_is_wrong_with_it(api: httpx.Client):
    photos = [jpeg(painted(colour(name))) for name in ("blue", "red")]
    response = batch(api, photos[0], b"dear diary", photos[1], limit="2")
    assert found(response) == ["blue", 422, "red"]
    first, broken, _ = response.json()["answers"]
    assert len(first["answer"]["cards"]) == 2
    assert "Photo '1.jpg' is not a JPEG" in broken["problem"]["detail"]


def test_a_batch_searches_several_boxes_of_one_photo(api: httpx.Client):
    photo = jpeg(painted(colour("red"), colour("green")))
    boxes = [[0, 0, 190, 300], [210, 0, 400, 300], [0, 0, 900, 900]]
    assert found(batch(api, photo, boxes=json.dumps(boxes))) == ["red", "green", 400]


def test_a_batch_gives_what_single_searches_give(api: httpx.Client):
    photo = jpeg(painted(colour("violet"), colour("green")))
    (one,) = batch(api, photo, explain="true", limit="5").json()["answers"]
    alone = search(api, photo, explain="true", limit="5").json()
    for told in (one["answer"], alone):
        for changing in ("query_id", "took_ms", "articles"):
            del told[changing]
    assert one["answer"] == alone


@pytest.mark.parametrize(
    ("photos", "parts", "words"),
    [
        (0, {"boxes": "[[1,2,30,40]]"}, "Part 'photo' is missing"),
        (2, {"boxes": "[[1,2,30,40]]"}, "There are 2 photos and 'boxes'"),
        (9, {}, "Too many files. Maximum number of files is 8"),
        (1, {"boxes": "[]"}, "Send a JSON list of at most 8 boxes"),
        (1, {"boxes": json.dumps([[1, 2, 30, 40]] * 9)}, "Send a JSON list of at most 8 boxes"),
        (1, {"boxes": "[[1,2,3]]"}, "Send a JSON list of at most 8 boxes"),
        (1, {"box": "1,2,30,40"}, "Part 'box' is unknown"),
        (1, {"limit": "0"}, "Limit 0 is not between 1 and 100"),
    ],
)
def test_an_impossible_batch_is_400_as_a_whole(
    api: httpx.Client, photos: int, parts: dict[str, str], words: str
):
    response = batch(api, *[RED] * photos, **parts) if photos else api.post(
        "/v1/search/batch", files={name: (None, value) for name, value in parts.items()}
    )  # fmt: skip
    assert_problem(response, 400, words)


def test_a_batch_that_is_too_large_is_413(api: httpx.Client):
    assert_problem(batch(api, *[bytes(9_000_000)] * 5), 413, "more than 40,100,000 bytes")


def test_photos_of_a_batch_are_embedded_as_one_list(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bentos.gathering.WAIT_S", 20)
    whole, asked = shop.pipeline, []

    def encode(photos):
        asked.append(len(photos))
        return [whole.embed(photo) for photo in photos]

    def embed(photo):
        return encode_together([photo], encode)[0]

    together = replace(shop, pipeline=replace(whole, embed=embed))
    green = jpeg(painted(colour("green")))
    with served(together) as address, httpx.Client(base_url=address, timeout=60) as api:
        assert found(batch(api, RED, green, b"broken", green)) == ["red", "green", 422, "green"]
        assert search(api).status_code == 200
    assert asked == [3, 1]


def test_a_card_tells_its_facts_and_pictures(api: httpx.Client):
    told = api.get("/v1/cards/red").json()
    assert (told["card"]["title"], told["card"]["article"]) == ("Red mug", "KR-4820")
    assert told["gallery"][0] == told["card"]["thumbnail"]
    assert api.get(told["gallery"][0]).headers["content-type"] == "image/jpeg"
    assert told["release"]["release"] == "r1"


def test_an_unknown_card_is_404(api: httpx.Client):
    assert_problem(api.get("/v1/cards/nothing"), 404, "There is no card 'nothing'")
    assert_problem(api.get("/v1/cards/" + "x" * 5000), 404, "There is no card")
    assert_problem(api.get("/v1/cards/..%2f..%2fetc"), 404)


def test_tags_are_listed_by_how_they_begin(api: httpx.Client):
    def tags(**asked: str) -> list[str]:
        return [tag["tag"] for tag in api.get("/v1/tags", params=asked).json()["tags"]]

    assert tags() == ["blue", "Red mug", "redwood", "кружево", "Кружка"]
    assert tags(prefix="RED") == ["Red mug", "redwood"]
    assert tags(prefix=" red  m") == ["Red mug"]
    assert tags(prefix="круж", limit="1", offset="1") == ["Кружка"]
    assert tags(prefix="круж", offset="7") == []
    assert tags(prefix="z") == []
    answer = api.get("/v1/tags", params={"prefix": "КРУЖ", "limit": "1"}).json()
    assert answer["n_found"] == 2
    assert answer["tags"] == [{"tag": "кружево", "language": "ru", "n_cards": 1}]


def test_impossible_tags_are_400(api: httpx.Client):
    assert_problem(api.get("/v1/tags?limit=0"), 400, "Limit 0 is not between 1 and 100")
    assert_problem(api.get("/v1/tags?begin=a"), 400, "'begin' is unknown. Send prefix, limit")
    assert_problem(api.get("/v1/tags", params={"prefix": "a" * 201}), 400, "Send 200 letters")


def test_a_release_without_tags_lists_none(tmp_path):
    shop = open_shop(tmp_path)
    with served(shop) as address:
        answer = httpx.get(f"{address}/v1/tags", timeout=60).json()
    assert (answer["tags"], answer["n_found"]) == ([], 0)
