"""Every call of the API as data: what goes in, what comes out, which problems it may have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bentos.engineers import ReleaseReport
from bentos.events import Batch
from bentos.experiments import Experiments
from bentos.upload import PAGING, WISHES_OF_BATCH, WISHES_WITHOUT_PHOTO
from bentos.wishes import CARD_IDS, MAX_BATCH, MAX_NAME, MAX_TEXT, WISHES, Where
from photosearch.catalog.images import MIN_BOX_PX
from photosearch.feedback.schemas import SHOPPER, Kept
from photosearch.release import Manifest
from photosearch.search.query import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET
from photosearch.search.schemas import (
    BatchResponse,
    CardResponse,
    CardsResponse,
    DetectResponse,
    ReadArticles,
    SearchResponse,
    TagsResponse,
)

Schema = dict[str, Any]

BOX: Schema = {
    "type": "string",
    "description": f"`left,top,right,bottom` in pixels, at least {MIN_BOX_PX} wide and high.",
}
PARTS: dict[str, Schema] = {
    "photo": {
        "type": "string",
        "contentMediaType": "image/*",
        "description": "A JPEG, PNG or WebP file of at most 10 MB and 50 megapixels.",
    },
    "box": BOX,
    "boxes": {
        "type": "string",
        "description": f"A JSON list of 1 to {MAX_BATCH} boxes, such as [[10, 20, 200, 300]].",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
    "length": {"type": "integer", "description": "Vector length; today only the index's own."},
    "text": {"type": "string", "maxLength": MAX_TEXT},
    "where": {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": Where.model_json_schema(),
    },
    "liked": {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": CARD_IDS.json_schema(),
    },
    "disliked": {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": CARD_IDS.json_schema(),
    },
    "explain": {"type": "boolean", "default": False},
    "shopper": {"type": "string", "pattern": f"^{SHOPPER}$"},
}
"""What a form's parts, and an address's texts, may be."""
TEXTS_OF_TAGS = ("prefix", "limit", "offset")
NAME: Schema = {"type": "string", "maxLength": MAX_NAME}
QUERY_TEXTS = PARTS | {"prefix": NAME, "card": NAME}


@dataclass(frozen=True, slots=True)
class Call:
    method: Literal["get", "post"]
    path: str
    id: str
    """Its name in the document, unique."""
    summary: str
    answer: type[Any] | str
    """A class of JSON answers, or the media type of others."""
    form: tuple[str, ...] = ()
    """Parts of its form."""
    needed: tuple[str, ...] = ()
    """Those that must be there."""
    body: type[Any] | None = None
    """The class of its JSON body, where it takes no form."""
    asked: tuple[str, ...] = ()
    """Texts of its address."""
    problems: tuple[int, ...] = ()
    """Statuses beside those that every call may have."""
    also: Mapping[int, str] = field(default_factory=dict)
    """Further statuses with the same answer, and what they mean."""
    is_probe: bool = False
    """BentoML answers it, before our app: it needs no key, and its errors are no problems."""


OF_FORMS = (400, 408, 413, 415)
OF_SEARCHES = (*OF_FORMS, 422, 503)
CALLS = (
    Call(
        "post", "/v1/search", "search", "Finds the cards that show what is on a photo.",
        SearchResponse, form=("photo", *WISHES), needed=("photo",), problems=OF_SEARCHES,
    ),
    Call(
        "post", "/v1/search/text", "search_text", "Finds cards by words alone.",
        CardsResponse, form=WISHES_WITHOUT_PHOTO, needed=("text",), problems=(*OF_FORMS, 503),
    ),
    Call(
        "post", "/v1/search/batch", "search_batch",
        f"Searches {MAX_BATCH} photos, or boxes of one, at most: each with its answer or problem.",
        BatchResponse, form=("photo", *WISHES_OF_BATCH), needed=("photo",), problems=OF_FORMS,
    ),
    Call(
        "post", "/v1/detect", "detect", "Finds the things on a photo that can be searched.",
        DetectResponse, form=("photo",), needed=("photo",), problems=OF_SEARCHES,
    ),
    Call(
        "get", "/v1/queries/{query_id}/articles", "articles",
        "Tells what was read on the photo of a search.",
        ReadArticles, problems=(404,), also={202: "The photo is still being read: ask again."},
    ),
    Call(
        "get", "/v1/cards/{card_id}", "card", "Tells what is known of a card.",
        CardResponse, problems=(404,),
    ),
    Call(
        "get", "/v1/cards/{card_id}/similar", "similar", "Finds cards like a card.",
        CardsResponse, asked=PAGING, problems=(400, 503),
    ),
    Call(
        "get", "/v1/tags", "tags", "Lists the words that say what cards show, by how they begin.",
        TagsResponse, asked=TEXTS_OF_TAGS, problems=(400,),
    ),
    Call(
        "get", "/v1/queries/{query_id}/maps", "maps",
        "Draws where the model looks, or what a card's picture shares with the photo.",
        "image/png", asked=("card",), problems=(400, 404, 503),
    ),
    Call(
        "post", "/v1/events", "events", "Keeps what shoppers did, before it says so.",
        Kept, body=Batch, problems=(400, 408, 413, 415, 501, 503),
    ),
    Call("get", "/v1/experiments", "experiments", "Tells what is tried on shoppers.", Experiments),
    Call(
        "get", "/v1/release/report", "release_report", "Tells how the live release was made.",
        ReleaseReport,
    ),
    Call("get", "/v1/release", "release", "Tells what is live.", Manifest),
    Call(
        "get", "/v1/thumbnails/{name}", "thumbnail", "Gives a picture of a card.",
        "image/jpeg", problems=(404,),
    ),
    Call("get", "/v1/openapi.json", "openapi", "Gives this document.", "application/json"),
    Call("get", "/metrics", "metrics", "Gives Prometheus metrics.", "text/plain"),
    Call("get", "/healthz", "healthz", "Says that the process lives.", "text/plain", is_probe=True),
    Call("get", "/livez", "livez", "Says that the process lives.", "text/plain", is_probe=True),
    Call(
        "get", "/readyz", "readyz", "Tells whether a search would be answered in full.",
        "text/plain", is_probe=True,
        also={503: "Index, encoder or reader does not answer: send searches elsewhere."},
    ),
)  # fmt: skip
