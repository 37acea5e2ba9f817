"""What only a Qdrant server must do, asked over HTTP: names, aliases, failures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from photo_vectors import BLUE, RED, clustered, names, of_cards, photo_ids
from qdrant_client import models
from qdrant_over_http import QdrantOverHttp, serving
from small_shop import write_release

from photosearch.assembly_serving import point_alias
from photosearch.errors import ForeignIndex, IndexUnavailable
from photosearch.index.filters import CardFilter
from photosearch.index.qdrant_connection import QdrantConnection
from photosearch.index.qdrant_points import search_by
from photosearch.index.qdrant_server import QdrantServerIndex, switch_alias
from photosearch.index.server_requests import Keeping
from photosearch.index_settings import Quantisation
from photosearch.settings import Services

pytestmark = [
    # Said by the client's engine in memory, which needs neither and ignores both.
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
    # Sent on purpose to the pretended server on loopback.
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]


@pytest.fixture
def server() -> Iterator[QdrantOverHttp]:
    with serving() as server:
        yield server


@pytest.fixture
def connection(server: QdrantOverHttp) -> Iterator[QdrantConnection]:
    connection = QdrantConnection.connect(server.address)
    yield connection
    connection.close()


def test_a_collection_is_opened_again_by_name(connection: QdrantConnection) -> None:
    made = QdrantServerIndex.create(connection, "a", dim=16, model_id="m")
    made.add(*names(600), clustered(600, 16))
    index = QdrantServerIndex.open(connection, "a", model_id="m")
    assert (index.dim, index.model_id, index.count()) == (16, "m", 600)
    with pytest.raises(ForeignIndex, match="made by model m, the query by another"):
        QdrantServerIndex.open(connection, "a", model_id="another")
    with pytest.raises(IndexUnavailable, match="has a collection 'a' already"):
        QdrantServerIndex.create(connection, "a", dim=16, model_id="m")
    with pytest.raises(IndexUnavailable, match=r"has no collection 'b'\. Build it with"):
        QdrantServerIndex.open(connection, "b", model_id="m")


def test_photos_travel_in_bounded_requests(
    server: QdrantOverHttp, connection: QdrantConnection
) -> None:
    QdrantServerIndex.create(connection, "a", dim=4, model_id="m").add(
        *names(600), clustered(600, 4)
    )
    assert server.asked.count("PUT /collections/a/points") == 3


def test_an_alias_moves_from_one_collection_to_the_next(connection: QdrantConnection) -> None:
    for name, vector in (("old", RED), ("new", BLUE)):
        index = QdrantServerIndex.create(connection, name, dim=2, model_id="m")
        index.add([name], of_cards(name), vector[None])
        switch_alias(connection, "live", name)
        live = QdrantServerIndex.open(connection, "live", model_id="m")
        assert photo_ids(live.nearest(RED, limit=9)) == [name]
    with pytest.raises(IndexUnavailable, match="no collection 'gone', so alias 'live' stays"):
        switch_alias(connection, "live", "gone")
    assert QdrantServerIndex.open(connection, "live", model_id="m").nearest(RED, limit=1)


def test_a_collection_of_others_is_refused(
    server: QdrantOverHttp, connection: QdrantConnection
) -> None:
    server.client.create_collection("theirs", vectors_config={})
    with pytest.raises(IndexUnavailable, match="does not say which model made it"):
        QdrantServerIndex.open(connection, "theirs", model_id="m")


def test_a_short_failure_is_survived(server: QdrantOverHttp, connection: QdrantConnection) -> None:
    index = QdrantServerIndex.create(connection, "a", dim=2, model_id="m")
    server.failures = [503, 502]
    index.add(["red-1"], of_cards("red"), RED[None])
    assert index.count() == 1


def test_a_long_failure_is_told_after_three_attempts(
    server: QdrantOverHttp, connection: QdrantConnection
) -> None:
    index = QdrantServerIndex.create(connection, "a", dim=2, model_id="m")
    server.failures = [503] * 9
    server.asked.clear()
    with pytest.raises(IndexUnavailable, match=r"answered 503 3 times\. Look at its log"):
        index.nearest(RED, limit=1)
    assert len(server.asked) == 3


def test_a_wrong_question_is_not_repeated(
    server: QdrantOverHttp, connection: QdrantConnection
) -> None:
    server.failures = [400] * 9
    with pytest.raises(IndexUnavailable, match=f"{server.address} refused a request: .*not now"):
        QdrantServerIndex.open(connection, "a", model_id="m")
    assert len(server.asked) == 1


def test_a_key_is_sent_and_a_wrong_one_told() -> None:
    with serving(api_key="secret") as server:
        right = QdrantConnection.connect(server.address, api_key="secret")
        QdrantServerIndex.create(right, "a", dim=2, model_id="m").close()
        wrong = QdrantConnection.connect(server.address, api_key="guess")
        with pytest.raises(
            IndexUnavailable, match=r"refuses the key \(403\)\. Set PHOTOSEARCH_QDR"
        ):
            QdrantServerIndex.open(wrong, "a", model_id="m")
        wrong.close()


def test_no_server_at_the_address_is_told() -> None:
    with serving() as server:
        address = server.address
    connection = QdrantConnection.connect(address)
    with pytest.raises(
        IndexUnavailable, match=rf"{address} does not answer: .*refused\. Start it, or set PHOTO"
    ):
        QdrantServerIndex.open(connection, "a", model_id="m")
    connection.close()


def test_a_server_that_is_too_slow_is_told() -> None:
    with serving() as server, server.one_at_a_time:  # it accepts, and cannot answer
        connection = QdrantConnection.connect(server.address, timeout_s=1)
        with pytest.raises(IndexUnavailable, match="does not answer: timed out"):
            QdrantServerIndex.open(connection, "a", model_id="m")
        connection.close()


def test_a_wrong_address_is_told() -> None:
    with pytest.raises(IndexUnavailable, match=r"'gopher://x' is not the address of a Qdrant serv"):
        QdrantConnection.connect("gopher://x")


def test_a_collection_is_kept_as_it_was_asked_for(server: QdrantOverHttp) -> None:
    connection = QdrantConnection.connect(server.address)
    keeping = Keeping("binary", shards=6, replicas=2)
    QdrantServerIndex.create(connection, "a", dim=256, model_id="m", keeping=keeping).close()
    made = server.bodies["PUT /collections/a"]
    assert (made["shard_number"], made["replication_factor"]) == (6, 2)
    assert made["vectors"] == {"size": 256, "distance": "Cosine", "datatype": "float16"}
    assert made["quantization_config"]["binary"]["encoding"] == "one_bit"
    assert made["hnsw_config"]["full_scan_threshold"] == 5000  # KB: 10,000 photos of 512 bytes
    assert made["metadata"] == {"model_id": "m", "quantisation": "binary", "has_shelves": True}


@pytest.mark.parametrize("quantisation", get_args(Quantisation))
def test_a_search_says_how_widely(
    server: QdrantOverHttp, connection: QdrantConnection, quantisation: Quantisation
) -> None:
    keeping = Keeping(quantisation)
    QdrantServerIndex.create(connection, "a", dim=2, model_id="m", keeping=keeping)
    index = QdrantServerIndex.open(connection, "a", model_id="m")
    index.nearest(RED, limit=5, where=CardFilter(category=("Worn", "Shoes"), price_max=9))
    asked = server.bodies["POST /collections/a/points/query"]
    assert asked["params"]["quantization"]["rescore"] is True
    candidates = 5 * asked["params"]["quantization"]["oversampling"]
    assert candidates == 100 * search_by(quantisation).oversampling  # for few hits as for many
    assert asked["filter"]["must"][0]["key"] == "shelf"
    assert asked["filter"]["must"][1:] == [
        {"key": "price", "range": {"lte": 9.0}},
    ]
    index.nearest(RED, limit=5, where=CardFilter(brands=("Nord", "Sud")))
    asked = server.bodies["POST /collections/a/points/query"]  # of two, the last
    assert asked["filter"]["must"] == [{"key": "brand", "match": {"any": ["Sud"]}}]


def test_a_collection_made_before_listings_is_searched_without_filters_only(
    server: QdrantOverHttp, connection: QdrantConnection
) -> None:
    vectors = models.VectorParams(size=2, distance=models.Distance.COSINE)
    server.client.create_collection("old", vectors_config=vectors, metadata={"model_id": "m"})
    index = QdrantServerIndex.open(connection, "old", model_id="m")
    assert index.nearest(RED, limit=1) == []
    with pytest.raises(IndexUnavailable, match=r"'old' .* was made before photos carried what fil"):
        index.nearest(RED, limit=1, where=CardFilter(brands=("Nord",)))


def test_the_alias_leads_to_the_collection_of_a_release(
    server: QdrantOverHttp, connection: QdrantConnection, tmp_path: Path
) -> None:
    release = write_release(tmp_path, [], photos=[], images_dir=tmp_path)
    kept = replace(release.manifest, index_kind="qdrant_server")
    services = Services(qdrant_url=server.address, qdrant_alias="photos")
    point_alias(release, services)  # an index in a folder: nothing to do
    index = QdrantServerIndex.create(connection, "photosearch-r1", dim=2, model_id="m")
    index.add(["red-1"], of_cards("red"), RED[None])
    point_alias(replace(release, manifest=kept), services)
    live = QdrantServerIndex.open(connection, "photos", model_id="m")
    assert photo_ids(live.nearest(RED, limit=1)) == ["red-1"]
