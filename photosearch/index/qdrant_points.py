"""How a photo becomes a Qdrant point and comes back as a hit; the same for Edge and server."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from photosearch.index.filters import CardFilter, Listing
from photosearch.index.shelves import (
    is_whole_shelf,
    shelves_by_price,
    shelves_by_rating,
    shelves_of,
)
from photosearch.index.vector_index import Hit
from photosearch.index_settings import Quantisation

PHOTOS = uuid.UUID("6d1f4c1e-4d0f-5a3e-9a53-6d6c0f6a2f3b")
"""Namespace of point ids; another one would make every stored photo unknown."""

UPSERT_BATCH = 1000
"""Photos a write to Edge."""
HNSW_M = 16
HNSW_EF_CONSTRUCT = 128
PLAIN_UP_TO = 20_000
"""Photos up to which every one of them is compared."""
PLAIN_UNDER_FILTER = 0.5
"""Of PLAIN_UP_TO, how many under a filter: the engine looks each of them up first, which takes six
times as long as comparing it. More go by the graph, which has links among so many of a value."""
FOUND_FIELDS = ["photo_id", "card_id"]
"""What a search reads of a point's payload."""
KEYWORDS = {"card_id": False, "category": True, "brand": True, "shelf": False}
"""Payload fields looked up by value, and whether the graph gets links among equal ones."""
NUMBERS = ("price", "rating")
"""Payload fields looked up by range."""
BELOW = "\x1f"
"""Stands between the steps of a category path; a character that no name has."""


@dataclass(frozen=True, slots=True)
class Search:
    """How widely the graph is searched; evidence: docs/experiments/index.md."""

    hnsw_ef: int
    """Candidates kept while searching."""
    oversampling: float
    """Candidates chosen by codes for each of 100 hits, and compared again by fp16 vectors."""


def search_by(quantisation: Quantisation) -> Search:
    """What it takes to find as much as without codes."""
    match quantisation:
        case "none" | "int8" | "turbo":
            return Search(hnsw_ef=128, oversampling=2.0)
        case "product":
            return Search(hnsw_ef=256, oversampling=6.0)
        case "binary":
            return Search(hnsw_ef=512, oversampling=12.0)


def oversampling(quantisation: Quantisation, limit: int) -> float:
    """Candidates chosen by codes for each of `limit` hits: for a few, as many as for a hundred.

    Of `binary`, 11 hits held .956 of the true ten (after a refresh), a hundred .997.
    """
    return search_by(quantisation).oversampling * max(1.0, 100 / max(limit, 1))


def stored_kb(n_photos: float, dim: int) -> int:
    """How the engine counts photos: in KB of their stored numbers, two bytes each; at least 1."""
    return max(1, int(n_photos) * dim * 2 // 1024)


@dataclass(frozen=True, slots=True)
class Condition:
    """One field of a payload must be one of these words, or lie within these bounds."""

    field: str
    words: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


def each_brand(where: CardFilter | None) -> list[CardFilter | None]:
    """Filters of one brand at most that together let the same photos pass.

    The graph has links among photos of a brand that has more of them than are compared plainly. A
    few smaller ones together may pass that number without links: asked for together, three brands
    found .72 of the true ten, and each by itself .995.
    """
    if where is None or len(where.brands) < 2:
        return [where]
    return [replace(where, brands=(brand,)) for brand in dict.fromkeys(where.brands)]


class ScoredPoint(Protocol):
    @property
    def payload(self) -> Any: ...
    @property
    def score(self) -> float: ...


def point_id(photo_id: str) -> str:
    """A UUID made of the photo's id: Qdrant takes no other strings."""
    return str(uuid.uuid5(PHOTOS, photo_id))


def payload(photo_id: str, listing: Listing) -> dict[str, Any]:
    """What a point carries; what the card does not tell is left out."""
    told = {name: value for name, value in listed(listing).items() if value is not None}
    return {"photo_id": photo_id, **told}


def listed(listing: Listing) -> dict[str, Any]:
    """A card's part of the payload; None removes a field that a point had before.

    A category is every path that leads to it, so that one lookup by value finds all below a path.
    """
    path = listing.category
    return {
        "card_id": listing.card_id,
        "category": [BELOW.join(path[:depth]) for depth in range(1, len(path) + 1)],
        "brand": listing.brand,
        "shelf": shelves_of(listing),
        "price": listing.price,
        "rating": listing.rating,
        "n_reviews": listing.n_reviews,
        "seller": listing.seller,
        "article": listing.article,
        "status": listing.status,
    }


def listing_from(payload: dict[str, Any]) -> Listing:
    """A point's listing; one that was stored before photos carried more has its card id alone."""
    paths = payload.get("category") or []
    return Listing(
        card_id=payload["card_id"],
        category=tuple(paths[-1].split(BELOW)) if paths else (),
        brand=payload.get("brand"),
        price=payload.get("price"),
        rating=payload.get("rating"),
        n_reviews=payload.get("n_reviews"),
        seller=payload.get("seller"),
        article=payload.get("article"),
        status=payload.get("status"),
    )


def conditions(where: CardFilter | None, *, has_shelves: bool = True) -> list[Condition]:
    """What a filter asks of a payload: all of these; none where it takes all.

    Args:
        where: The filter.
        has_shelves: Whether the photos of the index carry them.
    """
    if where is None:
        return []
    by_price = shelves_by_price(where) if has_shelves else ()
    by_rating = shelves_by_rating(where) if has_shelves else ()
    # What a shelf says already is not asked again: each condition is looked up photo by photo.
    path = () if by_price or by_rating else where.category
    rating = None if by_rating and is_whole_shelf(where.rating_min) else where.rating_min
    asked = [
        Condition("shelf", by_price),
        Condition("shelf", by_rating),
        Condition("category", (BELOW.join(path),) if path else ()),
        Condition("brand", where.brands),
        Condition("price", least=where.price_min, most=where.price_max),
        Condition("rating", least=rating),
    ]
    return [one for one in asked if one.words or one.least is not None or one.most is not None]


def as_hits(points: Iterable[ScoredPoint], *, limit: int | None = None) -> list[Hit]:
    """Hits of points that tell which photo they are: see `hits_of`."""
    told, scores = list[tuple[str, str]](), list[float]()
    for point in points:
        payload = point.payload  # the engine makes it anew each time it is asked for it
        told.append((payload["photo_id"], payload["card_id"]))
        scores.append(point.score)
    return hits_of(told, scores, limit=limit)


def hits_of(
    told: Iterable[tuple[str, str]], scores: Iterable[float], *, limit: int | None = None
) -> list[Hit]:
    """Hits, nearest first, equal cosines in order of photo_id; at most `limit`.

    A vector stored in fp16 is not quite of length 1, so that its score may be a little above 1:
    it is cut to 1.

    Args:
        told: Photo and card of each.
        scores: As the engine gives them.
        limit: None: all.
    """
    hits = [
        Hit(photo_id, card_id, max(-1.0, min(1.0, score)))
        for (photo_id, card_id), score in zip(told, scores, strict=True)
    ]
    return sorted(hits, key=lambda hit: (-hit.cosine, hit.photo_id))[:limit]
