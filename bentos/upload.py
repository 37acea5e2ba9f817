"""Reads the form of a search from a hostile world; never more than it should, never an address."""

from contextlib import suppress

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from photosearch.catalog.images import MAX_BYTES, Box
from photosearch.errors import BadRequest, HugePhoto
from photosearch.search.schemas import DEFAULT_LIMIT, MAX_LIMIT, SearchRequest

MAX_BODY_BYTES = MAX_BYTES + 20_000
"""The largest photo, and room for the other parts and the multipart borders."""
PARTS = ("photo", "box", "limit", "length")
SHOWN_CHARACTERS = 60
"""How much of a caller's own words an error message repeats."""


async def read_search(request: Request) -> SearchRequest:
    """Reads the parts `photo` (a file), `box`, `limit` and `length`.

    Raises:
        HTTPException: 415, the body is not multipart/form-data; 400, it is broken.
        HugePhoto: The body is larger than a photo may be, whatever its headers say.
        BadRequest: A part is missing, unknown, given twice, or has an impossible value.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise HTTPException(
            415, f"Content type {media_type!r} is not multipart/form-data. Send -F photo=@FILE."
        )
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > MAX_BODY_BYTES:
            raise _huge_body()
    counted = Request(request.scope, _at_most(request.receive, MAX_BODY_BYTES))
    async with counted.form(max_files=1, max_fields=3, max_part_size=2000) as form:
        _check_names(form)
        photo = form.get("photo")
        if not isinstance(photo, UploadFile):
            raise BadRequest(
                "Part 'photo' must be a file; text and addresses are never followed. "
                "Send -F photo=@FILE."
            )
        return SearchRequest(
            photo=await photo.read(),
            name=f"Photo {_shown(photo.filename or 'without a name')}",
            box=_read_box(_text(form, "box")),
            limit=_read_limit(_text(form, "limit")),
            length=_read_length(_text(form, "length")),
        )


def _at_most(receive: Receive, max_bytes: int) -> Receive:
    """Counts what really arrives: a chunked body does not say its length."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise _huge_body()
        return message

    return counting


def _huge_body() -> HugePhoto:
    return HugePhoto(
        f"The body has more than {MAX_BODY_BYTES:,} bytes; a photo may have {MAX_BYTES:,}. "
        "Send a smaller file."
    )


def _check_names(form: FormData) -> None:
    names = [name for name, _ in form.multi_items()]
    for name in names:
        if name not in PARTS:
            raise BadRequest(f"Part {_shown(name)} is unknown. Send {', '.join(PARTS)}.")
        if names.count(name) > 1:
            raise BadRequest(f"Part {name!r} is there twice. Send it once.")
    if "photo" not in names:
        raise BadRequest("Part 'photo' is missing. Send -F photo=@FILE.")


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if isinstance(value, UploadFile):
        raise BadRequest(f"Part {name!r} must be text, not a file.")
    return value.strip()


def _read_box(text: str) -> Box | None:
    if not text:
        return None
    try:
        left, top, right, bottom = map(float, text.removeprefix("[").removesuffix("]").split(","))
    except ValueError:
        raise BadRequest(
            f"Box {_shown(text)} is not four numbers. Give left, top, right and bottom in pixels, "
            "such as box=10,20,200,300."
        ) from None
    return left, top, right, bottom


def _read_limit(text: str) -> int:
    limit = _read_number(text or str(DEFAULT_LIMIT), "limit")
    if not 1 <= limit <= MAX_LIMIT:
        raise BadRequest(f"Limit {limit} is not between 1 and {MAX_LIMIT}. Ask for fewer cards.")
    return limit


def _read_length(text: str) -> int | None:
    return _read_number(text, "length") if text else None


def _read_number(text: str, name: str) -> int:
    # Nine digits: Python refuses to print integers of thousands of digits.
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 10):
        raise BadRequest(f"Part {name!r} is {_shown(text)}. Give a whole number.")
    return int(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")
