"""Reads forms from a hostile world; never more than it should, never an address."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Semaphore
from typing import TypeVar

from anyio import fail_after
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from bentos.wishes import MAX_BATCH, WISHES, read_boxes, read_wishes, shorten
from photosearch.catalog.images import MAX_BYTES
from photosearch.errors import BadRequest, HugePhoto
from photosearch.search.query import SearchRequest

Asked = TypeVar("Asked")

WISHES_WITHOUT_PHOTO = tuple(name for name in WISHES if name != "box")
WISHES_OF_BATCH = (*WISHES_WITHOUT_PHOTO, "boxes")
PAGING = ("limit", "offset", "where", "explain", "shopper")
UTF_8 = ("utf-8", "utf8")
MAX_PART_BYTES = 20_000
ROOM_BYTES = 100_000
"""For the parts beside photos, and the borders of the form."""
MAX_BATCH_BYTES = 4 * MAX_BYTES


@dataclass(frozen=True, slots=True)
class FormRules:
    """What a form may have."""

    wishes: tuple[str, ...]
    """Its parts that are text."""
    photos_max: int = 1
    photos_bytes: int = MAX_BYTES


SEARCH = FormRules(WISHES)
PHOTO = FormRules(())
WORDS = FormRules(WISHES_WITHOUT_PHOTO, photos_max=0)
BATCH = FormRules(WISHES_OF_BATCH, photos_max=MAX_BATCH, photos_bytes=MAX_BATCH_BYTES)


async def in_time(
    read: Callable[[Request], Awaitable[Asked]], request: Request, *, upload_s: float
) -> Asked:
    """What `read` makes of a request.

    Raises HTTPException: 408, its body comes too slowly; 400, the caller went away before its end.
    """
    try:
        with fail_after(upload_s):
            return await read(request)
    except ClientDisconnect:
        raise HTTPException(400, "The body ended before its end. Send it again.") from None
    except TimeoutError:
        detail = f"The body did not arrive within {upload_s:g} s. Send a smaller photo."
        raise HTTPException(408, detail, headers={"Connection": "close"}) from None


_READ_IN_MEMORY = Semaphore(32)
"""Whoever sends slowly holds so many times 10 MB at most; more bodies at once go by the disk."""


async def read_search(request: Request) -> SearchRequest:
    """Reads the part `photo`, a file, and what is wanted of it: see wishes.py.

    Raises:
        HTTPException: 415, the body is not multipart/form-data.
        HugePhoto: The body is larger than a photo may be, whatever its headers say.
        BadRequest: A part is missing, unknown, given twice, or has an impossible value; or the
            form is broken.
    """
    photos, texts = await _read_form(request, SEARCH)
    return read_wishes(*photos[0], texts)


async def read_words(request: Request) -> SearchRequest:
    """Reads what is wanted of a search by words, a form without photo and box.

    Raises what `read_search` raises.
    """
    _, texts = await _read_form(request, WORDS)
    return read_wishes(b"", "", texts)


async def read_batch(request: Request) -> list[SearchRequest]:
    """Reads several photos, or several boxes of one photo; the other parts are for all of them.

    Raises what `read_search` raises, of the form as a whole; no photo is looked at here.
    """
    photos, texts = await _read_form(request, BATCH)
    boxes = read_boxes(texts.pop("boxes"))
    if boxes and len(photos) > 1:
        raise BadRequest(
            f"There are {len(photos)} photos and 'boxes'. Send several photos, or boxes of one."
        )
    wanted = read_wishes(*photos[0], texts)
    if boxes:
        return [replace(wanted, box=box) for box in boxes]
    return [replace(wanted, photo=photo, name=name) for photo, name in photos]


async def read_wishes_of_address(request: Request) -> SearchRequest:
    """Reads what is wanted out of the address: `?limit=10&where={...}`.

    Raises:
        BadRequest: A name is unknown, given twice, or has an impossible value.
    """
    return read_wishes(b"", "", read_address(request, PAGING))


def read_address(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """The texts of an address by name, empty where one was not sent; raises BadRequest."""
    asked = request.query_params
    for name, value in asked.multi_items():
        if name not in known:
            raise BadRequest(f"{shorten(name)} is unknown. Send {', '.join(known)}.")
        if value != asked[name]:
            raise BadRequest(f"{name!r} is there twice. Send it once.")
    return {name: asked.get(name, "").strip() for name in known}


async def read_photo(request: Request) -> SearchRequest:
    """Reads the part `photo` alone; raises what `read_search` raises."""
    photos, _ = await _read_form(request, PHOTO)
    return SearchRequest(*photos[0])


async def _read_form(
    request: Request, rules: FormRules
) -> tuple[list[tuple[bytes, str]], dict[str, str]]:
    """The photos with what messages call them, and the texts that were sent with them."""
    form = await _open_form(request, rules)
    try:
        _check_names(form, rules)
        photos = form.getlist("photo")
        if rules.photos_max and not photos:
            raise BadRequest("Part 'photo' is missing. Send -F photo=@FILE.")
        texts = {name: _text(form, name) for name in rules.wishes}
        return [await _content(photo) for photo in photos], texts
    finally:
        await form.close()


async def _open_form(request: Request, rules: FormRules) -> FormData:
    _require_form(request.headers.get("content-type", ""), rules)
    max_bytes = rules.photos_bytes + ROOM_BYTES
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > max_bytes:
            raise _huge_body(max_bytes)
    counted = Request(request.scope, _at_most(request.receive, max_bytes))
    try:
        return await _parse(counted, rules)
    except MultiPartException as error:
        photos = "one photo" if rules.photos_max < 2 else f"at most {rules.photos_max} photos"
        raise BadRequest(
            f"The form cannot be read: {error.message} Send {photos}, and each other part once "
            f"and with at most {MAX_PART_BYTES:,} bytes."
        ) from None


def _require_form(content_type: str, rules: FormRules) -> None:
    """Raises HTTPException 415 where a content type is that of no form, or of one in odd letters.

    Python has charsets that are none, such as `unicode_escape`: they fail on some texts, and make
    others that no answer can repeat.
    """
    said, options = parse_options_header(content_type)
    media_type = said.decode("latin-1")
    if media_type != "multipart/form-data":
        example = "photo=@FILE" if rules.photos_max else "text=WORDS"
        raise HTTPException(
            415,
            f"Content type {shorten(media_type)} is not multipart/form-data. Send -F {example}.",
        )
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in UTF_8:
        raise HTTPException(415, f"Charset {shorten(charset)} is not read. Send texts in UTF-8.")


async def _parse(request: Request, rules: FormRules) -> FormData:
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=max(rules.photos_max, 1),
        max_fields=len({*WISHES, *rules.wishes}),  # a strange one is told by name
        max_part_size=MAX_PART_BYTES,
    )
    # By default what is above 1 MB goes to a file on disk, piece by piece through a thread: 18 ms
    # of processor time for a photo of 4 MB instead of 7.
    is_in_memory = rules.photos_max == 1 and _READ_IN_MEMORY.acquire(blocking=False)
    if is_in_memory:
        parser.spool_max_size = rules.photos_bytes + ROOM_BYTES
    try:
        return await parser.parse()
    finally:
        if is_in_memory:
            _READ_IN_MEMORY.release()


async def _content(photo: UploadFile | str) -> tuple[bytes, str]:
    if not isinstance(photo, UploadFile):
        raise BadRequest(
            "Part 'photo' must be a file; text and addresses are never followed. "
            "Send -F photo=@FILE."
        )
    return (
        await photo.read(),
        f"Photo {shorten(photo.filename) if photo.filename else 'without a name'}",
    )


def _at_most(receive: Receive, max_bytes: int) -> Receive:
    """Counts what really arrives: a chunked body does not say its length."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise _huge_body(max_bytes)
        return message

    return counting


def _huge_body(max_bytes: int) -> HugePhoto:
    return HugePhoto(
        f"The body has more than {max_bytes:,} bytes; a photo may have {MAX_BYTES:,}. "
        "Send a smaller file."
    )


def _check_names(form: FormData, rules: FormRules) -> None:
    known = (*(["photo"] if rules.photos_max else []), *rules.wishes)
    names = [name for name, _ in form.multi_items()]
    for name in names:
        if name not in known:
            raise BadRequest(f"Part {shorten(name)} is unknown. Send {', '.join(known)}.")
        if names.count(name) > (rules.photos_max if name == "photo" else 1):
            raise BadRequest(f"Part {name!r} is there twice. Send it once.")


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if isinstance(value, UploadFile):
        raise BadRequest(f"Part {name!r} must be text, not a file.")
    return value.strip()
