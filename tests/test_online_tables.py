"""What `benchmarks/online.py` tells of answers: stages, ratios, and bars that can be missed."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from online_load import (
    END_OF_HEAD,
    Answer,
    Throughput,
    as_file,
    as_form,
    ask,
    crowd,
    during,
    endless,
)
from online_tables import Asked, Together, _rest, tell

ALONE = {"embed": 70.0, "objects": 10.0}


def ours(wall_ms: float) -> Answer:
    return Answer(200, wall_ms, {"decode": 15.0, "objects": 12.0, "embed": 75.0, "total": 104.0}, 9)


def plain(wall_ms: float) -> Answer:
    return Answer(200, wall_ms, {"decode": 120.0, "embed": 300.0}, 9)


def told(*, wall_ms: float = 110.0, many: int = 20, away: int = 0) -> str:
    """Of a hundred answers, 10 searches a second by one client, `many` by all."""
    asked = Asked(
        [ours(wall_ms)] * 100, [plain(440.0)] * 100, {"search": 30.0, "encoder": 150.0},
        [{"embed": 72.0, "objects": 11.0}] * 5,
    )  # fmt: skip
    answers = [ours(900.0)] * (many - away) + [Answer(503, 5.0, {}, 9)] * away
    together = Together(
        32,
        [Throughput(1.0, [ours(wall_ms)] * 8), Throughput(1.0, [ours(wall_ms)] * 12)],
        [Throughput(1.0, answers)] * 2,
        [Throughput(1.0, [plain(9000.0)] * 3)] * 2,
        {"search": 25.0, "encoder": 120.0},
        photos_a_batch=7.5,
    )
    return tell(asked, together, ALONE)


def test_a_stage_of_both_has_a_ratio_and_one_of_ours_has_none():
    assert "| decode | 15.0 | 15.0 | 120.0 | 8.00 |" in told()
    assert "| objects | 12.0 | 12.0 |  |  |" in told()
    assert "| photo to answer | 110.0 | 110.0 | 440.0 | 4.00 |" in told()


def test_what_no_stage_explains_is_the_wire():
    assert "| wire | 8.0 | 8.0 | 20.0 | 2.50 |" in told()


def test_the_rest_is_the_clock_without_decoding_and_what_the_models_ran():
    assert "| embed: its model | 72.0 | 72.0 |  |  |" in told()
    assert "| but models and decoding, p50 ms | 12.00 | at most 15.0 | met |" in told()
    assert "| the same, models as fast as alone | 15.00 | at most 15.0 | met |" in told()
    slower = told(wall_ms=114.0)
    assert "| but models and decoding, p50 ms | 16.00 | at most 15.0 | NOT MET |" in slower
    assert "| the same, models as fast as alone | 19.00 | at most 15.0 | NOT MET |" in slower


def test_the_rest_does_not_lean_where_models_do():
    """Of three turns the models of one were slow, and of each turn one answer's."""
    walls = [*[100.0] * 19, 200.0, *[300.0] * 19, 400.0, *[100.0] * 19, 200.0]
    models = [{"embed": 75.0}, {"embed": 275.0}, {"embed": 75.0}]  # 15 less than the mean clock
    asked = Asked([ours(wall) for wall in walls], [], {}, models)
    assert _rest(asked) == pytest.approx(100 + 5 - 15 - 75)


def test_a_bar_that_is_missed_says_so():
    assert "| photo to answer, p50 ms | 125.00 | at most 120.0 | NOT MET |" in told(wall_ms=125.0)
    assert "| photo to answer, p99 ms | 125.00 | at most 300.0 | met |" in told(wall_ms=125.0)


def test_searches_that_were_turned_away_are_no_throughput():
    assert "| throughput, 32 clients to one | 2.00 | at least 1.5 | met |" in told()
    assert "To one client's, turn by turn: 2.50, 1.67." in told()
    assert "| ours, 32 clients | 14.00 | 900.0 | 900.0 | 12 |" in told(away=6)
    assert "| throughput, 32 clients to one | 1.40 | at least 1.5 | NOT MET |" in told(away=6)


def test_processor_time_is_told_by_process():
    assert "| one at a time | 30.0 | 150.0 |" in told()
    assert "| 32 clients | 25.0 | 120.0 |" in told()


def parts_of(request: bytes) -> tuple[str, bytes]:
    head, _, body = request.partition(END_OF_HEAD)
    assert f"Content-Length: {len(body)}" in head.decode()
    return head.decode(), body


@pytest.mark.parametrize("photo", [b"", b"\xff\xd8 bytes"])
def test_a_photo_is_sent_as_a_form_of_one_file(photo: bytes):
    head, body = parts_of(as_form(photo))
    border = head.partition("boundary=")[2].splitlines()[0].encode()
    assert body.startswith(b"--" + border)
    assert body.endswith(b"--" + border + b"--\r\n")
    assert photo in body


def test_photos_come_in_turns_and_no_file_comes_twice():
    turns = endless(as_file, [b"a", b"b"])
    bodies = [parts_of(next(turns))[1] for _ in range(4)]
    assert [body[:1] for body in bodies] == [b"a", b"b", b"a", b"b"]
    assert len(set(bodies)) == 4


class Answers(BaseHTTPRequestHandler):
    """Tells how many bytes came; of a request to /cut less than it promises."""

    def do_POST(self) -> None:
        n_bytes = len(self.rfile.read(int(self.headers["content-length"])))
        told = json.dumps({"took_ms": {"total": n_bytes}}).encode()
        self.send_response(200)
        self.send_header("CONTENT-length", str(len(told) + (self.path == "/cut")))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def test_a_whole_answer_counts_and_one_that_breaks_off_does_not(port: int):
    photo = b"p" * 1_000_000
    whole = ask(port, as_file(photo))
    assert (whole.status, whole.took_ms) == (200, {"total": len(photo)})
    assert ask(port, as_file(photo).replace(b"POST / ", b"POST /cut ")).status == 0


def test_a_crowd_asks_until_its_time_is_over_and_only_what_came_in_it_counts(port: int):
    with crowd(port, endless(as_file, [b"p"]), clients=3) as answers:
        while len(answers) < 30:
            time.sleep(0.001)
        came = during(answers, seconds=0.2)
        n_after = len(answers)
    assert came.seconds >= 0.2
    assert 0 < len(came.answers) <= n_after - 30
    assert {answer.status for answer in answers} == {200}


def test_nobody_there_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()[1]
    assert ask(nobody, as_file(b"p")).status == 0
