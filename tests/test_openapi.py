"""The OpenAPI document is valid, and what the service answers is what it says."""

import json

import httpx
import jsonschema
import pytest
import whole_shop
from asking import RED, search
from openapi_spec_validator import validate
from told_events import an_event

from bentos.api import make_app
from bentos.openapi import document
from bentos.openapi_calls import CALLS, PARTS
from bentos.turns import Turns
from bentos.upload import WISHES_OF_BATCH
from bentos.wishes import WISHES

shop, api = whole_shop.shop, whole_shop.api


def test_the_document_is_valid_openapi(api: httpx.Client):
    told = api.get("/v1/openapi.json").json()
    validate(told)
    assert told == json.loads(json.dumps(document()))


def test_the_document_has_every_call_and_every_part():
    app = make_app(lambda: None, Turns())
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


@pytest.mark.parametrize(
    "call", [call for call in CALLS if not call.is_probe], ids=lambda call: call.id
)
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


def test_probes_need_no_key_and_tell_no_problem_documents():
    for probe in (call for call in CALLS if call.is_probe):
        told = document()["paths"][probe.path]["get"]
        assert told["security"] == []
        assert {*told["responses"]} <= {"200", "503"}
        assert all([*answer["content"]] == ["text/plain"] for answer in told["responses"].values())


def test_each_body_of_json_is_what_the_document_says():
    told = document()["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert_fits(SHOWN["events"]["json"], told["schema"])


def test_a_schema_refuses_what_it_does_not_tell():
    with pytest.raises(jsonschema.ValidationError, match="secret"):
        assert_fits(
            {"type": "a", "title": "b", "status": 1, "detail": "c", "secret": 1},
            {"$ref": "#/components/schemas/Problem"},
        )
