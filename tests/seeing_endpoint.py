"""A small server that speaks OpenAI's chat completions and tells the colours of photos."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

KEY, MODEL = "key-1", "sees-colours"
RUSSIAN = {"red": "красная", "blue": "синяя", "green": "зелёная", "white": "белая"}


class SeeingEndpoint(ThreadingHTTPServer):
    """Answers with what the upper left of the last photo shows: words of two, tags of one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.busy = 0
        """Questions that get HTTP 503 first."""
        self.bodies: list[str] = []
        """Answers to give before those it thinks of; an empty one is HTTP 400."""
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Answers(BaseHTTPRequestHandler):
    server: SeeingEndpoint

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self._send(401, {"error": {"message": "no such key"}})
        elif self.path != "/v1/chat/completions" or question["model"] != MODEL:
            self._send(404, {"error": {"message": "no such model"}})
        elif self.server.busy:
            self.server.busy -= 1
            self._send(503, {"error": {"message": "busy"}})
        else:
            self._say(question)

    def _say(self, question: dict[str, list[dict[str, list[dict[str, dict[str, str]]]]]]) -> None:
        _, *shown = question["messages"][0]["content"]
        if self.server.bodies:
            said = self.server.bodies.pop(0)
        else:
            colour = colour_of(shown[-1]["image_url"]["url"])
            words = {"en": colour, "ru": RUSSIAN[colour]}
            tags = {language: [word] for language, word in words.items()}
            said = "Sure:\n" + json.dumps(words if len(shown) == 2 else tags)
        message = {"role": "assistant", "content": said}
        self._send(200 if said else 400, {"choices": [{"index": 0, "message": message}]})

    def _send(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


def colour_of(address: str) -> str:
    """Colour at the upper left of a photo in a data address."""
    photo = Image.open(
        io.BytesIO(base64.b64decode(address.removeprefix("data:image/jpeg;base64,")))
    )
    red, green, blue = (value > 128 for value in photo.getpixel((1, 1)))  # type: ignore[union-attr]
    if red and green and blue:
        return "white"
    return "red" if red else "green" if green else "blue"


@contextmanager
def seeing_endpoint() -> Iterator[SeeingEndpoint]:
    """The server, running until the end of the block."""
    server = SeeingEndpoint()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
