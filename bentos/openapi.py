"""The OpenAPI document, out of the table of calls and the classes that answers are made of."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bentos.openapi_calls import CALLS, PARTS, QUERY_TEXTS, Call
from photosearch.search.schemas import Problem

Document = dict[str, Any]
Refs = Mapping[tuple[str, str], Document]
"""Schemas by the name of a class, and by whether it is answered or taken."""

REFERENCE = "#/components/schemas/{model}"
VERSION = "1.0"
"""Of the API: a field may come, none goes or changes its meaning within 1."""
OF_ALL = (401, 429, 500)
"""Problems that any call may have."""
SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


async def openapi(_: Request) -> Response:
    """The document as an answer."""
    return JSONResponse(document())


@cache
def document() -> Document:
    """The API as OpenAPI 3.1 tells it."""
    return describe(CALLS)


def describe(calls: Sequence[Call]) -> Document:
    """The document of these calls."""
    models = {call.answer for call in calls if isinstance(call.answer, type)} | {Problem}
    bodies = {call.body for call in calls if call.body is not None}
    wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((model.__name__, "serialization", TypeAdapter(model)) for model in models),
        *((model.__name__, "validation", TypeAdapter(model)) for model in bodies),
    ]
    made, definitions = TypeAdapter.json_schemas(wanted, ref_template=REFERENCE)
    refs = {(str(name), str(mode)): schema for (name, mode), schema in made.items()}
    schemas = definitions["$defs"]
    paths: Document = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method] = _operation(call, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Photosearch", "version": VERSION},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": SECURITY},
        "security": [{}, *({name: []} for name in SECURITY)],
    }


def _operation(call: Call, refs: Refs) -> Document:
    content: Document = {}
    if isinstance(call.answer, str):
        content[call.answer] = {}
    else:
        schema = refs[call.answer.__name__, "serialization"]
        content["application/json"] = {"schema": schema}
    told = {"description": HTTPStatus(200).phrase, "content": content}
    responses: Document = {"200": told}
    responses |= {str(s): told | {"description": meaning} for s, meaning in call.also.items()}
    problems = call.problems if call.is_probe else (*OF_ALL, *call.problems)
    for status in sorted(problems):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": refs["Problem", "serialization"]}},
        }
    operation: Document = {
        "operationId": call.id,
        "summary": call.summary,
        "parameters": _parameters(call),
        "responses": responses,
    }
    if call.is_probe:
        operation["security"] = []
    if call.form:
        operation["requestBody"] = _form(call)
    if call.body is not None:
        schema = refs[call.body.__name__, "validation"]
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(call: Call) -> list[Document]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", call.path)
    ]
    return in_path + [
        {"name": name, "in": "query", "schema": QUERY_TEXTS[name]} for name in call.asked
    ]


def _form(call: Call) -> Document:
    schema = {
        "type": "object",
        "properties": {name: PARTS[name] for name in call.form} | _many_photos(call),
        "required": list(call.needed),
        "additionalProperties": False,
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _many_photos(call: Call) -> Document:
    """Where a form may have several photos, the part is there several times."""
    return {"photo": {"type": "array", "items": PARTS["photo"]}} if "boxes" in call.form else {}
