"""A Qdrant server of one process for tests: its REST addresses over the client's local engine.

It is asked over real HTTP with the bodies that a server gets; it searches exactly, knows no
cluster, and can be told to fail first.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from qdrant_client import QdrantClient, models


@dataclass
class QdrantOverHttp:
    """`failures`: HTTP statuses to answer before anything else; `asked`: `PUT /collections/x`;
    `bodies`: the last body by that."""

    client: QdrantClient
    address: str = ""
    api_key: str = ""
    failures: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    bodies: dict[str, Any] = field(default_factory=dict)
    one_at_a_time: Lock = field(default_factory=Lock)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "aliases"]:
                return self.client.get_aliases()
            case ["POST", "collections", "aliases"]:
                steps = models.ChangeAliasesOperation.model_validate(body).actions
                return self.client.update_collection_aliases(steps)
            case ["POST", "collections", name, "points", question]:
                return self.about_points(name, question, body)
            case [_, "collections", name, *what]:
                return self.about_collection(name, [method, *what], body)
        raise LookupError(f"{method} {path}")

    def about_collection(self, name: str, question: list[str], body: dict[str, Any]) -> Any:
        match question:
            case ["GET", "exists"]:
                return {"exists": self.client.collection_exists(name)}
            case ["GET"]:
                return self.client.get_collection(name)
            case ["PUT"]:
                wanted = models.CreateCollection.model_validate(body)
                return self.client.create_collection(
                    name, vectors_config=wanted.vectors, metadata=wanted.metadata
                )
            case ["DELETE"]:
                return self.client.delete_collection(name)
            case ["PUT", "index"]:
                return self.client.create_payload_index(
                    name, body["field_name"], body["field_schema"]
                )
            case ["PUT", "points"]:
                return self.client.upsert(name, models.PointsBatch.model_validate(body).batch)
        raise LookupError(f"{question}")

    def about_points(self, name: str, question: str, body: dict[str, Any]) -> Any:
        match question:
            case "delete":
                return self.client.delete(name, models.PointIdsList.model_validate(body))
            case "count":
                return self.client.count(name, exact=body["exact"])
            case "query":
                wanted = models.QueryRequest.model_validate(body)
                return self.client.query_points(
                    name,
                    query=body["query"]["nearest"],
                    limit=wanted.limit or 0,
                    query_filter=wanted.filter,
                    with_payload=True,
                )
            case "batch":
                steps = models.UpdateOperations.model_validate(body).operations
                done = self.client.batch_update_points(name, steps)
                return [one.model_dump(mode="json") for one in done]
            case "scroll":
                records, offset = self.client.scroll(
                    name,
                    limit=body["limit"],
                    offset=body.get("offset"),
                    with_payload=True,
                    with_vectors=True,
                )
                return models.ScrollResult(points=records, next_page_offset=offset)
        raise LookupError(question)


@contextmanager
def serving(api_key: str = "") -> Iterator[QdrantOverHttp]:
    """Serves on a free port of loopback."""
    fake = QdrantOverHttp(QdrantClient(":memory:"), api_key=api_key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    fake.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


def _handler(fake: QdrantOverHttp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            path = self.path.partition("?")[0]
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
            with fake.one_at_a_time:
                fake.asked.append(f"{self.command} {path}")
                fake.bodies[fake.asked[-1]] = body
                if fake.api_key and self.headers.get("api-key") != fake.api_key:
                    self.reply(403, {"status": {"error": "forbidden"}})
                elif fake.failures:
                    self.reply(fake.failures.pop(0), {"status": {"error": "not now"}})
                else:
                    self.try_to_answer(path, body)

        def try_to_answer(self, path: str, body: dict[str, Any]) -> None:
            try:
                result = fake.answer(self.command, path, body)
            except (LookupError, ValueError) as error:
                self.reply(400, {"status": {"error": str(error)}})
                return
            if hasattr(result, "model_dump"):
                result = result.model_dump(mode="json")
            self.reply(200, {"result": result, "status": "ok", "time": 0.0})

        def reply(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

        do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server calls them so

    return Handler
