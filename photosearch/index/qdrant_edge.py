"""Qdrant Edge: the engine in this process, over a folder that nobody else has open."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from photosearch.errors import IndexUnavailable
from photosearch.index import edge_requests as requests
from photosearch.index import qdrant_points as points
from photosearch.index.edge_errors import REBUILD, engine
from photosearch.index.filters import CardFilter, Listing
from photosearch.index.index_folder import (
    ENGINE,
    FACTS,
    Facts,
    copy_folder,
    held,
    read_facts,
    require_index,
    write_facts,
)
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
    from qdrant_edge import EdgeShard, Filter, ScoredPoint, UpdateOperation


class QdrantEdgeIndex:
    """Photos in a folder; vectors are kept in fp16, which moves a cosine by some 0.0001.

    Nothing is safe on disk before `optimize` or `close`: an index is built whole in a folder of its
    own, so the engine keeps no write-ahead log, which would make the folder three times as large.
    A folder that was cut off before says so when it is opened.

    Made by `create`, `open` or `open_copy`.
    """

    def __init__(self, folder: Path, facts: Facts, shard: EdgeShard, closing: ExitStack) -> None:
        self.dim = facts.dim
        self.model_id = facts.model_id
        self.folder = folder
        self._facts = facts
        self._shard = shard
        self._closing = closing
        self._is_closed = False

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        dim: int,
        model_id: str,
        quantisation: Quantisation = "int8",
        plain_up_to_photos: int = points.PLAIN_UP_TO,
    ) -> QdrantEdgeIndex:
        """Makes an empty index.

        Args:
            folder: Made if absent; holds no index yet.
            dim: Numbers in a vector.
            model_id: The model that makes the vectors; no other may search them.
            quantisation: Codes that choose candidates in a graph; see IndexParams.
            plain_up_to_photos: Up to here `optimize` builds nothing and search compares with every
                photo, exactly. Above, it builds an HNSW graph and codes: they choose
                candidates, which are compared again by fp16 vectors. With 20,000 x 512 a search
                takes 1.4 ms plain and 0.9 ms by graph, whose build takes 10 s.

        Raises:
            IndexUnavailable: The folder holds an index already, or cannot be written.
        """
        from qdrant_edge import EdgeShard

        with ExitStack() as closing:
            with engine(folder, "making it"):
                folder.mkdir(parents=True, exist_ok=True)
            closing.enter_context(held(folder))
            if (folder / FACTS).exists():
                raise IndexUnavailable(f"{folder} holds an index already. Delete it first.")
            with engine(folder, "making it"):
                config = requests.shard_config(dim, quantisation, plain_up_to_photos)
                shard = EdgeShard.create(str(folder / ENGINE), config)
                closing.callback(shard.close)
                for operation in requests.payload_indexes():
                    shard.update(operation)
                facts = Facts(
                    dim, model_id, 0, True, quantisation, has_listings=True, has_shelves=True
                )
                write_facts(folder, facts)
            return cls(folder, facts, shard, closing.pop_all())

    @classmethod
    def open(cls, folder: Path, *, model_id: str) -> QdrantEdgeIndex:
        """Opens a folder to search or change it.

        Raises:
            IndexUnavailable: There is no index, it is damaged or cut off, or a process holds it.
            ForeignIndex: A model other than `model_id` made it.
        """
        require_index(folder)
        with ExitStack() as closing:
            return cls._opened(folder, model_id, closing)

    @classmethod
    def open_copy(cls, folder: Path, *, model_id: str) -> QdrantEdgeIndex:
        """Copies an idle folder, which stays as it is, and opens the copy; `close` deletes that.

        Two processes cannot open one folder, not even to read it: each opens a copy.

        Raises:
            IndexUnavailable: As for `open`, or the copy does not fit in the temporary directory.
            ForeignIndex: A model other than `model_id` made it.
        """
        require_index(folder)
        with ExitStack() as closing:
            private = closing.enter_context(tempfile.TemporaryDirectory(prefix="photosearch-"))
            copy = Path(private) / folder.name
            with held(folder, shared=True), engine(folder, f"copying it to {private}"):
                read_facts(folder, model_id=model_id)  # before a gigabyte is copied
                copy_folder(folder, copy)
            return cls._opened(copy, model_id, closing)

    @classmethod
    def _opened(cls, folder: Path, model_id: str, closing: ExitStack) -> QdrantEdgeIndex:
        from qdrant_edge import CountRequest, EdgeShard

        closing.enter_context(held(folder))
        facts = read_facts(folder, model_id=model_id)
        with engine(folder, "opening it"):
            shard = EdgeShard.load(str(folder / ENGINE))
            closing.callback(shard.close)
            n_photos = shard.count(CountRequest(exact=True))
        if n_photos != facts.count:
            raise IndexUnavailable(
                f"Index {folder} is damaged: it holds {n_photos} photos of {facts.count}. {REBUILD}"
            )
        return cls(folder, facts, shard, closing.pop_all())

    def add(self, photo_ids: Sequence[str], listings: Sequence[Listing], vectors: Vectors) -> None:
        from qdrant_edge import Point, UpdateOperation

        check_rows(str(self.folder), self.dim, photo_ids, listings, vectors)
        for start in range(0, len(photo_ids), points.UPSERT_BATCH):
            part = slice(start, start + points.UPSERT_BATCH)
            rows = zip(photo_ids[part], listings[part], vectors[part], strict=True)
            batch = [
                # A numpy row is taken as it is; a list of its numbers takes twice as long.
                Point(points.point_id(photo), row, points.payload(photo, card))  # type: ignore[arg-type]
                for photo, card, row in rows
            ]
            self._change(UpdateOperation.upsert_points(batch))

    def remove(self, photo_ids: Sequence[str]) -> None:
        from qdrant_edge import UpdateOperation

        self._change(UpdateOperation.delete_points(list(map(points.point_id, photo_ids))))

    def update_listings(self, listings: Sequence[Listing]) -> None:
        from qdrant_edge import UpdateOperation

        self._require_listings()
        for listing in listings:
            photos, told = requests.photos_of(listing.card_id), points.listed(listing)
            self._change(UpdateOperation.set_payload_by_filter(photos, told))

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        found = self.found(vector, limit=limit, where=where, has_payload=True)
        return points.as_hits(found, limit=max(limit, 0))

    def found(
        self, vector: Vectors, *, limit: int, where: CardFilter | None, has_payload: bool
    ) -> list[ScoredPoint]:
        """The engine's points, in no order, perhaps more; `has_payload`: they tell their photos."""
        check_query(str(self.folder), self.dim, vector)
        if points.conditions(where):
            self._require_listings()
        ask = partial(
            requests.nearest_request,
            vector, self._facts, limit=max(limit, 0), has_payload=has_payload,
        )  # fmt: skip
        with self._engine("searching it"):
            return [p for one in points.each_brand(where) for p in self._shard.search(ask(one))]

    def nearest_exactly(self, vector: Vectors, *, limit: int) -> list[Hit]:
        check_query(str(self.folder), self.dim, vector)
        with self._engine("searching it"):
            return points.as_hits(self._shard.search(requests.exact_request(vector, limit=limit)))

    def count(self) -> int:
        from qdrant_edge import CountRequest

        with self._engine("counting its photos"):
            return self._shard.count(CountRequest(exact=True))

    def scroll(self, batch: int = 1000) -> Iterator[Batch]:
        return self._scroll(batch, None)

    def vectors_of(self, card_ids: Sequence[str]) -> PhotosOfCards:
        from qdrant_edge import FieldCondition, Filter, MatchAny

        if not card_ids:
            return {}
        theirs = Filter(must=[FieldCondition("card_id", match=MatchAny(list(card_ids)))])
        return by_card(self._scroll(points.UPSERT_BATCH, theirs))

    def _scroll(self, batch: int, where: Filter | None) -> Iterator[Batch]:
        from qdrant_edge import ScrollRequest

        offset = None
        while True:
            request = ScrollRequest(offset, batch, where, with_payload=True, with_vector=True)
            with self._engine("reading it"):
                records, offset = self._shard.scroll(request)
            found: list[dict[str, Any]] = [record.payload or {} for record in records]
            if records:
                yield (
                    [payload["photo_id"] for payload in found],
                    [points.listing_from(payload) for payload in found],
                    np.array([record.vector for record in records], np.float32),
                )
            if offset is None:
                return

    def optimize(self) -> None:
        """Builds graph and codes where there are enough photos, and makes all safe on disk.

        Python stands still meanwhile (the engine holds the GIL): use a process of its own for a
        large index.
        """
        with self._engine("optimising it"):
            self._mark_changed()
            self._shard.optimize()
        self._settle()

    def close(self) -> None:
        if self._is_closed:
            return
        try:
            self._settle()
        finally:
            self._is_closed = True
            self._closing.close()

    def _require_listings(self) -> None:
        if not self._facts.has_listings:
            raise IndexUnavailable(
                f"Index {self.folder} was made before photos carried what filters ask for. "
                f"{REBUILD}"
            )

    def _engine(self, doing: str) -> AbstractContextManager[None]:
        if self._is_closed:
            raise IndexUnavailable(f"Index {self.folder} was closed. Open it again.")
        return engine(self.folder, doing)

    def _change(self, operation: UpdateOperation) -> None:
        with self._engine("writing it"):
            self._mark_changed()
            self._shard.update(operation)

    def _mark_changed(self) -> None:
        if self._facts.is_whole:
            self._facts = replace(self._facts, is_whole=False)
            write_facts(self.folder, self._facts)

    def _settle(self) -> None:
        if self._facts.is_whole:
            return
        with self._engine("flushing it"):
            self._shard.flush()
            self._facts = replace(self._facts, count=self.count(), is_whole=True)
            write_facts(self.folder, self._facts)
