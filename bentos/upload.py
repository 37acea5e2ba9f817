"""Reads forms from a hostile world; never more than it should, never an address."""

from contextlib import suppress
from threading import Semaphore

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message, Receive

from bentos.wishes import WISHES, read_wishes, shorten
from photosearch.catalog.images import MAX_BYTES
from photosearch.errors import BadRequest, HugePhoto
from photosearch.search.query import SearchRequest

WISHES_WITHOUT_PHOTO = tuple(name for name in WISHES if name != "box")
PAGING = ("limit", "offset", "where", "explain")
MAX_PART_BYTES = 20_000
MAX_BODY_BYTES = MAX_BYTES + 100_000
"""The largest photo, and room for the other parts and the multipart borders."""
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
    photo, name, texts = await _read_form(request, WISHES)
    return read_wishes(photo, name, texts)


async def read_words(request: Request) -> SearchRequest:
    """Reads what is wanted of a search by words, a form without photo and box.

    Raises what `read_search` raises.
    """
    _, _, texts = await _read_form(request, WISHES_WITHOUT_PHOTO, has_photo=False)
    return read_wishes(b"", "", texts)


async def read_wishes_of_address(request: Request) -> SearchRequest:
    """Reads what is wanted out of the address: `?limit=10&where={...}`.

    Raises:
        BadRequest: A name is unknown, given twice, or has an impossible value.
    """
    asked = request.query_params
    for name, value in asked.multi_items():
        if name not in PAGING:
            raise BadRequest(f"{shorten(name)} is unknown. Send {', '.join(PAGING)}.")
        if value != asked[name]:
            raise BadRequest(f"{name!r} is there twice. Send it once.")
    return read_wishes(b"", "", {name: asked.get(name, "").strip() for name in PAGING})


async def read_photo(request: Request) -> SearchRequest:
    """Reads the part `photo` alone; raises what `read_search` raises."""
    photo, name, _ = await _read_form(request, ())
    return SearchRequest(photo, name)


async def _read_form(
    request: Request, wishes: tuple[str, ...], *, has_photo: bool = True
) -> tuple[bytes, str, dict[str, str]]:
    """The photo, what messages call it, and the texts that were sent with it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        example = "photo=@FILE" if has_photo else "text=WORDS"
        raise HTTPException(
            415, f"Content type {media_type!r} is not multipart/form-data. Send -F {example}."
        )
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > MAX_BODY_BYTES:
            raise _huge_body()
    form = await _parse(Request(request.scope, _at_most(request.receive, MAX_BODY_BYTES)))
    try:
        _check_names(form, ("photo", *wishes) if has_photo else wishes)
        photo = form.get("photo")
        if has_photo and photo is None:
            raise BadRequest("Part 'photo' is missing. Send -F photo=@FILE.")
        texts = {name: _text(form, name) for name in wishes}
        if not has_photo:
            return b"", "", texts
        if not isinstance(photo, UploadFile):
            raise BadRequest(
                "Part 'photo' must be a file; text and addresses are never followed. "
                "Send -F photo=@FILE."
            )
        content, name = await photo.read(), photo.filename or "without a name"
    finally:
        await form.close()
    return content, f"Photo {shorten(name)}", texts


async def _parse(request: Request) -> FormData:
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=1,
        max_fields=len(WISHES),
        max_part_size=MAX_PART_BYTES,
    )
    # By default what is above 1 MB goes to a file on disk, piece by piece through a thread: 18 ms
    # of processor time for a photo of 4 MB instead of 7.
    is_in_memory = _READ_IN_MEMORY.acquire(blocking=False)
    if is_in_memory:
        parser.spool_max_size = MAX_BODY_BYTES
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise BadRequest(
            f"The form cannot be read: {error.message} Send one photo, and each other part once "
            f"and with at most {MAX_PART_BYTES:,} bytes."
        ) from None
    finally:
        if is_in_memory:
            _READ_IN_MEMORY.release()


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


def _check_names(form: FormData, known: tuple[str, ...]) -> None:
    names = [name for name, _ in form.multi_items()]
    for name in names:
        if name not in known:
            raise BadRequest(f"Part {shorten(name)} is unknown. Send {', '.join(known)}.")
        if names.count(name) > 1:
            raise BadRequest(f"Part {name!r} is there twice. Send it once.")


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if isinstance(value, UploadFile):
        raise BadRequest(f"Part {name!r} must be text, not a file.")
    return value.strip()
