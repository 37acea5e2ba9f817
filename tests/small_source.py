"""A tiny marketplace in a folder and over real HTTP: what the catalog's tests pull from."""

import io
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from photosearch.catalog.sources import FolderSource, ImageFile


def picture(colour: int, side_px: int = 24, *, image_format: str = "JPEG", **options) -> bytes:
    """An image file; each colour in [0, 255] gives other bytes."""
    image = Image.new("RGB", (side_px, side_px), (colour, 255 - colour, colour // 2))
    image.putpixel((0, 0), (255, 255, 255))
    kept = io.BytesIO()
    image.save(kept, image_format, **options)
    return kept.getvalue()


def card(card_id: str, *addresses: str, **more) -> dict:
    return {"card_id": card_id, "title": f"The {card_id}", "images": list(addresses)} | more


def review(review_id: str, card_id: str, *addresses: str, **more) -> dict:
    return {"review_id": review_id, "card_id": card_id, "images": list(addresses)} | more


def write_folder(root: Path, cards: list, reviews: list | None = None, **photos: bytes) -> Path:
    """A source folder; `photos` lie at `NAME.jpg`, rows may be text that is not JSON."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in photos.items():
        (root / f"{name}.jpg").write_bytes(content)
    for table, rows in (("cards", cards), ("reviews", reviews)):
        if rows is not None:
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            (root / f"{table}.jsonl").write_text("\n".join(lines) + "\n")
    return root


def two_cards(root: Path) -> Path:
    """A red and a blue card, three gallery pictures and three reviews with four photos."""
    cards = [card("red", "r0.jpg", "r1.jpg", price=5), card("blue", "b0.jpg", category=["Mugs"])]
    reviews = [
        review("1", "red", "r2.jpg", split="train", rating=5),
        review("1", "red", "r3.jpg", split="val"),
        review("2", "blue", "b1.jpg", "b2.jpg", text="fine"),
    ]
    names = ["r0", "r1", "b0", "r2", "r3", "b1", "b2"]
    return write_folder(root, cards, reviews, **{n: picture(30 * i) for i, n in enumerate(names)})


class CountingSource(FolderSource):
    """A folder that counts what is read, and breaks at a given read."""

    def __init__(self, root: Path, *, breaks_at: int | None = None, error=KeyboardInterrupt):
        super().__init__(root)
        self.reads: Counter[str] = Counter()
        self.breaks_at, self.error = breaks_at, error

    def read_image(self, address: str, *, known_mark: str = "") -> ImageFile | None:
        if self.reads.total() == self.breaks_at:
            raise self.error(address)
        found = super().read_image(address, known_mark=known_mark)
        if found is not None:
            self.reads[address] += 1
        return found


class Shop:
    """Routes of a marketplace over HTTP; a route with several answers gives the last for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.routes: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.asked: defaultdict[str, int] = defaultdict(int)

    def serve(self, path: str, content: bytes = b"", *, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.routes.setdefault(path, []).append((status, named, content))

    def serve_page(self, table: str, rows: list, *, cursor: str = "", **cursors: str) -> None:
        """A page with `next_cursor` or `resume_cursor`."""
        page = {table: rows, "next_cursor": None} | cursors
        self.serve(f"/v1/{table}?cursor={cursor}", json.dumps(page).encode())

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        if parts.path.startswith("/v1/"):
            cursor = parse_qs(parts.query).get("cursor", [""])[0]
            path = f"{parts.path}?cursor={cursor}"
        self.asked[path] += 1
        answers = self.routes.get(path, [(404, {}, b"")])
        return answers[min(self.asked[path], len(answers)) - 1]


@contextmanager
def open_shop() -> Iterator[Shop]:
    """Serves a shop on a free port."""
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = shop.answer(self.path)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
