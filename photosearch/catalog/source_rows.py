"""What a row of a source must say, and what becomes of one that does not; reads no files."""

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
MAX_IMAGES = 100
"""Photos a card or a review may have."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    place: str
    """The card's id where the row has a sound one, else where it is: `cards.jsonl line 17`."""
    reason: str
    """`not_json`, `missing_title`, `bad_price`, ..."""


RawRow = dict[str, Any] | BadRow


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _empty_if_none(value: Any) -> Any:
    return [] if value is None else value


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
    images: Addresses
    """Gallery pictures, the main one first."""
    updated_at: Time = None

    @property
    def key(self) -> str:
        """Unique in our tables."""
        return self.card_id

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
        return f"{self.split}:{self.review_id}" if self.split else self.review_id

    def review(self) -> Review:
        values = self.model_dump(exclude={"images", "updated_at", "review_id"})
        return Review(**values, review_id=self.key)


SourceRow = TypeVar("SourceRow", SourceCard, SourceReview)


def checked(
    raw_rows: Iterable[RawRow], row_type: type[SourceRow], *, source_name: str
) -> Iterator[SourceRow | BadRow]:
    """Checks rows one by one; the bad ones say why.

    Raises:
        BadSource: No row at all has one of the columns that are needed.
    """
    absent, last_columns, n_rows = set(row_type.needed), list[str](), 0
    for number, raw in enumerate(raw_rows, start=1):
        if isinstance(raw, BadRow):
            yield raw
            continue
        n_rows += 1
        absent -= raw.keys()
        last_columns = sorted(raw)[:20]
        yield _check(raw, row_type, place=f"{row_type.what} {number}")
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
        if all(complaint["loc"][0] != "card_id" for complaint in complaints):
            place = raw["card_id"].strip()
        kind = "missing" if first["type"] == "missing" or is_blank else "bad"
        return BadRow(place, f"{kind}_{first['loc'][0]}")
