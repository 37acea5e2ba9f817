"""A marketplace reached over HTTP: pages of cards and reviews, and images; knows no storing."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.source_rows import BadRow, Cursor, RawRow
from photosearch.catalog.sources import ImageFile
from photosearch.catalog.web import HTTP_PORTS, Manners, TooLongError, Web
from photosearch.errors import BadSource, CursorRefused, HugePhoto, MissingPhoto, OutsidePhoto

ROWS_A_PAGE = 100
MAX_PAGE_BYTES = 50_000_000
NOT_MODIFIED = 304
CURSOR_REFUSED = (400, 404, 409, 410, 422)


class MarketplaceSource:
    """Cards, reviews and images of one address; images may also be at any public one."""

    is_near = False

    def __init__(
        self,
        base_url: str,
        *,
        name: str | None = None,
        allowed_hosts: tuple[str, ...] = (),
        manners: Manners | None = None,
    ) -> None:
        """Looks only at the address; nothing is asked yet.

        Args:
            base_url: What `/v1/cards` is appended to.
            name: What the snapshot calls it, where the address says little (a port of today).
            allowed_hosts: Hosts of images that may be in a private network, see `Web`.
            manners: How often and how patiently it is asked.

        Raises:
            BadSource: Not an HTTP address.
        """
        self._base = _http_url(base_url)
        self._name = name or f"marketplace {str(self._base).rstrip('/')}"
        self._web = Web(self._base, allowed_hosts=allowed_hosts, manners=manners)

    @property
    def name(self) -> str:
        return self._name

    def cards(self, since: str = "") -> Iterator[RawRow]:
        return self._rows("cards", since)

    def reviews(self, since: str = "") -> Iterator[RawRow]:
        return self._rows("reviews", since)

    def read_image(self, address: str, *, known_mark: str = "") -> ImageFile | None:
        try:
            url = self._base.join(address)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise OutsidePhoto(f"{address!r} is not an address. Give one.") from None
        return read_image_at(self._web, url, known_mark=known_mark)

    def _rows(self, table: str, since: str) -> Iterator[RawRow]:
        """Follows the cursors; each page is asked for when the one before it is used up."""
        cursor, asked = since, set[str]()
        while cursor not in asked:
            page = self._page(table, cursor, is_first=not asked)
            for row in page[table]:
                yield row if isinstance(row, dict) else BadRow("", "not_an_object")
            asked.add(cursor)
            following = page.get("next_cursor")
            if not following:
                yield Cursor(page.get("resume_cursor") or "", is_end=True)
                return
            cursor = following
            if cursor not in asked:
                yield Cursor(cursor, is_end=False)
        raise BadSource(
            f"{self._base}: the pages of {table} go round in a circle, back to {cursor!r}. "
            "The marketplace must give another next_cursor on each page, null on the last."
        )

    def _page(self, table: str, cursor: str, *, is_first: bool) -> dict[str, Any]:
        url = httpx.URL(f"{str(self._base).rstrip('/')}/v1/{table}").copy_merge_params(
            {"cursor": cursor, "limit": ROWS_A_PAGE}
        )
        try:
            answer = self._web.get(url, max_bytes=MAX_PAGE_BYTES)
        except TooLongError:
            raise BadSource(
                f"{url} has more than {MAX_PAGE_BYTES:,} bytes. A page holds {ROWS_A_PAGE} rows."
            ) from None
        if cursor and is_first and answer.status in CURSOR_REFUSED:
            raise CursorRefused(
                f"{url} answers HTTP {answer.status}: it does not know the cursor of the last "
                "pull. Ask from the beginning."
            )
        if not answer.is_success:
            raise BadSource(
                f"{url} answers HTTP {answer.status}. Check the address: it must be that of "
                "a marketplace with /v1/cards and /v1/reviews."
            )
        return _page_of(answer.content, table, url)


def read_image_at(web: Web, url: httpx.URL, *, known_mark: str = "") -> ImageFile | None:
    """An image over HTTP, or None where its ETag is still `known_mark`.

    Raises:
        BadPhoto: It cannot be had, or must not be asked for.
        SourceUnreachable: The source's own host does not answer.
    """
    try:
        answer = web.get_image(url, max_bytes=MAX_BYTES, known_mark=known_mark)
    except TooLongError:
        raise HugePhoto(
            f"{url} has more than {MAX_BYTES:,} bytes. Put a smaller file there."
        ) from None
    if known_mark and answer.status == NOT_MODIFIED:
        return None
    if not answer.is_success:
        raise MissingPhoto(f"{url} answers HTTP {answer.status}. Put the image there.")
    return ImageFile(answer.content, answer.headers.get("etag", ""))


def _http_url(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address.rstrip("/") + "/")
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in HTTP_PORTS or not url.host:
        raise BadSource(
            f"{address!r} is not the address of a marketplace. Give one such as "
            "http://127.0.0.1:8000, or a folder that holds cards.jsonl."
        )
    return url


def _page_of(content: bytes, table: str, url: httpx.URL) -> dict[str, Any]:
    try:
        page = json.loads(content)
    except (ValueError, RecursionError):
        page = None
    is_page = isinstance(page, dict) and isinstance(page.get(table), list)
    if not is_page or not all(
        map(_is_cursor, (page.get("next_cursor"), page.get("resume_cursor")))
    ):
        raise BadSource(
            f"{url} does not answer with a page. It must be JSON with a list {table!r} and "
            "'next_cursor', a text or null."
        )
    found: dict[str, Any] = page
    return found


def _is_cursor(value: Any) -> bool:
    return value is None or isinstance(value, str)
