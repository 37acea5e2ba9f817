"""What a search answers; the wire format of the API."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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


class RankedCard(Wire):
    card: CardFacts
    rank: int = Field(ge=1)
    """Among all that was found: cards of a second page go on counting."""
    score: float
    """What the order is by: the evidence of the card's near photos; it may exceed 1."""
    cosine: float
    matched_photo_id: str
    """The photo of this card nearest to the query."""
    probability: float | None
    """That this is the very product, never rising down the list; None where nobody knows: the
    release is not calibrated, words or likes took part, or the ranker failed."""
    reasons: list[Reason]
    """Where the request asks to explain."""
    features: dict[str, float] = Field(default_factory=dict, exclude=True)
    """What ranked it, by name, for the log of answers; never sent."""


class SeenObject(Wire):
    """A thing on the photo that can be searched by itself: its box is a box to ask with."""

    box: tuple[float, float, float, float]
    """Whole pixels of the turned photo."""
    confidence: float
    """In [0, 1]."""
    name: str
    """Of its class."""
    is_chosen: bool
    """This answer is for it."""


class FacetValue(Wire):
    value: list[str]
    """A brand, or a category's path from the root."""
    n_cards: int


class Facets(Wire):
    """What the found cards differ in, before they were narrowed by `where`."""

    categories: list[FacetValue]
    """The 30 most frequent, most frequent first; brands too."""
    brands: list[FacetValue]
    price_min: float | None
    price_max: float | None
    rating_max: float | None


class ReadArticle(Wire):
    """An article that words on the photo may name."""

    article: str
    """As read, in the spelling that articles are compared by."""
    match: Literal["exact", "doubtful", "one_edit", "prefix"]
    confidence: float
    """Of its least certain word, in [0, 1]."""
    box: tuple[float, float, float, float]
    """Round its words."""
    card_ids: list[str]
    """Cards of that article; of a near one where the match is not exact."""


class ReadArticles(Wire):
    """What was read beside a search: `GET /v1/queries/{id}/articles`, and part of its answer."""

    query_id: str
    state: Literal["off", "reading", "read", "busy", "failed"]
    """`off`: this release reads nothing; `busy`, `failed`: not read, and it will not be."""
    found: list[ReadArticle]
    cards: list[CardFacts]
    """Those whose article is on the photo, exactly: they are to be shown before all others."""
    release: ReleaseIds


class DroppedCard(Wire):
    """A card that was found and is not shown."""

    card_id: str
    instead: str | None
    """The shown card that stands for it."""
    reasons: list[Reason]


class TagChip(Wire):
    """Words that narrow an answer when they are tapped: they are sent as `text`."""

    tag: str
    language: str
    """`en` or `ru`."""
    kind: Literal["near", "splits"]
    """Near to the photo, or carried by some of the found cards and not by others."""
    n_found: int
    """Found cards that carry it."""


class InExperiment(Wire):
    """The A/B experiment that the request's shopper takes part in."""

    name: str
    arm: str


class SearchResponse(Wire):
    query_id: str
    box: tuple[float, float, float, float] | None
    """The part of the photo that was searched, in pixels; None means the whole photo."""
    objects: list[SeenObject]
    """Surest first; none where the release has no detector."""
    width: int
    """Pixels of the photo after its EXIF turn; boxes are in these."""
    height: int
    length: int
    """Vector length the search used."""
    cards: list[RankedCard]
    """The same for the same request and release, whatever was read in the meantime."""
    n_found: int
    """Cards that all pages together show."""
    is_confident: bool | None
    """Whether the best card is the very product, at the calibrated precision; None: unknown."""
    facets: Facets
    chips: list[TagChip]
    """In both languages; none where the release has no tags."""
    dropped: list[DroppedCard]
    """By policies, where the request asks to explain."""
    learned: str | None = None
    """Id of what clicks had taught the re-ranker by then, where it is on: with the release ids, it
    says all that the order came from."""
    articles: ReadArticles
    """What had been read when the answer was ready."""
    degraded: list[str] = []
    """Steps that failed, so that the answer goes without them: `rank`, `chips`, `articles`, ..."""
    took_ms: dict[str, float]
    """Time by stage, in order, and `total`; a stage that is off is left out."""
    release: ReleaseIds
    experiment: InExperiment | None = None
    """None: no shopper was named, or takes part in none."""


class DetectResponse(Wire):
    """The answer of `POST /v1/detect`."""

    width: int
    height: int
    objects: list[SeenObject]
    took_ms: dict[str, float]
    release: ReleaseIds


class CardsResponse(Wire):
    """Cards found by words or by likeness to a card."""

    query_id: str
    length: int
    """Vector length the search used."""
    cards: list[RankedCard]
    """Without probabilities: they are known of photos only."""
    n_found: int
    """On all pages."""
    facets: Facets
    chips: list[TagChip]
    """In both languages; none where the release has no tags."""
    dropped: list[DroppedCard]
    """By policies, where the request asks to explain."""
    degraded: list[str] = []
    """Steps that failed, so that the answer goes without them."""
    took_ms: dict[str, float]
    release: ReleaseIds
    experiment: InExperiment | None = None


class BatchAnswer(Wire):
    """Of one search of a batch: its answer, or what went wrong with it."""

    answer: SearchResponse | None
    problem: "Problem | None"


class BatchResponse(Wire):
    """The answer of `POST /v1/search/batch`."""

    answers: list[BatchAnswer]
    """In the order of the photos, or of the boxes."""
    took_ms: dict[str, float]
    """`total` alone; each answer has its own."""


class CardResponse(Wire):
    """The answer of `GET /v1/cards/{id}`."""

    card: CardFacts
    gallery: list[str]
    """Where pictures of it are served, its thumbnail first."""
    release: ReleaseIds


class TagFacts(Wire):
    """Words that say what some cards show."""

    tag: str
    language: str
    """`en` or `ru`."""
    n_cards: int
    """That carry it."""


class TagsResponse(Wire):
    """The answer of `GET /v1/tags`."""

    tags: list[TagFacts]
    """In the order of the alphabet."""
    n_found: int
    """On all pages."""
    release: ReleaseIds


class Problem(Wire):
    """RFC 9457 problem document: the body of every error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
