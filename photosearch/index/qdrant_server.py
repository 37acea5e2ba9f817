"""A Qdrant server or cluster: one collection an index, behind an alias that is switched at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from photosearch.errors import ForeignIndex, IndexUnavailable
from photosearch.index import qdrant_points as points
from photosearch.index import server_requests as requests
from photosearch.index.filters import CardFilter, Listing
from photosearch.index.qdrant_connection import QdrantConnection
from photosearch.index.server_requests import Keeping
from photosearch.index.vector_index import (
    Batch,
    Hit,
    PhotosOfCards,
    Vectors,
    by_card,
    check_query,
    check_rows,
)
from photosearch.index_settings import Quantisation

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client import models as qdrant

REQUEST_BATCH = 256
"""Photos a request: 512 numbers as JSON text are some 5 KB, and a server takes 32 MB."""
OPTIMIZE_TIMEOUT_S = 3600.0
OPTIMIZE_POLL_S = 0.5


class QdrantServerIndex:
    """Photos in a collection; vectors are kept in fp16, which moves a cosine by some 0.0001.

    It owns the connection: `close` closes it. Made by `create` or `open`.
    """

    def __init__(
        self, connection: QdrantConnection, name: str, *, dim: int, told: dict[str, Any]
    ) -> None:
        """`told`: the collection's metadata, see server_requests.collection."""
        self.dim = dim
        self.model_id = told["model_id"]
        self._quantisation: Quantisation | None = told.get("quantisation")
        """None: made before photos carried listings."""
        self._has_shelves: bool = told.get("has_shelves", False)
        self._connection = connection
        self._name = name

    @classmethod
    def create(
        cls,
        connection: QdrantConnection,
        name: str,
        *,
        dim: int,
        model_id: str,
        keeping: Keeping = Keeping(),  # noqa: B008 - frozen
    ) -> QdrantServerIndex:
        """Makes an empty collection `name`.

        Raises:
            IndexUnavailable: There is such a collection, or the server does not answer.
        """
        if connection.ask(lambda client: client.collection_exists(name)):
            raise IndexUnavailable(
                f"Qdrant at {connection.address} has a collection {name!r} already. Take another "
                "name, or delete that one."
            )
        wanted = requests.collection(dim, model_id, keeping)
        connection.ask(lambda client: client.create_collection(name, **wanted))
        for field, schema in requests.payload_indexes().items():
            connection.ask(partial(_look_up_by, name, field, schema))
        return cls(connection, name, dim=dim, told=wanted["metadata"])

    @classmethod
    def open(cls, connection: QdrantConnection, name: str, *, model_id: str) -> QdrantServerIndex:
        """Opens the collection `name`, or the one behind the alias `name`.

        Raises:
            IndexUnavailable: There is none, we did not make it, or the server does not answer.
            ForeignIndex: A model other than `model_id` made it.
        """
        if not connection.ask(lambda client: client.collection_exists(name)):
            raise IndexUnavailable(
                f"Qdrant at {connection.address} has no collection {name!r}. Build it with "
                "`photosearch index`."
            )
        config = connection.ask(lambda client: client.get_collection(name)).config
        told, vectors = config.metadata or {}, config.params.vectors
        made_by = told.get("model_id")
        size = getattr(vectors, "size", None)  # a collection with several vectors has no size
        if made_by is None or size is None:
            raise IndexUnavailable(
                f"Collection {name!r} at {connection.address} does not say which model made it: "
                "it is not ours, or the server is older than 1.16. Name another, or rebuild it "
                "with `photosearch index`."
            )
        if made_by != model_id:
            raise ForeignIndex(made_by, model_id)
        return cls(connection, name, dim=size, told=told)

    def add(self, photo_ids: Sequence[str], listings: Sequence[Listing], vectors: Vectors) -> None:
        from qdrant_client import models

        check_rows(self._name, self.dim, photo_ids, listings, vectors)
        for start in range(0, len(photo_ids), REQUEST_BATCH):
            part = slice(start, start + REQUEST_BATCH)
            batch = models.Batch(
                ids=list(map(points.point_id, photo_ids[part])),
                payloads=list(map(points.payload, photo_ids[part], listings[part])),
                vectors=vectors[part].tolist(),
            )
            self._upsert(batch)

    def remove(self, photo_ids: Sequence[str]) -> None:
        from qdrant_client import models

        waiting = map(points.point_id, photo_ids)
        while batch := list(islice(waiting, REQUEST_BATCH)):
            self._delete(models.PointIdsList(points=list(batch)))

    def update_listings(self, listings: Sequence[Listing]) -> None:
        from qdrant_client import models

        self._require_listings()
        for start in range(0, len(listings), REQUEST_BATCH):
            changes = [
                models.SetPayload(
                    payload=points.listed(listing), filter=requests.photos_of(listing.card_id)
                )
                for listing in listings[start : start + REQUEST_BATCH]
            ]
            self._update([models.SetPayloadOperation(set_payload=change) for change in changes])

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        check_query(self._name, self.dim, vector)
        if limit <= 0:
            return []  # the server refuses such a question
        filters = [
            requests.filter_of(one, has_shelves=self._has_shelves)
            for one in points.each_brand(where)
        ]
        if filters != [None]:
            self._require_listings()
        found = [
            point for wanted in filters for point in self._nearest(vector, limit, wanted).points
        ]
        return points.as_hits(found, limit=limit)

    def _nearest(
        self, vector: Vectors, limit: int, wanted: qdrant.Filter | None
    ) -> qdrant.QueryResponse:
        asked: dict[str, Any] = {
            "query": vector.tolist(),
            "limit": limit,
            "query_filter": wanted,
            "with_payload": points.FOUND_FIELDS,
            "search_params": requests.search_params(self._quantisation or "int8", limit=limit),
        }
        return self._connection.ask(lambda client: client.query_points(self._name, **asked))

    def nearest_exactly(self, vector: Vectors, *, limit: int) -> list[Hit]:
        check_query(self._name, self.dim, vector)
        wanted: dict[str, Any] = {
            "query": vector.tolist(),
            "limit": limit,
            "with_payload": points.FOUND_FIELDS,
            "search_params": requests.exact_params(),
        }
        answer = self._connection.ask(lambda client: client.query_points(self._name, **wanted))
        return points.as_hits(answer.points)

    def count(self) -> int:
        return self._connection.ask(lambda client: client.count(self._name, exact=True)).count

    def scroll(self, batch: int = 1000) -> Iterator[Batch]:
        return self._scroll({"limit": batch})

    def vectors_of(self, card_ids: Sequence[str]) -> PhotosOfCards:
        from qdrant_client import models

        if not card_ids:
            return {}
        theirs = models.FieldCondition(key="card_id", match=models.MatchAny(any=list(card_ids)))
        wanted = {"limit": REQUEST_BATCH, "scroll_filter": models.Filter(must=[theirs])}
        return by_card(self._scroll(wanted))

    def _scroll(self, asked: dict[str, Any]) -> Iterator[Batch]:
        wanted = asked | {"with_payload": True, "with_vectors": True}
        while True:
            records, offset = self._connection.ask(
                lambda client: client.scroll(self._name, **wanted)
            )
            found = [record.payload or {} for record in records]
            if records:
                yield (
                    [payload["photo_id"] for payload in found],
                    [points.listing_from(payload) for payload in found],
                    np.array([record.vector for record in records], np.float32),
                )
            if offset is None:
                return
            wanted["offset"] = offset

    def optimize(self) -> None:
        """Waits until the server has built graph and codes, as it does by itself.

        Raises:
            IndexUnavailable: It reports an error, or is not ready within an hour.
        """
        from qdrant_client import models

        until = time.monotonic() + OPTIMIZE_TIMEOUT_S
        while True:
            status = self._connection.ask(lambda client: client.get_collection(self._name)).status
            if status in {models.CollectionStatus.GREEN, models.CollectionStatus.GREY}:
                return  # grey: ready, with work that starts at the next write
            if status == models.CollectionStatus.RED or time.monotonic() > until:
                raise IndexUnavailable(
                    f"Collection {self._name!r} at {self._connection.address} is {status.value}, "
                    f"not ready (waited at most {OPTIMIZE_TIMEOUT_S:.0f} s). Look at the "
                    "server's log."
                )
            time.sleep(OPTIMIZE_POLL_S)

    def close(self) -> None:
        self._connection.close()

    def _require_listings(self) -> None:
        if self._quantisation is None:
            raise IndexUnavailable(
                f"Collection {self._name!r} at {self._connection.address} was made before photos "
                "carried what filters ask for. Rebuild it with `photosearch index`."
            )

    def _update(self, operations: list[qdrant.SetPayloadOperation]) -> None:
        self._connection.ask(
            lambda client: client.batch_update_points(self._name, operations, wait=True)
        )

    def _upsert(self, batch: qdrant.Batch) -> None:
        self._connection.ask(lambda client: client.upsert(self._name, batch, wait=True))

    def _delete(self, gone: qdrant.PointIdsList) -> None:
        self._connection.ask(lambda client: client.delete(self._name, gone, wait=True))


def _look_up_by(name: str, field: str, schema: Any, client: QdrantClient) -> None:
    client.create_payload_index(name, field, schema)


def switch_alias(connection: QdrantConnection, alias: str, name: str) -> None:
    """Points `alias` at collection `name`; whoever searches by alias gets one or the other.

    Raises:
        IndexUnavailable: There is no such collection, or the server does not answer.
    """
    from qdrant_client import models

    if not connection.ask(lambda client: client.collection_exists(name)):
        raise IndexUnavailable(
            f"Qdrant at {connection.address} has no collection {name!r}, so alias {alias!r} stays "
            "where it is. Build it with `photosearch index`."
        )
    known = {one.alias_name for one in connection.ask(lambda client: client.get_aliases()).aliases}
    create = models.CreateAlias(collection_name=name, alias_name=alias)
    steps: list[Any] = [models.CreateAliasOperation(create_alias=create)]
    if alias in known:
        delete = models.DeleteAlias(alias_name=alias)
        steps.insert(0, models.DeleteAliasOperation(delete_alias=delete))
    connection.ask(lambda client: client.update_collection_aliases(steps))
