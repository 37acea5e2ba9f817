"""A marketplace reached over HTTP: pages of cards and reviews, and images; knows no storing."""

import json
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.source_rows import BadRow, RawRow
from photosearch.errors import (
    BadSource,
    HugePhoto,
    MissingPhoto,
    OutsidePhoto,
    SourceUnreachable,
)

ROWS_A_PAGE = 100
MAX_PAGE_BYTES = 50_000_000
TIMEOUT_S = 15.0
"""For a connection, and for each piece of an answer."""
MAX_ANSWER_S = 120.0
"""For a whole answer, which may come in any number of pieces."""
HTTP_PORTS = {"http": 80, "https": 443}


class _TryAgainError(Exception):
    """The server is busy or broken, perhaps for a short time."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.wait_s = _retry_after_s(response.headers.get("Retry-After"))


class _TooLongError(Exception):
    """The answer has more bytes than allowed."""


class MarketplaceSource:
    """Cards, reviews and images of one address; its connections close when it is dropped."""

    def __init__(
        self, base_url: str, *, name: str | None = None, attempts: int = 6, max_wait_s: float = 30.0
    ) -> None:
        """Looks only at the address; nothing is asked yet.

        Args:
            base_url: What `/v1/cards` is appended to.
            name: What the snapshot calls it, where the address says little (a port of today).
            attempts: How often each question is asked before giving up.
            max_wait_s: Longest wait between two attempts, also where the server asks for more.

        Raises:
            BadSource: Not an HTTP address.
        """
        self._base = _http_url(base_url)
        self._name = name or f"marketplace {str(self._base).rstrip('/')}"
        self._attempts, self._max_wait_s = attempts, max_wait_s
        is_here = self._base.host in ("localhost", "127.0.0.1", "::1")
        self._client = httpx.Client(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=not is_here,  # a proxy does not reach this machine
            # counted bytes are then the bytes kept: a small answer cannot unpack into a huge one
            headers={"Accept-Encoding": "identity"},
        )
        weakref.finalize(self, self._client.close)

    @property
    def name(self) -> str:
        return self._name

    def cards(self) -> Iterator[RawRow]:
        return self._rows("cards")

    def reviews(self) -> Iterator[RawRow]:
        return self._rows("reviews")

    def read_image(self, address: str) -> bytes:
        url = self._image_url(address)
        try:
            response, content = self._ask(url, max_bytes=MAX_BYTES)
        except _TooLongError:
            raise HugePhoto(
                f"{url} has more than {MAX_BYTES:,} bytes. Put a smaller file there."
            ) from None
        if response.is_redirect:
            raise OutsidePhoto(
                f"{url} redirects to {response.headers.get('Location', '')!r}, which is not "
                "followed. Give the image's own address."
            )
        if not response.is_success:
            raise MissingPhoto(f"{url} answers HTTP {response.status_code}. Put the image there.")
        return content

    def mark(self, address: str) -> str:
        """The address: asking would cost as much as reading, and rows carry `updated_at`."""
        return address

    def _rows(self, table: str) -> Iterator[RawRow]:
        """Follows the cursors; each page is asked for when the one before it is used up."""
        cursor, asked, number = "", set[str](), 0
        while cursor not in asked:
            page = self._page(table, cursor)
            for row in page[table]:
                number += 1
                yield row if isinstance(row, dict) else BadRow(f"{table} {number}", "not_an_object")
            asked.add(cursor)
            if not (next_cursor := page.get("next_cursor")):
                return
            cursor = next_cursor
        raise BadSource(
            f"{self._base}: the pages of {table} go round in a circle, back to {cursor!r}. "
            "The marketplace must give another next_cursor on each page, null on the last."
        )

    def _page(self, table: str, cursor: str) -> dict[str, Any]:
        url = httpx.URL(f"{str(self._base).rstrip('/')}/v1/{table}").copy_merge_params(
            {"cursor": cursor, "limit": ROWS_A_PAGE}
        )
        try:
            response, content = self._ask(url, max_bytes=MAX_PAGE_BYTES)
        except _TooLongError:
            raise BadSource(
                f"{url} has more than {MAX_PAGE_BYTES:,} bytes. A page holds {ROWS_A_PAGE} rows."
            ) from None
        if not response.is_success:
            raise BadSource(
                f"{url} answers HTTP {response.status_code}. Check the address: it must be that of "
                "a marketplace with /v1/cards and /v1/reviews."
            )
        return _page_of(content, table, url)

    def _image_url(self, address: str) -> httpx.URL:
        """Where the image is; anything but our own host is refused, for it may be inside ours."""
        try:
            url = self._base.join(address)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise OutsidePhoto(f"{address!r} is not an address. Give a path.") from None
        if _origin(url) != _origin(self._base) or url.userinfo:
            raise OutsidePhoto(
                f"{address!r} is not an image of {self._base.host}, and no other host is asked. "
                "Serve the image from the marketplace itself."
            )
        return url

    def _ask(self, url: httpx.URL, *, max_bytes: int) -> tuple[httpx.Response, bytes]:
        retrying = Retrying(
            retry=retry_if_exception_type((_TryAgainError, httpx.TransportError)),
            stop=stop_after_attempt(self._attempts),
            wait=self._wait_s,
            reraise=True,
        )
        try:
            return retrying(self._ask_once, url, max_bytes)
        except (_TryAgainError, httpx.TransportError) as error:
            raise SourceUnreachable(
                f"{url} does not answer ({error or type(error).__name__}; asked {self._attempts} "
                "times). Start the marketplace or check the address, then pull again: what was "
                "fetched is kept."
            ) from None

    def _ask_once(self, url: httpx.URL, max_bytes: int) -> tuple[httpx.Response, bytes]:
        until, content = time.monotonic() + MAX_ANSWER_S, bytearray()
        with self._client.stream("GET", url) as response:
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
                raise _TryAgainError(response)
            if response.is_success:
                for piece in response.iter_raw():
                    content += piece
                    if len(content) > max_bytes:
                        raise _TooLongError
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout(f"not whole after {MAX_ANSWER_S:.0f} s")
        return response, bytes(content)

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.wait_s if isinstance(error, _TryAgainError) else None
        if asked_s is None:
            asked_s = _BACKOFF(state)
        return min(asked_s, self._max_wait_s)


_BACKOFF: Callable[[RetryCallState], float] = wait_random_exponential(multiplier=0.5)


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


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or HTTP_PORTS.get(url.scheme)


def _page_of(content: bytes, table: str, url: httpx.URL) -> dict[str, Any]:
    try:
        page = json.loads(content)
    except (ValueError, RecursionError):
        page = None
    cursor = page.get("next_cursor") if isinstance(page, dict) else None
    rows = page.get(table) if isinstance(page, dict) else None
    if not isinstance(page, dict) or not isinstance(rows, list) or not _is_cursor(cursor):
        raise BadSource(
            f"{url} does not answer with a page. It must be JSON with a list {table!r} and "
            "'next_cursor', a text or null."
        )
    return page


def _is_cursor(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; None if it holds neither.

    Source: RFC 9110, section 10.2.3.
    """
    if header is None:
        return None
    try:
        if header.strip().isdigit():
            return float(header)
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a time zone
        return None
