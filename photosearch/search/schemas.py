"""What goes into a search and what comes out; the wire format of `POST /v1/search`."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from photosearch.catalog.images import Box

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A shopper's photo, as it was sent."""

    photo: bytes
    """A JPEG, PNG or WebP file."""
    name: str = "The photo"
    """What an error message calls it."""
    box: Box | None = None
    """The part to search, in pixels of the turned photo; None means the whole photo."""
    limit: int = DEFAULT_LIMIT
    """Cards wanted, 1 to MAX_LIMIT."""
    length: int | None = None
    """Vector length to search with; None means the index's own."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A card near the query."""

    card_id: str
    photo_id: str
    """Its nearest photo."""
    cosine: float
    """Of that photo."""
    score: float
    """Of all its near photos: see candidates.py."""


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReleaseIds(Wire):
    """What answered: all four switch together."""

    release: str
    model_id: str
    index_id: str
    data_version: str


class CardFacts(Wire):
    """What the page shows of a card."""

    card_id: str
    title: str
    title_ru: str | None
    description: str | None
    category: list[str]
    brand: str | None
    article: str | None
    price: float | None
    rating: float | None
    """Mean stars, 0 to 5."""
    n_reviews: int | None
    seller: str | None
    status: str | None
    """In the source's own word: `on_sale`, `out_of_stock`, ..."""
    thumbnail: str | None
    """Where its picture is served: `/v1/thumbnails/<sha256>.jpg`."""


class Reason(Wire):
    """What one step of the search thought of a card."""

    step: str
    """`rank`, `rerank`, `late_interaction`, `policies`, ..."""
    what: str
    """A feature's or a rule's name: `price_distance`, `sold_out`, ..."""
    value: float | None = None
    """How much it moved the score; None where it was a yes or no."""


@dataclass(frozen=True, slots=True)
class FoundCard:
    """A candidate with what is known of its card."""

    facts: CardFacts
    photo_id: str
    """The photo of this card nearest to the query."""
    cosine: float
    score: float
    reasons: tuple[Reason, ...] = ()
    """Told where the request asks to explain."""


class RankedCard(Wire):
    card: CardFacts
    rank: int = Field(ge=1)
    score: float
    """What the order is by: the evidence of the card's near photos; it may exceed 1."""
    cosine: float
    matched_photo_id: str
    """The photo of this card nearest to the query."""


class SearchResponse(Wire):
    query_id: str
    box: tuple[float, float, float, float] | None
    """The part of the photo that was searched, in pixels; None means the whole photo."""
    width: int
    """Pixels of the photo after its EXIF turn; boxes are in these."""
    height: int
    length: int
    """Vector length the search used."""
    cards: list[RankedCard]
    took_ms: dict[str, float]
    """Time by stage: decode, crop, embed, candidates, enrich, rank, total."""
    release: ReleaseIds


class Problem(Wire):
    """RFC 9457 problem document: the body of every error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
