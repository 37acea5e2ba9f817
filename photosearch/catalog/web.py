"""Asks hosts over HTTP: politely, within limits, and nowhere it must not; knows no rows.

Proxies of the environment are not used: a proxy looks names up itself, so that its answer could
not be checked.
"""

import logging
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore
import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from photosearch.catalog.addresses import CheckedNetwork
from photosearch.errors import MissingPhoto, OutsidePhoto, PhotosearchError, SourceUnreachable

log = logging.getLogger(__name__)

TIMEOUT_S = 15.0
"""For a connection, and for each piece of an answer."""
MAX_ANSWER_S = 120.0
"""For a whole answer, which may come in any number of pieces."""
MAX_REDIRECTS = 3
MAX_CONNECTIONS = 32
FAILURES_TO_GIVE_UP = 3
"""Photos in a row that a host did not give before it counts as down."""
FOREIGN_ATTEMPTS = 2
"""How often a host other than the source's own is asked the same."""
HTTP_PORTS = {"http": 80, "https": 443}
TOO_MANY_REQUESTS = 429
REDIRECTS = (301, 302, 303, 307, 308)
PASSING = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)

Origin = tuple[str, str, int]


class TooLongError(Exception):
    """The answer has more bytes than allowed."""


class _TryAgainError(Exception):
    """The server is busy or broken, perhaps for a short time."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"HTTP {status}")
        self.wait_s = retry_after_s(retry_after)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    """By name in small letters; of a name given twice the last."""
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Manners:
    """How a source is asked."""

    requests_per_s: float | None = None
    """Of one host, over all threads; None sets no limit."""
    attempts: int = 6
    """How often a question is asked before giving up."""
    max_wait_s: float = 30.0
    """Longest wait between two attempts, also where the server asks for more."""


class Web:
    """Connections to a source's own host and to others; they close when it is dropped."""

    def __init__(
        self,
        own: httpx.URL | None = None,
        *,
        allowed_hosts: Iterable[str] = (),
        manners: Manners | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            own: An address of the source itself; its origin is trusted, and missed if it is down.
            allowed_hosts: `NAME` or `NAME:PORT` of other hosts that may be in a private network.
            manners: Limits and patience.
        """
        self._own = None if own is None else origin(own)
        own_hosts = [] if self._own is None else [f"{self._own[1]}:{self._own[2]}"]
        self._network = CheckedNetwork([*allowed_hosts, *own_hosts])
        self._manners = manners or Manners()
        self._pool = httpcore.ConnectionPool(
            network_backend=self._network,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
        )
        self._paces: dict[str, _Pace] = {}
        self._failures: Counter[Origin] = Counter()
        self._lock = threading.Lock()
        weakref.finalize(self, self._pool.close)

    def get(self, url: httpx.URL, *, max_bytes: int) -> Answer:
        """Asks the source's own host for what the pull cannot do without.

        Raises:
            OutsidePhoto: `url` must not be asked.
            SourceUnreachable: It does not answer.
            TooLongError: The content is longer than `max_bytes`.
        """
        self._check(url)
        try:
            return self._ask(url, max_bytes=max_bytes, known_mark="")
        except (_TryAgainError, *PASSING) as error:
            raise _unreachable(url, error) from None

    def get_image(self, url: httpx.URL, *, max_bytes: int, known_mark: str = "") -> Answer:
        """Asks for an image and follows redirects, each of them checked like the first address.

        Args:
            url: Where; anyone may have written it.
            max_bytes: Longest content that is taken.
            known_mark: An ETag: the answer is 304 where it still holds.

        Raises:
            OutsidePhoto: `url`, or where it redirects, must not be asked.
            MissingPhoto: It does not come, while other photos do; or another host is down.
            SourceUnreachable: The source's own host does not answer.
            TooLongError: The content is longer than `max_bytes`.
        """
        for _ in range(MAX_REDIRECTS + 1):
            self._check(url)
            try:
                answer = self._ask(url, max_bytes=max_bytes, known_mark=known_mark)
            except (_TryAgainError, *PASSING) as error:
                raise self._failure(url, error) from None
            self._failures.pop(origin(url), None)
            if answer.status not in REDIRECTS:
                return answer
            url = _joined(url, answer.headers.get("location", ""))
        raise OutsidePhoto(
            f"{url} comes after {MAX_REDIRECTS} redirects and is not asked. Give the image's own "
            "address."
        )

    def _check(self, url: httpx.URL) -> None:
        """Refuses what is no plain HTTP address; where its host lies is checked on connecting."""
        if url.scheme not in HTTP_PORTS or not url.host or url.userinfo:
            raise OutsidePhoto(f"{str(url)!r} is not an address to ask. Give http(s)://HOST/PATH.")
        asked = origin(url)
        if self._own and asked != self._own and asked[1:] == self._own[1:]:
            # the host is allowed, and would be missed like the source itself
            raise OutsidePhoto(
                f"{str(url)!r} is not how {url.host} speaks. Give {self._own[0]}://."
            )
        if self._failures[asked] >= FAILURES_TO_GIVE_UP:
            raise MissingPhoto(f"{url} is not asked, for {url.host} has stopped answering.")

    def _failure(self, url: httpx.URL, error: Exception) -> PhotosearchError:
        """What it means that an image did not come: one photo less, or that the source is down."""
        asked = origin(url)
        with self._lock:
            self._failures[asked] += 1
            is_down = self._failures[asked] >= FAILURES_TO_GIVE_UP
        if asked == self._own and (is_down or not isinstance(error, _TryAgainError)):
            self._failures.pop(asked, None)
            return _unreachable(url, error)
        if is_down:
            log.warning("%s does not answer: its photos are missing in this pull", url.host)
        return MissingPhoto(f"{url} does not come ({_told(error)}). Put the image there.")

    def _ask(self, url: httpx.URL, *, max_bytes: int, known_mark: str) -> Answer:
        is_own = origin(url) == self._own
        retrying = Retrying(
            retry=retry_if_exception_type((_TryAgainError, *PASSING)),
            stop=stop_after_attempt(self._manners.attempts if is_own else FOREIGN_ATTEMPTS),
            wait=self._wait_s,
            reraise=True,
        )
        return retrying(self._ask_once, url, max_bytes, known_mark)

    def _ask_once(self, url: httpx.URL, max_bytes: int, known_mark: str) -> Answer:
        pace = self._pace(url.host)
        pace.wait()
        # counted bytes are then the bytes kept: a small answer cannot unpack into a huge one
        headers = [("Accept-Encoding", "identity"), ("User-Agent", "photosearch")]
        if known_mark:
            headers.append(("If-None-Match", known_mark))
        limits = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)
        until, content = time.monotonic() + MAX_ANSWER_S, bytearray()
        with self._pool.stream(
            "GET", str(url), headers=headers, extensions={"timeout": limits}
        ) as response:
            named = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers
            }
            if response.status == TOO_MANY_REQUESTS or response.status >= 500:
                error = _TryAgainError(response.status, named.get("retry-after"))
                if response.status == TOO_MANY_REQUESTS:
                    pace.rest(min(error.wait_s or 0.0, self._manners.max_wait_s))
                raise error
            if 200 <= response.status < 300:
                for piece in response.iter_stream():
                    content += piece
                    if len(content) > max_bytes:
                        raise TooLongError
                    if time.monotonic() > until:
                        raise httpcore.ReadTimeout(f"not whole after {MAX_ANSWER_S:.0f} s")
        return Answer(response.status, named, bytes(content))

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.wait_s if isinstance(error, _TryAgainError) else None
        if asked_s is None:
            asked_s = _BACKOFF(state)
        return min(asked_s, self._manners.max_wait_s)

    def _pace(self, host: str) -> "_Pace":
        with self._lock:
            return self._paces.setdefault(host, _Pace(self._manners.requests_per_s))


class _Pace:
    """When the next request to one host may go; shared by all threads."""

    def __init__(self, requests_per_s: float | None) -> None:
        self._gap_s = 0.0 if requests_per_s is None else 1.0 / requests_per_s
        self._next_at = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + self._gap_s
        if at > now:
            time.sleep(at - now)

    def rest(self, seconds: float) -> None:
        """Lets no thread ask for a while: the host said that all of them together are too many."""
        with self._lock:
            self._next_at = max(self._next_at, time.monotonic() + seconds)


_BACKOFF: Callable[[RetryCallState], float] = wait_random_exponential(multiplier=0.5)


def origin(url: httpx.URL) -> Origin:
    """Scheme, host and port: what two addresses of one server share."""
    return url.scheme, url.host.lower(), url.port or HTTP_PORTS.get(url.scheme, 0)


def _unreachable(url: httpx.URL, error: Exception) -> SourceUnreachable:
    return SourceUnreachable(
        f"{url} does not answer ({_told(error)}). Start the marketplace or check the address, "
        "then pull again: what was fetched is kept."
    )


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _joined(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return url.join(location)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise OutsidePhoto(
            f"{url} redirects to {location!r}, which is not an address. Give the image's own."
        ) from None


def retry_after_s(header: str | None) -> float | None:
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
