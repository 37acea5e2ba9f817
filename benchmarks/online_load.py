"""Clients that send photos and note how long each answer took; they cost little themselves."""

import itertools
import json
import math
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

BORDER = "photo-of-the-benchmark"
TIMEOUT_S = 120
END_OF_HEAD = b"\r\n\r\n"


Request = bytes
"""A photo's call, from its first line to the end of its body."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    """0: no answer in time."""
    wall_ms: float
    """From connecting to the last byte."""
    took_ms: dict[str, float]
    """By stage, as the answer says."""
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """What clients got together."""

    seconds: float
    answers: Sequence[Answer]

    @property
    def a_second(self) -> float:
        """Searches that were answered."""
        return sum(answer.status == 200 for answer in self.answers) / self.seconds


def joined(turns: Sequence[Throughput]) -> Throughput:
    """What they got in all their turns."""
    answers = [answer for turn in turns for answer in turn.answers]
    return Throughput(sum(turn.seconds for turn in turns), answers)


def as_form(photo: bytes) -> Request:
    """A request to our API."""
    head = (
        f'--{BORDER}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + photo + f"\r\n--{BORDER}--\r\n".encode()
    return _post("/v1/search", f"multipart/form-data; boundary={BORDER}", body)


def as_file(photo: bytes) -> Request:
    """A request to the plain pipeline."""
    return _post("/", "image/jpeg", photo)


def _post(path: str, content_type: str, body: bytes) -> Request:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def endless(make: Callable[[bytes], Request], contents: Sequence[bytes]) -> Iterator[Request]:
    """Requests with the photos in turns; no file is like another, so nothing is remembered.

    What follows the end of a JPEG is read by nobody.
    """
    for content in itertools.cycle(contents):
        yield make(content + os.urandom(8))


def ask(port: int, request: Request) -> Answer:
    """One search on a connection of its own, as a phone's is.

    By a bare socket: `http.client` takes a millisecond of its own beside a service that has just
    emptied the processor's caches, and shoppers' phones have processors of theirs.
    """
    started = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(request)
            head, body = _received(connection)
            wall_ms = (time.perf_counter() - started) * 1000
    except (OSError, EOFError):  # the others wait in a queue of their own
        return Answer(0, (time.perf_counter() - started) * 1000, {}, 0)
    status = int(head.split(maxsplit=2)[1])
    took_ms = json.loads(body)["took_ms"] if status == 200 else {}
    return Answer(status, wall_ms, took_ms, len(body))


def _received(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of an answer that says its length; raises EOFError where it is not whole."""
    received, length = b"", math.inf
    while len(received) < length:
        if not (part := connection.recv(1 << 18)):
            raise EOFError
        received += part
        if length == math.inf and END_OF_HEAD in received:
            head = received[: received.index(END_OF_HEAD)]
            told = re.search(rb"\ncontent-length: *(\d+)", head, re.IGNORECASE)
            length = len(head) + len(END_OF_HEAD) + (int(told[1]) if told else 0)
    return head, received[len(head) + len(END_OF_HEAD) :]


@contextmanager
def crowd(port: int, turns: Iterator[Request], clients: int) -> Iterator[list[Answer]]:
    """Clients that each ask again as soon as they are answered, until the block ends.

    The list grows by each answer.
    """
    answers, lock, is_over = list[Answer](), threading.Lock(), threading.Event()

    def one() -> None:
        while not is_over.is_set():
            with lock:
                request = next(turns)
            answers.append(ask(port, request))

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def during(answers: Sequence[Answer], seconds: float) -> Throughput:
    """The answers that come in so many seconds from now; `answers` grows meanwhile."""
    n, started = len(answers), time.perf_counter()
    time.sleep(seconds)
    return Throughput(time.perf_counter() - started, list(answers[n:]))
