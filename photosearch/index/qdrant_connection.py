"""One connection to a Qdrant server or cluster: bounded retries, and errors in our words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from photosearch.errors import IndexUnavailable

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

Answer = TypeVar("Answer")

ATTEMPTS = 3
LONGEST_WAIT_S = 2.0

START_OR_NAME_IT = (
    "Start it, or set PHOTOSEARCH_QDRANT_URL to its address; empty means Qdrant Edge, which needs "
    "no server."
)


class QdrantConnection:
    """Asks a server; what it asks must be safe to repeat, and is asked at most three times.

    Retried: no connection, no answer in time, too many requests, errors of the server itself.
    """

    def __init__(self, client: QdrantClient, address: str) -> None:
        self.address = address
        self._client = client

    @classmethod
    def connect(cls, url: str, *, api_key: str = "", timeout_s: int = 10) -> QdrantConnection:
        """Prepares a connection; the first question opens it.

        Args:
            url: `http://HOST:PORT` or `https://HOST:PORT`; the port is 6333 where it is left out.
            api_key: Empty where the server asks for none.
            timeout_s: For one attempt; three of them and the waits between bound a question.

        Raises:
            IndexUnavailable: `url` is not an address.
        """
        from qdrant_client import QdrantClient

        try:
            client = QdrantClient(
                url=url, api_key=api_key or None, timeout=timeout_s, check_compatibility=False
            )
        except ValueError as error:
            raise IndexUnavailable(
                f"{url!r} is not the address of a Qdrant server ({error}). Set "
                "PHOTOSEARCH_QDRANT_URL to one like http://localhost:6333."
            ) from None
        return cls(client, url)

    def ask(self, question: Callable[[QdrantClient], Answer]) -> Answer:
        """The server's answer.

        Raises:
            IndexUnavailable: It does not answer, refuses the key, or says the question is wrong.
        """
        from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        patiently = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT_S),
            reraise=True,
        )
        try:
            return patiently(question, self._client)
        except ResponseHandlingException as error:
            raise IndexUnavailable(
                f"Qdrant at {self.address} does not answer: {error.source}. {START_OR_NAME_IT}"
            ) from None
        except ResourceExhaustedResponse as error:
            raise IndexUnavailable(
                f"Qdrant at {self.address} is busy: {error}. Try again in "
                f"{error.retry_after_s} s, or give it more nodes."
            ) from None
        except UnexpectedResponse as error:
            raise IndexUnavailable(_complaint(self.address, error.status_code, error)) from None

    def close(self) -> None:
        """Lets go of the connection; calling twice is no error."""
        self._client.close()


def _may_pass(error: BaseException) -> bool:
    from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        return error.status_code in {429, 500, 502, 503, 504}
    return isinstance(error, ResponseHandlingException | ResourceExhaustedResponse)


def _complaint(address: str, status: int | None, error: Exception) -> str:
    match status:
        case 401 | 403:
            return (
                f"Qdrant at {address} refuses the key ({status}). Set PHOTOSEARCH_QDRANT_API_KEY."
            )
        case 429 | 500 | 502 | 503 | 504:
            return (
                f"Qdrant at {address} answered {status} {ATTEMPTS} times. Look at its log, then "
                "try again."
            )
        case _:
            reply = " ".join(str(error).split())
            return f"Qdrant at {address} refused a request: {reply}. Is it 1.16 or later?"
