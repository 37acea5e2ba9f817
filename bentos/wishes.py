"""What a shopper wants of a search, out of texts that anybody may have sent."""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from photosearch.catalog.images import Box
from photosearch.errors import BadRequest
from photosearch.feedback.schemas import QUERY_ID as QUERY_ID_PATTERN
from photosearch.feedback.schemas import SHOPPER
from photosearch.index.filters import CardFilter
from photosearch.search.query import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, SearchRequest

WISHES = (
    "box", "limit", "offset", "length", "text", "where", "liked", "disliked", "explain", "shopper",
)  # fmt: skip
QUERY_ID = re.compile(QUERY_ID_PATTERN)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
"""Nine digits: Python refuses to print integers of thousands of digits."""
SHOWN_CHARACTERS = 60
"""How much of a caller's own words an error message repeats."""
MAX_TEXT = 300
"""Characters of what is asked in words."""
MAX_LIKES, MAX_NAME = 100, 200
MAX_BATCH = 8
"""Searches in one call."""
YES_OR_NO = {"": False, "0": False, "false": False, "1": True, "true": True}

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Where(BaseModel):
    """The part `where`, a JSON object; see index/filters.py."""

    model_config = ConfigDict(extra="forbid", strict=True)

    category: list[Name] = Field([], max_length=20)
    brands: list[Name] = Field([], max_length=50)
    price_min: Amount | None = None
    price_max: Amount | None = None
    rating_min: Annotated[Amount, Field(le=5)] | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        least, most = self.price_min, self.price_max
        if least is not None and most is not None and least > most:
            raise ValueError(f"price_min {least} exceeds price_max {most}")
        return self


CARD_IDS: TypeAdapter[list[str]] = TypeAdapter(
    Annotated[list[Name], Field(max_length=MAX_LIKES)], config=ConfigDict(strict=True)
)

BOXES: TypeAdapter[list[Box]] = TypeAdapter(
    Annotated[list[Box], Field(min_length=1, max_length=MAX_BATCH)]
)


def read_wishes(photo: bytes, name: str, texts: Mapping[str, str]) -> SearchRequest:
    """What is asked for, out of texts by names of WISHES, empty or absent where none was sent.

    Raises:
        BadRequest: A text is not what its part must be.
    """
    return SearchRequest(
        photo,
        name,
        box=_read_box(texts.get("box", "")),
        limit=read_number(texts.get("limit", ""), "limit", (1, MAX_LIMIT), DEFAULT_LIMIT),
        offset=read_number(texts.get("offset", ""), "offset", (0, MAX_OFFSET), 0),
        length=_read_whole(texts.get("length", ""), "length") if texts.get("length", "") else None,
        text=_read_text(texts.get("text", "")),
        where=_read_where(texts.get("where", "")),
        liked=_read_cards(texts.get("liked", ""), "liked"),
        disliked=_read_cards(texts.get("disliked", ""), "disliked"),
        explain=_read_yes_or_no(texts.get("explain", ""), "explain"),
        shopper=_read_shopper(texts.get("shopper", "")),
    )


def read_boxes(text: str) -> list[Box]:
    """The part `boxes`, a JSON list of boxes; none where it is empty. Raises BadRequest."""
    if not text:
        return []
    try:
        return BOXES.validate_json(text)
    except ValidationError as error:
        raise BadRequest(
            f"Part 'boxes' is {shorten(text)}: {_first(error)}. Send a JSON list of at most "
            f"{MAX_BATCH} boxes, such as [[10, 20, 200, 300]]."
        ) from None


def shorten(text: str) -> str:
    """A caller's own words as a message repeats them: quoted, and not too many."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")


def _read_box(text: str) -> Box | None:
    if not text:
        return None
    try:
        left, top, right, bottom = map(float, text.removeprefix("[").removesuffix("]").split(","))
    except ValueError:
        raise BadRequest(
            f"Box {shorten(text)} is not four numbers. Give left, top, right and bottom in pixels, "
            "such as box=10,20,200,300."
        ) from None
    return left, top, right, bottom


def read_number(text: str, name: str, within: tuple[int, int], absent: int) -> int:
    """A whole number that may be absent; raises BadRequest where it is not within its bounds."""
    number, (least, most) = _read_whole(text, name) if text else absent, within
    if not least <= number <= most:
        raise BadRequest(
            f"{name.capitalize()} {number} is not between {least} and {most}. "
            f"Send at {f'least {least}' if number < least else f'most {most}'}."
        )
    return number


def _read_whole(text: str, name: str) -> int:
    if not WHOLE_NUMBER.fullmatch(text):
        raise BadRequest(f"Part {name!r} is {shorten(text)}. Give a whole number.")
    return int(text)


def _read_text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise BadRequest(f"Part 'text' has {len(text)} characters. Send at most {MAX_TEXT}.")
    return " ".join(text.split())


def _read_where(text: str) -> CardFilter:
    if not text:
        return CardFilter()
    try:
        where = Where.model_validate_json(text)
    except ValidationError as error:
        raise BadRequest(
            f"Part 'where' is {shorten(text)}: {_first(error)}. Send a JSON object such as "
            '{"category": ["Home"], "brands": ["Kama"], "price_max": 100, "rating_min": 4}.'
        ) from None
    return CardFilter(
        category=tuple(where.category),
        brands=tuple(where.brands),
        price_min=where.price_min,
        price_max=where.price_max,
        rating_min=where.rating_min,
    )


def _read_cards(text: str, name: str) -> tuple[str, ...]:
    if not text:
        return ()
    try:
        return tuple(CARD_IDS.validate_json(text))
    except ValidationError as error:
        raise BadRequest(
            f"Part {name!r} is {shorten(text)}: {_first(error)}. Send a JSON list of at most "
            f"{MAX_LIKES} card ids."
        ) from None


def _read_yes_or_no(text: str, name: str) -> bool:
    if text.lower() not in YES_OR_NO:
        raise BadRequest(f"Part {name!r} is {shorten(text)}. Send true or false.")
    return YES_OR_NO[text.lower()]


def _read_shopper(text: str) -> str:
    if text and not re.fullmatch(SHOPPER, text):
        raise BadRequest(
            f"Part 'shopper' is {shorten(text)}. Send a key of 1 to 64 letters, digits, - or _, "
            "made by chance and kept by the browser."
        )
    return text


def _first(error: ValidationError) -> str:
    """What is wrong first, and where; of no value at all, for that may be of any size."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
