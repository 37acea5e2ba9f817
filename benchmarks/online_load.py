"""Clients that send photos and note how long each answer took; they cost little themselves."""

import http.client
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

BORDER = "photo-of-the-benchmark"
TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Request:
    """A photo, ready to be sent."""

    path: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    """0: no answer in time."""
    wall_ms: float
    """From connecting to the last byte."""
    took_ms: dict[str, float]
    """By stage, as the answer says."""
    body_bytes: int


@dataclass
class Throughput:
    """What many clients got together."""

    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)

    @property
    def a_second(self) -> float:
        """Searches that were answered."""
        return sum(answer.status == 200 for answer in self.answers) / self.seconds


def as_form(photo: bytes) -> Request:
    """A request to our API."""
    head = (
        f'--{BORDER}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + photo + f"\r\n--{BORDER}--\r\n".encode()
    return Request("/v1/search", f"multipart/form-data; boundary={BORDER}", body)


def as_file(photo: bytes) -> Request:
    """A request to the plain pipeline."""
    return Request("/", "image/jpeg", photo)


def endless(make: Callable[[bytes], Request], contents: Sequence[bytes]) -> Iterator[Request]:
    """Requests with the photos in turns; no file is like another, so nothing is remembered.

    What follows the end of a JPEG is read by nobody.
    """
    for content in itertools.cycle(contents):
        yield make(content + os.urandom(8))


def ask(port: int, request: Request) -> Answer:
    """One search on a connection of its own, as a phone's is."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    head = {"Content-Type": request.content_type}
    try:
        connection.request("POST", request.path, request.body, head)
        response = connection.getresponse()
        status, body = response.status, response.read()
    except OSError:  # the others wait in a queue of their own
        status, body = 0, b""
    finally:
        connection.close()
    wall_ms = (time.perf_counter() - started) * 1000
    took_ms = json.loads(body)["took_ms"] if status == 200 else {}
    return Answer(status, wall_ms, took_ms, len(body))


def together(port: int, turns: Iterator[Request], *, clients: int, seconds: float) -> Throughput:
    """Clients that each ask again as soon as they are answered, for so long."""
    result, lock = Throughput(), threading.Lock()
    started = time.perf_counter()

    def one() -> None:
        while time.perf_counter() - started < seconds:
            with lock:
                request = next(turns)
            answer = ask(port, request)
            with lock:
                result.answers.append(answer)

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.seconds = time.perf_counter() - started
    return result
