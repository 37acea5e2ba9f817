"""A search by photo as a first version is written: one process, one photo at a time.

    python benchmarks/online_plain.py RELEASE PORT THREADS

PyTorch in fp32, the photo decoded whole, no batching, all vectors compared by one matrix product,
facts of the found cards, JSON. It runs the same detector; it has no reader, ranker or policies. It
takes the body of a request as the file. Its vectors are by chance, one a card.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from photosearch.assembly_serving import load_served_detector
from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_table
from photosearch.embedding.embedder import unit
from photosearch.embedding.export import load_torch
from photosearch.embedding.graph import GraphEmbedder
from photosearch.release import Release, open_release

FOUND, SHOWN = 100, 20
ROWS_A_BLOCK = 100_000


def plain_search(release: Release) -> Callable[[bytes], dict[str, Any]]:
    """The content of a photo's file -> an answer."""
    embedder = GraphEmbedder(release.model, load_torch(release.model, precision="fp32"))
    detector = load_served_detector(release)
    cards = read_table(release.cards, Card)
    dice, dim = np.random.default_rng(7), release.manifest.dim
    vectors = np.empty((len(cards), dim), np.float32)
    for start in range(0, len(cards), ROWS_A_BLOCK):
        block = vectors[start : start + ROWS_A_BLOCK]
        block[:] = unit(dice.standard_normal(block.shape, np.float32))

    def search(content: bytes) -> dict[str, Any]:
        took_ms, since = {}, time.perf_counter()

        def done(stage: str) -> None:
            nonlocal since
            now = time.perf_counter()
            took_ms[stage], since = (now - since) * 1000, now

        photo = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
        done("decode")
        things = detector.find(photo) if detector is not None else []
        part = photo.crop(tuple(map(round, things[0].box))) if things else photo
        done("objects")
        vector = embedder.embed([part])[0][:dim]
        done("embed")
        cosines = vectors @ (vector / np.linalg.norm(vector))
        best = np.argpartition(-cosines, FOUND)[:FOUND]
        best = best[np.argsort(-cosines[best])]
        done("candidates")
        found = cards.take(best[:SHOWN]).to_pylist()
        done("facts")
        return {"cards": found, "took_ms": took_ms}

    return search


def main() -> None:
    torch.set_num_threads(int(sys.argv[3]))
    search = plain_search(open_release(Path(sys.argv[1])))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(b"ready")

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            self._say(json.dumps(search(content)).encode())

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: each line would take time."""

    # It answers one connection at a time; as many wait as there are clients.
    HTTPServer.request_queue_size = 128
    HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
