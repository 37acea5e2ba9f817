"""The calls that are not a search by one photo: batch, card, tags; and what all of them tell."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import httpx
import jsonschema
import pytest
from asking import RED, assert_problem, search
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families
from small_shop import (
    SmallShop,
    colour,
    jpeg,
    mapped,
    open_shop,
    painted,
    served,
    sighted,
    with_words,
)
from told_events import an_event

from bentos.api import make_app
from bentos.gathering import encode_together
from bentos.openapi import document
from bentos.openapi_calls import CALLS, PARTS
from bentos.upload import WISHES_OF_BATCH
from bentos.wishes import WISHES
from photosearch.catalog.schemas import Tag
from photosearch.catalog.tables import write_table
from photosearch.feedback.store import open_store
from photosearch.search.schemas import BatchResponse, SearchResponse

TAGS = [
    Tag("Red mug", "en", 3, "title"), Tag("redwood", "en", 2, "title"),
    Tag("Кружка", "ru", 4, "title"), Tag("кружево", "ru", 1, "title"),
    Tag("blue", "en", 9, "title"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    plain = open_shop(tmp_path_factory.mktemp("shop"))
    write_table(plain.release.tags / "tags.parquet", Tag, TAGS)
    with with_words(plain) as shop:
        events = open_store(f"sqlite:///{tmp_path_factory.mktemp('events')}/events.sqlite")
        with closing(events):
            yield replace(mapped(sighted(shop, lambda _: [])), events=events)


@pytest.fixture(scope="module")
def api(shop: SmallShop) -> Iterator[httpx.Client]:
    with served(shop) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


def batch(api: httpx.Client, *photos: bytes, **parts: str) -> httpx.Response:
    files = [("photo", (f"{number}.jpg", photo)) for number, photo in enumerate(photos)]
    return api.post("/v1/search/batch", files=files, data=parts)


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
    with served(together) as address, httpx.Client(base_url=address, timeout=20) as api:
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
        answer = httpx.get(f"{address}/v1/tags").json()
    assert (answer["tags"], answer["n_found"]) == ([], 0)


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("a step of no use")


class DeadReader:
    start = read = fail


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("rank", fail), ("late_interaction", fail), ("rerank", fail), ("chips", fail),
        ("articles", DeadReader()),
    ],
)  # fmt: skip
def test_a_step_that_fails_is_gone_without_and_told(
    api: httpx.Client, shop: SmallShop, field: str, broken: object
):
    before = counted(api, "photosearch_degraded_total", step=field)
    whole = shop.pipeline
    right = SearchResponse.model_validate(search(api).json())
    shop.pipeline = dataclasses.replace(whole, **{field: broken})
    try:
        answer = SearchResponse.model_validate(search(api).json())
    finally:
        shop.pipeline = whole
    assert answer.cards == right.cards
    assert answer.degraded == [field]
    assert right.degraded == []
    assert answer.articles.state == ("failed" if field == "articles" else "read")
    assert counted(api, "photosearch_degraded_total", step=field) == before + 1


@pytest.mark.parametrize("field", ["candidates", "embed", "enrich", "policies"])
def test_a_step_that_an_answer_needs_is_not_gone_without(
    api: httpx.Client, shop: SmallShop, field: str
):
    whole = shop.pipeline
    shop.pipeline = dataclasses.replace(whole, **{field: fail})
    try:
        assert_problem(search(api), 500, "by no fault of yours")
    finally:
        shop.pipeline = whole


def counted(api: httpx.Client, name: str, **labels: str) -> float:
    """The value of a metric, 0 where nothing was counted."""
    families = text_string_to_metric_families(api.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def test_metrics_tell_stages_problems_and_abstentions(api: httpx.Client):
    def now() -> list[float]:
        stage = {"call": "search", "stage": "candidates"}
        return [
            counted(api, "photosearch_stage_seconds_count", **stage),
            counted(api, "photosearch_call_seconds_count", call="search", status="200"),
            counted(api, "photosearch_call_seconds_count", call="search", status="422"),
            counted(api, "photosearch_problems_total", kind="UnreadablePhoto", status="422"),
            counted(api, "photosearch_answers_total", confident="yes"),
            counted(api, "photosearch_answers_total", confident="no"),
            counted(api, "photosearch_queue_seconds_count"),
            counted(api, "photosearch_batch_searches_sum"),
            counted(api, "photosearch_searches_running"),
        ]

    before = now()
    search(api)
    search(api, jpeg(painted((250, 250, 250))))  # white: none of the shop's colours
    search(api, b"dear diary")
    batch(api, RED, RED)
    assert [b - a for a, b in zip(before, now(), strict=True)] == [2, 2, 1, 1, 3, 1, 5, 2, 0]


def test_calls_are_counted_by_their_name_and_not_by_their_path(api: httpx.Client):
    for number in range(20):
        api.get(f"/v1/cards/{number}")
        api.get(f"/nowhere/{number}")
    text = api.get("/metrics").text
    assert 'call="card"' in text
    assert "nowhere" not in text
    assert "/v1/cards" not in text


def test_the_document_is_valid_openapi(api: httpx.Client):
    told = api.get("/v1/openapi.json").json()
    validate(told)
    assert told == json.loads(json.dumps(document()))


def test_the_document_has_every_call_and_every_part():
    app = make_app(lambda: None)
    mounted = next(route for route in app.routes if getattr(route, "path", "") == "/v1")
    served_here = {
        (method.lower(), f"/v1{route.path}")
        for route in mounted.routes
        for method in route.methods - {"HEAD"}
    }
    documented = {(call.method, call.path) for call in CALLS if call.path.startswith("/v1/")}
    assert served_here == documented
    assert set(PARTS) == {"photo", *WISHES, *WISHES_OF_BATCH}


SHOWN = {
    "search": {"files": {"photo": ("a.jpg", RED)}, "data": {"explain": "true", "text": "mug"}},
    "search_text": {"files": {"text": (None, "mug")}},
    "search_batch": {"files": [("photo", ("a.jpg", RED)), ("photo", ("b.jpg", b"b"))]},
    "detect": {"files": {"photo": ("a.jpg", RED)}},
    "tags": {"params": {"prefix": "red"}},
    "events": {"json": {"events": [an_event().model_dump(mode="json")]}},
}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.id)
def test_each_answer_is_what_the_document_says(api: httpx.Client, call):
    found = search(api, explain="true").json()
    path = call.path.format_map({
        "query_id": found["query_id"],
        "card_id": "red",
        "name": found["cards"][0]["card"]["thumbnail"].rpartition("/")[2],
    })  # fmt: skip
    response = api.request(call.method.upper(), path, **SHOWN.get(call.id, {}))
    told = document()["paths"][call.path][call.method]["responses"][str(response.status_code)]
    assert response.status_code == 200
    (media_type,) = told["content"]
    assert response.headers["content-type"].partition(";")[0] == media_type
    if "schema" in told["content"][media_type]:
        assert_fits(response.json(), told["content"][media_type]["schema"])


@pytest.mark.parametrize(("path", "status"), [("/v1/cards/none", 404), ("/v1/tags?limit=0", 400)])
def test_each_problem_is_what_the_document_says(api: httpx.Client, path: str, status: int):
    schema = {"$ref": "#/components/schemas/Problem"}
    response = api.get(path)
    assert response.status_code == status
    assert_fits(response.json(), schema)


def assert_fits(answer: object, schema: dict[str, str]) -> None:
    whole = {**schema, "components": document()["components"]}
    jsonschema.Draft202012Validator(whole).validate(answer)


def test_each_body_of_json_is_what_the_document_says():
    told = document()["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert_fits(SHOWN["events"]["json"], told["schema"])


def test_a_schema_refuses_what_it_does_not_tell():
    with pytest.raises(jsonschema.ValidationError, match="secret"):
        assert_fits(
            {"type": "a", "title": "b", "status": 1, "detail": "c", "secret": 1},
            {"$ref": "#/components/schemas/Problem"},
        )
