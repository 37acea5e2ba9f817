"""Pulls photos from a server on this machine: photos/s and peak memory, by number of photos.

    python benchmarks/pull.py --photos 1000 --photos 10000

`pull` is the product's: listing, limits, decode check, content hash, tables. `plain loop` is one
thread that fetches, decodes, hashes and writes, for the first number only. `again` pulls the same
once more: nothing changed.
Server and client share the machine's cores. The photos are 64 of the simulator's (512 px), each
made another file by a number in its JPEG comment.
"""

import argparse
import asyncio
import hashlib
import http.client
import io
import json
import multiprocessing
import resource
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from PIL import Image

PHOTOS_A_CARD = 4
CARDS_A_PAGE = 100
N_PICTURES = 64
HEADER = "what       |  photos |    s | photos/s | peak MB"


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    photos: int
    seconds: float
    peak_mb: float
    """Of the client's process, from its start."""

    def __str__(self) -> str:
        rate = self.photos / self.seconds
        return (
            f"{self.what:10} | {self.photos:7,} | {self.seconds:4.0f} | {rate:8.0f} |"
            f" {self.peak_mb:7.0f}"
        )


class Shop(asyncio.Protocol):
    """As little of an HTTP server as will do, so that the client is what is measured."""

    def __init__(self, pictures: list[bytes], n_photos: int) -> None:
        self._pictures, self._n_photos = pictures, n_photos
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while b"\r\n\r\n" in self._waiting:
            head, self._waiting = self._waiting.split(b"\r\n\r\n", 1)
            content = self._answer(head.split(b" ", 2)[1].decode())
            length = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            self._transport.write(length + content)  # type: ignore[attr-defined]

    def _answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path.startswith("/images/"):
            return self._picture(int(parts.path.removeprefix("/images/")))
        if parts.path == "/v1/reviews":
            return b'{"reviews": [], "next_cursor": null, "resume_cursor": "end"}'
        cursor = parse_qs(parts.query).get("cursor", ["0"])[0]
        first = self._n_photos if cursor == "end" else int(cursor or 0)
        last = min(first + CARDS_A_PAGE * PHOTOS_A_CARD, self._n_photos)
        cards = [_card(start) for start in range(first, last, PHOTOS_A_CARD)]
        is_end = last == self._n_photos
        return json.dumps(
            {"cards": cards, "next_cursor": None if is_end else str(last), "resume_cursor": "end"}
        ).encode()

    def _picture(self, number: int) -> bytes:
        picture = self._pictures[number % len(self._pictures)]
        comment = f"photo {number}".encode()
        return (
            picture[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + picture[2:]
        )


def _card(start: int) -> dict[str, object]:
    images = [f"/images/{number}" for number in range(start, start + PHOTOS_A_CARD)]
    return {
        "card_id": f"c{start:08d}",
        "title": f"Product {start}",
        "description": "A description of the usual length. " * 10,
        "images": images,
        "updated_at": "2026-01-01T00:00:00Z",
    }


def serve(n_photos: int, pictures: list[bytes], told: Connection) -> None:
    """Serves until the process is ended."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Shop(pictures, n_photos), "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def shop_of(n_photos: int, pictures: list[bytes]) -> Iterator[int]:
    """A shop in a process of its own; gives its port."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=serve, args=(n_photos, pictures, there))
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def render_pictures() -> list[bytes]:
    from simulator.photos import gallery
    from simulator.pictures import render
    from simulator.world import World

    world = World(seed=7, n_cards=N_PICTURES)
    return [render(world, gallery(world, card)[0]) for card in range(N_PICTURES)]


def pull_with_the_product(what: str, n_photos: int, port: int, folder: Path) -> Row:
    from photosearch.catalog.marketplace import MarketplaceSource
    from photosearch.catalog.pull import pull
    from photosearch.home import Home
    from photosearch.progress import configure_logging

    configure_logging()
    started = time.perf_counter()
    report = pull(MarketplaceSource(f"http://127.0.0.1:{port}", name="bench"), Home(folder))
    seconds = time.perf_counter() - started
    if report.photos != n_photos:
        raise SystemExit(f"pulled {report.photos} of {n_photos} photos: {report.rejected}")
    return Row(what, n_photos, seconds, _peak_mb())


def pull_with_a_plain_loop(what: str, n_photos: int, port: int, folder: Path) -> Row:
    folder.mkdir()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for number in range(n_photos):
        connection.request("GET", f"/images/{number}")
        content = connection.getresponse().read()
        Image.open(io.BytesIO(content)).convert("RGB")
        (folder / hashlib.sha256(content).hexdigest()).write_bytes(content)
    return Row(what, n_photos, time.perf_counter() - started, _peak_mb())


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(measure: Callable[[str, int, int, Path], Row], *arguments: object) -> Row:
    """So that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, action="append", help="may be given several times")
    parser.add_argument("--folder", type=Path, help="where photos are put; default: /tmp")
    arguments = parser.parse_args()
    pictures = render_pictures()
    mean_kb = sum(map(len, pictures)) / len(pictures) / 1000
    sys.stdout.write(f"photos of {mean_kb:.0f} kB\n{HEADER}\n")
    for place, n_photos in enumerate(arguments.photos or [1000]):
        rounded = max(1, n_photos // PHOTOS_A_CARD) * PHOTOS_A_CARD
        work = Path(tempfile.mkdtemp(prefix="pull-", dir=arguments.folder))
        try:
            with shop_of(rounded, pictures) as port:
                plan = (
                    ("plain loop", pull_with_a_plain_loop, work / "plain"),
                    ("pull", pull_with_the_product, work / "home"),
                    ("again", pull_with_the_product, work / "home"),
                )
                # the loop keeps nothing, so that its rate does not depend on how long it runs
                for what, measure, folder in plan[place > 0 :]:
                    sys.stdout.write(f"{in_a_process(measure, what, rounded, port, folder)}\n")
                    sys.stdout.flush()
                    shutil.rmtree(work / "plain", ignore_errors=True)
        finally:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
