"""How a photo becomes a Qdrant point and comes back as a hit; the same for Edge and server."""

import uuid
from collections.abc import Iterable
from typing import Any, Protocol

from photosearch.index.vector_index import Hit

PHOTOS = uuid.UUID("6d1f4c1e-4d0f-5a3e-9a53-6d6c0f6a2f3b")
"""Namespace of point ids; another one would make every stored photo unknown."""

UPSERT_BATCH = 1000
"""Photos a write to Edge."""
HNSW_M = 16
HNSW_EF_CONSTRUCT = 128
HNSW_EF = 128
"""Candidates kept while searching: recall@10 .9998 on 1,000,000 x 256 (.992 with 64)."""
OVERSAMPLING = 2.0
"""int8 candidates fetched a hit and compared again by fp16 vectors; without, recall is .952."""


class ScoredPoint(Protocol):
    @property
    def payload(self) -> Any: ...
    @property
    def score(self) -> float: ...


def point_id(photo_id: str) -> str:
    """A UUID made of the photo's id: Qdrant takes no other strings."""
    return str(uuid.uuid5(PHOTOS, photo_id))


def payload(photo_id: str, card_id: str) -> dict[str, str]:
    return {"photo_id": photo_id, "card_id": card_id}


def as_hits(points: Iterable[ScoredPoint]) -> list[Hit]:
    """Hits, nearest first, equal cosines in order of photo_id.

    A vector stored in fp16 is not quite of length 1, so that its score may be a little above 1:
    it is cut to 1.
    """
    hits = [
        Hit(point.payload["photo_id"], point.payload["card_id"], max(-1.0, min(1.0, point.score)))
        for point in points
    ]
    return sorted(hits, key=lambda hit: (-hit.cosine, hit.photo_id))
