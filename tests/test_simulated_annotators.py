"""Annotators who are simulated and say so; and servers that are not there."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import given_votes
import pytest
from asked_pairs import (
    answer_of,
    home_with_pairs,
    label_round,
    task,
)
from processes import free_port

from labeling.consensus import consensus_of
from labeling.server import Server
from labeling.simulated import SimulatedAnnotators
from labeling.votes import votes_of
from photosearch.errors import LabelingUnavailable
from simulator.annotators import annotate

# label_studio_sdk 2.0 still declares some of its models in the style of Pydantic 1.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")

warned = given_votes.warned


def test_every_answer_of_the_simulator_is_understood(warned):
    questions = [task(name=f"p{number}") for number in range(300)]
    _, cast = votes_of(annotate(7, questions), project="simulated")
    assert len(cast) == 3 * len(questions)
    assert {vote.answer for vote in cast} == {"same", "different", "unclear"}
    labels = consensus_of(cast, decided_at=0.9).labels
    assert sum(label.answer == "same" for label in labels) > 0.9 * len(questions)
    assert "different" not in {label.answer for label in labels}, "one dissent is not enough"
    assert not warned.records


class AnswersByGroup(BaseHTTPRequestHandler):
    """Two annotators who know the groups of the cards."""

    def do_POST(self) -> None:
        tasks = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["tasks"]
        self.server.requests += 1  # type: ignore[attr-defined]
        for one in tasks:
            is_same = one["data"]["group_a"] == one["data"]["group_b"]
            one["annotations"] = [
                answer_of(
                    {"email": f"simulated-{n}@photosearch"}, "same" if is_same else "different"
                )
                for n in (1, 2)
            ]
        body = json.dumps({"tasks": tasks[: self.server.answers]}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def simulator() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), AnswersByGroup)
    server.requests, server.answers = 0, None
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_simulated_annotators_label_every_pair_once_and_say_so(tmp_path, simulator, warned):
    files = home_with_pairs(tmp_path, 4)
    first = label_round(files, SimulatedAnnotators(simulator.url, files.asked))
    assert (first.project, first.asked, first.answered) == ("simulated", 4, 4)
    assert (first.same, first.different, first.unclear, len(first.annotators)) == (2, 2, 0, 2)
    assert "SIMULATED annotators" in warned.text
    before = files.labels.read_bytes(), files.asked.read_bytes()

    second = label_round(files, SimulatedAnnotators(simulator.url, files.asked))
    assert (second.asked, second.already_asked, second.answered, second.same) == (0, 4, 0, 2)
    assert (files.labels.read_bytes(), files.asked.read_bytes()) == before
    assert simulator.requests == 1


def test_a_run_killed_before_the_record_asks_again_and_keeps_the_labels(tmp_path, simulator):
    files = home_with_pairs(tmp_path, 2)
    label_round(files, SimulatedAnnotators(simulator.url, files.asked))
    files.asked.unlink()
    again = label_round(files, SimulatedAnnotators(simulator.url, files.asked))
    assert (again.asked, again.answered, again.same) == (2, 0, 1)


def test_unanswered_questions_are_not_recorded_as_asked(tmp_path, simulator):
    files = home_with_pairs(tmp_path, 3)
    simulator.answers = 2
    with pytest.raises(LabelingUnavailable, match=r"answered 2 of 3 questions. Restart"):
        label_round(files, SimulatedAnnotators(simulator.url, files.asked))
    assert not files.asked.exists()


def test_a_simulator_that_is_not_there_is_named(tmp_path):
    files, url = home_with_pairs(tmp_path, 1), f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LabelingUnavailable, match=rf"{url}/v1/annotate gave no answers"):
        label_round(files, SimulatedAnnotators(url, files.asked))


def test_a_label_studio_that_is_not_there_is_named():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LabelingUnavailable, match=rf"{url} does not answer .* Start it, or mend"):
        Server(url, "0" * 40)


def test_a_server_that_is_not_label_studio_is_named(simulator):
    with pytest.raises(LabelingUnavailable, match=r"is not Label Studio's API \(HTTP 501\)"):
        Server(simulator.url, "0" * 40)
