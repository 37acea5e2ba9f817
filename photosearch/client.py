"""The API from Python: typed answers, and another try where the service asks for one.

    with Client("http://127.0.0.1:3000", key="...") as api:
        for card in api.search(Path("shelf.jpg").read_bytes(), limit=5).cards:
            ...

It needs httpx and pydantic, and no other part of the machine room. Every call that a shop or an
engineer makes is here; probes, metrics and the OpenAPI document are for other programs.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from photosearch.errors import CallFailed
from photosearch.feedback.schemas import Event, Kept
from photosearch.search.schemas import (
    BatchResponse,
    CardResponse,
    CardsResponse,
    DetectResponse,
    Problem,
    ReadArticles,
    SearchResponse,
    TagsResponse,
)

Answer = TypeVar("Answer", bound=BaseModel)
Wishes = Mapping[str, Any]
"""Parts of a form by name, as docs/api.md tells them; lists and objects are sent as JSON."""
Facts = dict[str, Any]
"""JSON as docs/api.md tells it."""
Files = Sequence[tuple[str, tuple[str, bytes]]]

TRIES = 4
LONGEST_WAIT_S = 30.0
PASSING = (0, 429, 502, 503, 504)
"""Statuses after which the same call may well succeed; 0: there was no answer."""
TIMEOUT_S = 60.0
READING_S = 30.0


class Client:
    """A connection to one service; for one thread, or several."""

    def __init__(
        self,
        address: str,
        *,
        key: str = "",
        tries: int = TRIES,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepares the connection; the first call opens it.

        Args:
            address: Such as `https://search.example`.
            key: Where the service asks for one.
            tries: Of one call, the first counted.
            wait: Called with seconds between two tries.
        """
        headers = {"X-API-Key": key} if key else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT_S)
        self._tries, self._wait = tries, wait

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Lets go of the connection."""
        self._http.close()

    def search(self, photo: bytes, **wishes: Any) -> SearchResponse:
        """Finds the cards that show what is on a photo.

        Args:
            photo: A JPEG, PNG or WebP file.
            wishes: `box`, `limit`, `offset`, `where`, `text`, `liked`, `explain`, ...

        Raises:
            CallFailed: The service refuses the call, or does not answer after all tries.
        """
        return self._post("/v1/search", [_file(photo)], wishes, SearchResponse)

    def search_words(self, text: str, **wishes: Any) -> CardsResponse:
        """Finds cards by words alone; raises CallFailed."""
        return self._post("/v1/search/text", [], {"text": text, **wishes}, CardsResponse)

    def search_batch(self, photos: Sequence[bytes], **wishes: Any) -> BatchResponse:
        """Searches several photos, or `boxes` of one: each has its answer or problem."""
        files = [_file(photo) for photo in photos]
        return self._post("/v1/search/batch", files, wishes, BatchResponse)

    def detect(self, photo: bytes) -> DetectResponse:
        """Finds the things on a photo; raises CallFailed."""
        return self._post("/v1/detect", [_file(photo)], {}, DetectResponse)

    def similar(self, card_id: str, **wishes: Any) -> CardsResponse:
        """Finds cards like a card; raises CallFailed."""
        return self._get(f"/v1/cards/{_quoted(card_id)}/similar", wishes, CardsResponse)

    def card(self, card_id: str) -> CardResponse:
        """Tells what is known of a card; raises CallFailed."""
        return self._get(f"/v1/cards/{_quoted(card_id)}", {}, CardResponse)

    def tags(self, prefix: str = "", *, limit: int = 20, offset: int = 0) -> TagsResponse:
        """Lists tags by how they begin; raises CallFailed."""
        wishes = {"prefix": prefix, "limit": limit, "offset": offset}
        return self._get("/v1/tags", wishes, TagsResponse)

    def articles(self, query_id: str, *, wait_s: float = READING_S) -> ReadArticles:
        """What was read on the photo of a search, as far as it is read after `wait_s`."""
        while True:
            response = self._asked("GET", f"/v1/queries/{_quoted(query_id)}/articles")
            pause_s = _retry_after_s(response) or 1.0
            if response.status_code != httpx.codes.ACCEPTED or wait_s < pause_s:
                return _parsed(response, ReadArticles)
            self._wait(pause_s)
            wait_s -= pause_s

    def maps(self, query_id: str, *, card: str | None = None) -> bytes:
        """A PNG file of where the model looked, or of what a card shares with the photo.

        Raises:
            CallFailed: Also where the search did not ask with `explain=True`, or is forgotten.
        """
        path = f"/v1/queries/{_quoted(query_id)}/maps"
        return self._asked("GET", path, params=_texts({"card": card})).content

    def events(self, events: Sequence[Event]) -> Kept:
        """Keeps what shoppers did, at most 500 events a call; they are durable when it returns.

        Raises:
            CallFailed: Where its status is one of PASSING, send the same again later: each event is
                kept once, by its id.
        """
        told = [event.model_dump(mode="json", exclude_none=True) for event in events]
        return _parsed(self._asked("POST", "/v1/events", json={"events": told}), Kept)

    def release(self) -> Facts:
        """The manifest of what is live; raises CallFailed."""
        return self._facts("/v1/release")

    def release_report(self) -> Facts:
        """How the live release was made and judged, and what was live before; raises CallFailed."""
        return self._facts("/v1/release/report")

    def experiments(self) -> list[Facts]:
        """What is tried on shoppers, the newest first, and what came of it; raises CallFailed."""
        found: list[Facts] = self._facts("/v1/experiments")["experiments"]
        return found

    def thumbnail(self, address: str) -> bytes:
        """The JPEG file at an address of `thumbnail` or `gallery`; raises CallFailed."""
        return self._asked("GET", address).content

    def _post(self, path: str, files: Files, wishes: Wishes, answer: type[Answer]) -> Answer:
        texts = [(name, (None, text)) for name, text in _texts(wishes).items()]
        return _parsed(self._asked("POST", path, files=[*files, *texts]), answer)

    def _get(self, path: str, wishes: Wishes, answer: type[Answer]) -> Answer:
        return _parsed(self._asked("GET", path, params=_texts(wishes)), answer)

    def _facts(self, path: str) -> Facts:
        facts: Facts = self._asked("GET", path).json()
        return facts

    def _asked(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """The answer of the first try that is final; every call is safe to repeat.

        Events too: those that a lost try had kept are `known` to the next one.
        """
        tried = 0
        while True:
            tried += 1
            found = self._tried(method, path, **sent)
            if isinstance(found, httpx.Response):
                if found.is_success:
                    return found
                failure = CallFailed(f"{method} {path}", found.status_code, _detail(found))
            else:
                failure = CallFailed(f"{method} {path}", 0, f"{type(found).__name__}: {found}")
            if tried >= self._tries or failure.status not in PASSING:
                raise failure
            self._wait(_pause_s(tried, found))

    def _tried(self, method: str, path: str, **sent: Any) -> httpx.Response | httpx.TransportError:
        try:
            return self._http.request(method, path, **sent)
        except httpx.TransportError as error:
            return error


def _file(photo: bytes) -> tuple[str, tuple[str, bytes]]:
    return "photo", ("photo", photo)


def _texts(wishes: Wishes) -> dict[str, str]:
    return {name: _text(wish) for name, wish in wishes.items() if wish is not None}


def _text(wish: Any) -> str:
    return wish if isinstance(wish, str) else json.dumps(wish, ensure_ascii=False)


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _parsed(response: httpx.Response, answer: type[Answer]) -> Answer:
    # a newer service may tell more than this client knows
    return answer.model_validate_json(response.content, extra="ignore")


def _detail(response: httpx.Response) -> str:
    try:
        return Problem.model_validate_json(response.content, extra="ignore").detail
    except ValidationError:  # whatever stands before the service has problems of its own
        return response.text[:200]


def _pause_s(tried: int, found: httpx.Response | httpx.TransportError) -> float:
    told_s = _retry_after_s(found) if isinstance(found, httpx.Response) else None
    return min(LONGEST_WAIT_S, 0.5 * 2.0 ** (tried - 1) if told_s is None else told_s)


def _retry_after_s(response: httpx.Response) -> float | None:
    told = response.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else None
