"""What a row of a source must say, and what becomes of one that does not; reads no files."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic import ValidationError as InvalidRow

from photosearch.catalog.schemas import Card, Review, Split
from photosearch.errors import BadSource

MAX_TITLE_CHARS = 1_000
MAX_TEXT_CHARS = 20_000
MAX_ADDRESS_CHARS = 2_000
MAX_CATEGORY_DEPTH = 20
MAX_ATTRIBUTES = 200
MAX_COUNT = 2**63 - 1
"""What a column of whole numbers holds."""
MAX_IMAGES = 100
"""Photos a card or a review may have."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    place: str
    """The card's id where the row has a sound one, else where it is: `cards.jsonl line 17`."""
    reason: str
    """`not_json`, `missing_title`, `bad_price`, ..."""
    key: str = ""
    """The row's own id, where it is sound: what a mended row takes the place of."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A row that the source no longer has."""

    key: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a page: all rows so far are told, and the source can go on from here."""

    text: str
    """What the source is asked with; empty: it can only tell everything again."""
    is_end: bool
    """Whether nothing is left for now; `text` is then where later changes begin."""


RawRow = dict[str, Any] | BadRow | Cursor


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _empty_if_none(value: Any) -> Any:
    return [] if value is None else value


def _attributes(value: Any) -> Any:
    """Name and text, ordered by name, so that the same attributes are the same bytes.

    Numbers and booleans become text; an attribute without a value says nothing and goes.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    return {str(name): _attribute_text(value[name]) for name in sorted(value, key=str)
            if value[name] is not None}  # fmt: skip


def _attribute_text(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def _text_of(value: Any) -> Any:
    return None if value is None else str(value)[:100]


# `/` separates the parts of a photo_id, and control characters break log lines and tables.
Id = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^/\x00-\x1f\x7f-\x9f]+$")
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS)]
OptionalTitle = Annotated[Title | None, BeforeValidator(_none_if_blank)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)]
OptionalText = Annotated[Text | None, BeforeValidator(_none_if_blank)]
Attributes = Annotated[
    dict[Title, Text], BeforeValidator(_attributes), Field(max_length=MAX_ATTRIBUTES)
]
Time = Annotated[str | None, BeforeValidator(_text_of)]
"""Only ever compared with itself, so that any way of telling it will do."""
Address = Annotated[str, StringConstraints(max_length=MAX_ADDRESS_CHARS)]
Addresses = Annotated[list[Address], Field(max_length=MAX_IMAGES)]


class _SourceRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


class SourceCard(_SourceRow):
    """A card as a source tells it; what we do not use is ignored."""

    what: ClassVar = "card"
    needed: ClassVar = ("card_id", "title", "images")

    card_id: Id
    title: Title
    title_ru: OptionalTitle = None
    description: OptionalText = None
    category: Annotated[
        list[Title], BeforeValidator(_empty_if_none), Field(max_length=MAX_CATEGORY_DEPTH)
    ] = []
    brand: OptionalTitle = None
    article: OptionalTitle = None
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    group_id: Annotated[Id | None, BeforeValidator(_none_if_blank)] = None
    """Absent: the card is a product of its own."""
    seller: OptionalTitle = None
    rating: float | None = Field(None, ge=0, le=5, allow_inf_nan=False)
    n_reviews: int | None = Field(None, ge=0, le=MAX_COUNT)
    attributes: Attributes = {}
    status: OptionalTitle = None
    images: Addresses
    """Gallery pictures, the main one first."""
    updated_at: Time = None

    @property
    def key(self) -> str:
        """Unique in our tables."""
        return self.card_id

    @staticmethod
    def key_of(card_id: str, _split: str | None) -> str:
        return card_id.strip()

    def card(self) -> Card:
        values = self.model_dump(exclude={"images", "updated_at", "group_id"})
        return Card(**values, group_id=self.group_id or self.card_id)


class SourceReview(_SourceRow):
    """A review as a source tells it; one without photos is fine."""

    what: ClassVar = "review"
    needed: ClassVar = ("review_id", "card_id", "images")

    review_id: Id
    card_id: Id
    text: OptionalText = None
    rating: int | None = Field(None, ge=1, le=5)
    split: Split | None = None
    images: Annotated[Addresses, BeforeValidator(_empty_if_none)] = []
    updated_at: Time = None

    @property
    def key(self) -> str:
        """Unique in our tables: a source with splits may count its reviews anew in each."""
        return self.key_of(self.review_id, self.split)

    @staticmethod
    def key_of(review_id: str, split: str | None) -> str:
        return f"{split}:{review_id.strip()}" if split else review_id.strip()

    def review(self) -> Review:
        values = self.model_dump(exclude={"images", "updated_at", "review_id"})
        return Review(**values, review_id=self.key)


SourceRow = TypeVar("SourceRow", SourceCard, SourceReview)


def checked(
    raw_rows: Iterable[RawRow], row_type: type[SourceRow], *, source_name: str, since: str = ""
) -> Iterator[SourceRow | BadRow | Deleted | Cursor]:
    """Checks rows one by one; the bad ones say why.

    Args:
        raw_rows: Rows, and cursors between them.
        row_type: What they must be.
        source_name: What an error calls the source.
        since: The cursor that the first row comes after.

    Raises:
        BadSource: No row at all has one of the columns that are needed.
    """
    absent, last_columns, n_rows, number = set(row_type.needed), list[str](), 0, 0
    for raw in raw_rows:
        if isinstance(raw, Cursor):
            yield raw
            since, number = raw.text, 0
            continue
        number += 1
        # told by its page, so that a listing that goes on after a kill tells the same
        place = f"{row_type.what} {number}" + (f" after {since}" if since else "")
        if isinstance(raw, BadRow):
            yield raw if raw.place else BadRow(place, raw.reason)
        elif raw.get("deleted") is True:
            yield _deletion(raw, row_type, place=place)
        else:
            n_rows += 1
            absent -= raw.keys()
            last_columns = sorted(raw)[:20]
            yield _check(raw, row_type, place=place)
    if n_rows and absent:
        column = next(name for name in row_type.needed if name in absent)
        raise BadSource(
            f"No {row_type.what} of {source_name} has the column {column!r} ({n_rows} rows, the "
            f"last with {', '.join(last_columns) or 'no columns'}). Add it, or rename another."
        )


def _check(raw: dict[str, Any], row_type: type[SourceRow], *, place: str) -> SourceRow | BadRow:
    try:
        return row_type.model_validate(raw)
    except InvalidRow as error:
        complaints = error.errors(include_url=False, include_context=False)
        first, value = complaints[0], complaints[0]["input"]
        is_blank = len(first["loc"]) == 1 and (value is None or not str(value).strip())
        bad = {complaint["loc"][0] for complaint in complaints}
        if "card_id" not in bad:
            place = raw["card_id"].strip()
        kind = "missing" if first["type"] == "missing" or is_blank else "bad"
        own_id = row_type.needed[0]
        key = "" if bad & {own_id, "split"} else row_type.key_of(raw[own_id], raw.get("split"))
        return BadRow(place, f"{kind}_{first['loc'][0]}", key)


def _deletion(raw: dict[str, Any], row_type: type[SourceRow], *, place: str) -> Deleted | BadRow:
    own_id = raw.get(row_type.needed[0])
    if not isinstance(own_id, str) or not own_id.strip():
        return BadRow(place, f"missing_{row_type.needed[0]}")
    return Deleted(row_type.key_of(own_id, raw.get("split")))
