"""The indexes that one suite tests: exact, embedded, and on a server in several ways."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
from qdrant_over_http import serving

from photosearch.index.qdrant_connection import QdrantConnection
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index.qdrant_server import QdrantServerIndex
from photosearch.index.vector_index import ExactIndex, VectorIndex

IN_MEMORY = [
    # Said by the client's engine in memory, which needs neither and ignores both.
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]

IndexOfDim = Callable[[int], VectorIndex]


@pytest.fixture(
    params=[
        "exact",
        "edge",
        "edge_graph",
        "server_in_memory",
        "server_over_http",
        pytest.param("server", marks=pytest.mark.network),
    ]
)
def index_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexOfDim]:
    """Makes an empty index of each kind; `edge_graph` builds its graph from the first photos on."""
    with ExitStack() as closing:

        def make(dim: int) -> VectorIndex:
            index = empty_index(request.param, dim, tmp_path, closing)
            closing.callback(index.close)
            return index

        yield make


def empty_index(kind: str, dim: int, folder: Path, closing: ExitStack) -> VectorIndex:
    name = f"test-{uuid.uuid4().hex}"
    match kind:
        case "exact":
            return ExactIndex(dim)
        case "edge":
            return QdrantEdgeIndex.create(folder / name, dim=dim, model_id="m")
        case "edge_graph":
            return QdrantEdgeIndex.create(
                folder / name, dim=dim, model_id="m", plain_up_to_photos=1
            )
        case "server_in_memory":
            connection = QdrantConnection(QdrantClient(":memory:"), "memory")
        case "server_over_http":
            connection = QdrantConnection.connect(closing.enter_context(serving()).address)
        case _:
            url = os.environ.get("PHOTOSEARCH_QDRANT_URL")
            if not url:
                pytest.skip("PHOTOSEARCH_QDRANT_URL names no server")
            key = os.environ.get("PHOTOSEARCH_QDRANT_API_KEY", "")
            connection = QdrantConnection.connect(url, api_key=key)
            cleaner = QdrantConnection.connect(url, api_key=key)
            closing.callback(cleaner.close)
            closing.callback(cleaner.ask, lambda client: client.delete_collection(name))
    return QdrantServerIndex.create(connection, name, dim=dim, model_id="m")
