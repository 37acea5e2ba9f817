"""Questions, answers and labels; with simulated annotators, and with a real Label Studio server."""

import dataclasses
import io
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from PIL import Image

from labeling.answers import ANSWERS, LabelFiles, ask_and_collect, labels_of, merge_labels
from labeling.project import LabelStudio
from labeling.questions import Asked, publish_images, questions_for, read_asked, record_asked
from labeling.simulated import SimulatedAnnotators
from photosearch.catalog import images
from photosearch.catalog.schemas import Answer, Card, Label, Pair
from photosearch.catalog.tables import read_rows, write_table
from photosearch.errors import BadData, LabelingUnavailable, UnreadablePhoto
from simulator.annotators import annotate

# label_studio_sdk 2.0 still declares some of its models in the style of Pydantic 1.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")

REPOSITORY = Path(__file__).parent.parent
NOON = "2026-11-21T12:00:00.000000+00:00"


def pair(name: str, sha256s: tuple[str, str] = ("aa", "bb"), cards: str = "12") -> Pair:
    a, b = (f"card-{number}" for number in cards)
    return Pair(name, f"{a}/gallery/0", f"{b}/gallery/0", a, b, *sha256s, "look_alike", 0.5)


def answer_of(person: Any, choice: str, minute: int = 0, **more: Any) -> dict[str, Any]:
    result = [{"from_name": "answer", "type": "choices", "value": {"choices": [choice]}}]
    at = f"2026-11-21T12:{minute:02}:00Z"
    return {"completed_by": person, "created_at": at, "updated_at": at, "result": result} | more


def task(*annotations: dict[str, Any], name: str = "p") -> dict[str, Any]:
    groups = {"card-1": "g", "card-2": "g"}
    (question,) = questions_for([pair(name)], groups=groups, image_address=str)
    return question | {"annotations": list(annotations)}


def label(*annotations: dict[str, Any]) -> Label:
    (one,) = labels_of([task(*annotations)], project="here")
    return one


def home_with_pairs(root: Path, n_pairs: int) -> LabelFiles:
    """A home of 2 * `n_pairs` photos; pairs with an even number show the same product."""
    stored, seed = [], root.name
    for number in range(2 * n_pairs):
        buffer = io.BytesIO()
        Image.effect_noise((48, 64), 60 + number).save(buffer, "JPEG", comment=seed.encode())
        stored.append(images.store(root / "images", buffer.getvalue()))
    cards = [
        Card(f"card-{n}{side}", "t", None, None, [], None, None, None, f"{n}{side * (n % 2)}")
        for n in range(n_pairs)
        for side in "ab"
    ]
    pairs = [
        pair(f"{seed}-{n}", (stored[2 * n], stored[2 * n + 1]), (f"{n}a", f"{n}b"))  # type: ignore[arg-type]
        for n in range(n_pairs)
    ]
    files = LabelFiles(*(root / name for name in ("pairs", "cards", "images", "asked", "labels")))
    write_table(files.cards, Card, cards)
    write_table(files.pairs, Pair, pairs)
    return files


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Log lines of `labeling`, also where an entry point has stopped their propagation."""
    logger = logging.getLogger("labeling")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


# --- questions ---------------------------------------------------------------------------------


def test_a_question_holds_addresses_of_two_photos_and_no_title():
    groups = {"card-1": "red", "card-2": "blue"}
    (question,) = questions_for([pair("p")] * 2, groups=groups, image_address="/photo/{}".format)
    assert question["data"]["photo_a"] == "/photo/aa"
    assert question["data"]["photo_b"] == "/photo/bb"
    assert (question["data"]["pair_key"], question["data"]["group_b"]) == ("p", "blue")
    assert not [key for key in question["data"] if "title" in key]


def test_a_pair_of_an_unknown_card_is_refused():
    with pytest.raises(BadData, match=r"Pair p names card 'card-2', .* run `dvc repro`"):
        questions_for([pair("p")], groups={"card-1": "g"}, image_address=str)


def test_the_page_offers_exactly_the_answers_that_labels_have():
    page = ET.parse(REPOSITORY / "labeling" / "pair_task.xml")
    choices = {choice.get("alias"): choice.get("hotkey") for choice in page.iter("Choice")}
    assert choices == dict(zip(ANSWERS, "123", strict=True))
    assert set(ANSWERS.values()) == set(get_args(Answer))
    assert {image.get("value") for image in page.iter("Image")} == {"$photo_a", "$photo_b"}


def test_photos_are_published_once_and_take_no_second_place_on_disk(tmp_path: Path):
    sha256 = images.store(tmp_path / "images", b"photo")
    images.path_of(tmp_path / "images", sha256).chmod(0o444)  # as `dvc checkout` leaves it
    for expected in (1, 0):
        assert publish_images(tmp_path / "images", tmp_path / "www", sha256s=[sha256]) == expected
    (published,) = (tmp_path / "www").iterdir()
    assert published.name == f"{sha256}.jpg"
    assert published.samefile(images.path_of(tmp_path / "images", sha256))


def test_photos_are_copied_where_links_are_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    sha256 = images.store(tmp_path / "images", b"photo")
    publish_images(tmp_path / "images", tmp_path / "www", sha256s=[sha256])
    (published,) = (tmp_path / "www").iterdir()
    assert published.read_bytes() == b"photo"
    assert published.stat().st_nlink == 1


def test_a_photo_that_is_gone_is_named(tmp_path: Path):
    with pytest.raises(UnreadablePhoto, match=r"ab/abcd is gone. Pull again"):
        publish_images(tmp_path, tmp_path / "www", sha256s=["abcd"])


def test_a_pair_keeps_the_time_when_it_was_first_asked(tmp_path: Path):
    for at in ("first", "second"):
        record_asked(tmp_path / "asked", ["p"], project="here", asked_at=at)
    record_asked(tmp_path / "asked", ["p"], project="there", asked_at="third")
    assert read_asked(tmp_path / "asked") == [
        Asked("p", "here", "first"),
        Asked("p", "there", "third"),
    ]


# --- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "answer", "probability_same", "votes"),
    [
        (["same", "same", "different"], "same", 2 / 3, 3),
        (["different", "different", "same"], "different", 1 / 3, 3),
        (["same", "different"], "unclear", 0.5, 2),
        (["same", "cannot tell", "cannot tell"], "same", 1.0, 1),
        (["cannot tell", "cannot tell"], "unclear", 0.5, 0),
    ],
)
def test_the_majority_of_decided_votes_is_the_answer(choices, answer, probability_same, votes):
    got = label(*(answer_of({"email": f"{n}@x"}, choice) for n, choice in enumerate(choices)))
    assert (got.answer, got.votes) == (answer, votes)
    assert got.probability_same == pytest.approx(probability_same)
    assert len(got.annotators) == len(choices)


def test_only_the_last_answer_of_a_person_counts():
    got = label(
        answer_of({"email": "ann@x"}, "different", minute=5),
        answer_of({"email": "ann@x"}, "same", minute=1),
        answer_of(7, "different", minute=2),
    )
    assert (got.answer, got.votes, got.annotators) == ("different", 2, ["7", "ann@x"])
    assert got.answered_at == "2026-11-21T12:05:00.000000+00:00"


def test_a_skipped_question_takes_an_earlier_answer_back():
    skipped = answer_of("ann@x", "same", minute=2, was_cancelled=True)
    got = label(answer_of("ann@x", "same"), skipped)
    assert (got.answer, got.votes) == ("unclear", 0)


@pytest.mark.parametrize(
    "result", [[], None, "same", [{}], [{"from_name": "answer", "value": {"choices": ["maybe"]}}]]
)
def test_a_malformed_answer_is_undecided_and_logged(result, warned):
    got = label(answer_of("ann@x", "same"), answer_of("bob@x", "same", result=result))
    assert (got.answer, got.votes, got.annotators) == ("same", 1, ["ann@x", "bob@x"])
    assert "pair p: a malformed answer of bob@x counts as undecided" in warned.text


def test_answers_of_nobody_and_tasks_of_others_are_left_out_and_logged(warned):
    tasks = [task(answer_of(None, "same")), {"id": 4, "data": {"text": "by hand"}}]
    assert labels_of(tasks, project="here") == []
    assert "pair p: an answer without person or time is left out" in warned.text
    assert "task 4 of here is not a question of ours" in warned.text


def test_one_pair_in_two_tasks_is_one_label():
    tasks = [task(answer_of("ann@x", "same")), task(answer_of("bob@x", "same"))]
    (got,) = labels_of(tasks, project="here")
    assert got.votes == 2


def test_merging_loses_no_pair_and_never_puts_simulated_answers_before_those_of_people():
    people = label(answer_of("ann@x", "same", minute=3))
    simulated = dataclasses.replace(
        people, project="simulated", answer="different", answered_at="2026-12-24T00:00:00+00:00"
    )
    corrected = dataclasses.replace(people, answer="different", answered_at=NOON)
    other = dataclasses.replace(simulated, pair_id="a")
    assert merge_labels([people], [simulated, other]) == [other, people]
    assert merge_labels([simulated], [people]) == [people]
    assert merge_labels([people], [corrected]) == [corrected]


# --- simulated annotators ----------------------------------------------------------------------


def test_every_answer_of_the_simulator_is_understood(warned):
    questions = [task(name=f"p{number}") for number in range(300)]
    labels = labels_of(annotate(7, questions), project="simulated")
    assert len(labels) == len(questions)
    assert {label.votes for label in labels} == {2, 3}, "some cannot tell"
    assert not warned.records


class AnswersByGroup(BaseHTTPRequestHandler):
    """Two annotators who know the groups of the cards."""

    def do_POST(self) -> None:
        tasks = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["tasks"]
        self.server.requests += 1  # type: ignore[attr-defined]
        for question in tasks:
            is_same = question["data"]["group_a"] == question["data"]["group_b"]
            question["annotations"] = [
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
    first = ask_and_collect(files, SimulatedAnnotators(simulator.url, files.asked))
    assert (first.project, first.asked, first.answered) == ("simulated", 4, 4)
    assert (first.same, first.different, first.unclear, first.annotators) == (2, 2, 0, 2)
    assert "SIMULATED annotators" in warned.text
    before = files.labels.read_bytes(), files.asked.read_bytes()

    second = ask_and_collect(files, SimulatedAnnotators(simulator.url, files.asked))
    assert (second.asked, second.already_asked, second.answered, second.same) == (0, 4, 0, 2)
    assert (files.labels.read_bytes(), files.asked.read_bytes()) == before
    assert simulator.requests == 1


def test_a_run_killed_before_the_record_asks_again_and_keeps_the_labels(tmp_path, simulator):
    files = home_with_pairs(tmp_path, 2)
    ask_and_collect(files, SimulatedAnnotators(simulator.url, files.asked))
    files.asked.unlink()
    again = ask_and_collect(files, SimulatedAnnotators(simulator.url, files.asked))
    assert (again.asked, again.answered, again.same) == (2, 0, 1)


def test_unanswered_questions_are_not_recorded_as_asked(tmp_path, simulator):
    files = home_with_pairs(tmp_path, 3)
    simulator.answers = 2
    with pytest.raises(LabelingUnavailable, match=r"answered 2 of 3 questions. Restart"):
        ask_and_collect(files, SimulatedAnnotators(simulator.url, files.asked))
    assert not files.asked.exists()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_simulator_that_is_not_there_is_named(tmp_path):
    files, url = home_with_pairs(tmp_path, 1), f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LabelingUnavailable, match=rf"{url}/v1/annotate gave no answers"):
        ask_and_collect(files, SimulatedAnnotators(url, files.asked))


def test_a_label_studio_that_is_not_there_is_named():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LabelingUnavailable, match=rf"{url} does not answer .* Start it, or mend"):
        LabelStudio(url, "0" * 40)


def test_a_server_that_is_not_label_studio_is_named(simulator):
    with pytest.raises(LabelingUnavailable, match=r"is not Label Studio's API \(HTTP 501\)"):
        LabelStudio(simulator.url, "0" * 40)


# --- a real Label Studio -----------------------------------------------------------------------

LABEL_STUDIO = "label-studio==1.23.2"
START_S = 600
"""The first run on a machine downloads the server; a later one is up within a minute."""


class Server:
    """A Label Studio of its own: own environment, port, database and document root."""

    def __init__(self, uv: str, root: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.token, self.document_root = secrets.token_hex(20), root / "documents"
        self.document_root.mkdir()
        settings = {
            "LABEL_STUDIO_BASE_DATA_DIR": str(root / "data"),
            "LABEL_STUDIO_USERNAME": "owner@example.com",
            "LABEL_STUDIO_PASSWORD": secrets.token_hex(8),
            "LABEL_STUDIO_USER_TOKEN": self.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(self.document_root),
            "LATEST_VERSION_CHECK": "false",
            "COLLECT_ANALYTICS": "0",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
        }
        command = [uv, "tool", "run", "--python", sys.executable, "--from", LABEL_STUDIO]
        command += ["label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1"]
        self._log = root / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--port", self.url.rsplit(":", 1)[1]],
                env=os.environ | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that the server, a grandchild, stops with uv
            )

    def wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health", timeout=5).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        pytest.fail(f"{LABEL_STUDIO} did not start:\n{self._log.read_text()[-3000:]}")

    def stop(self) -> None:
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                os.killpg(self._process.pid, kind)
                try:
                    self._process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    continue

    def people(self) -> LabelStudio:
        return LabelStudio(self.url, self.token, document_root=self.document_root)

    def sign_up(self, email: str) -> "Person":
        """Somebody new follows the owner's invitation link and signs up on the page."""
        owner = {"Authorization": f"Token {self.token}"}
        link = httpx.get(f"{self.url}/api/invite", headers=owner).json()["invite_url"]
        with httpx.Client(base_url=self.url, follow_redirects=True) as browser:
            browser.get(link)
            form = {"email": email, "password": secrets.token_hex(8)}
            form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
            browser.post(link, data=form, headers={"Referer": self.url}).raise_for_status()
            token = browser.get("/api/current-user/token").json()["token"]
        return Person(self.url, email, token)


class Person:
    """An annotator with an account, who takes questions as the page does: the next one, please."""

    def __init__(self, url: str, email: str, token: str) -> None:
        self.email = email
        self._ask = httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"})

    def answer_all(self, project: str, choose: Callable[[dict[str, Any]], str]) -> dict[str, int]:
        """Answers until nothing is left; returns the number of the annotation of each pair."""
        number, made = project.rsplit("/", 1)[1], {}
        while (reply := self._ask.get(f"/api/projects/{number}/next")).is_success:
            question = reply.json()
            path = f"/api/tasks/{question['id']}/annotations/"
            made[question["data"]["pair_key"]] = self._send(path, choose(question))
        assert reply.status_code == 404, reply.text
        self._ask.close()
        return made

    def _send(self, path: str, choice: str) -> int:
        reply = self._ask.post(path, json={"result": result_of(choice)})
        return int(reply.raise_for_status().json()["id"])


def result_of(choice: str) -> list[dict[str, Any]]:
    """What the page sends when a choice was made and submitted."""
    value = {"choices": [choice]}
    return [{"from_name": "answer", "to_name": "photo_a", "type": "choices", "value": value}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = REPOSITORY / ".tools" / "bin" / "uv"
    uv = shutil.which("uv") or (str(own) if own.exists() else None)
    if uv is None:
        pytest.skip("uv is neither on PATH nor in .tools/bin; `make test` installs it")
    server = Server(uv, tmp_path_factory.mktemp("label-studio"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def truth(question: dict[str, Any]) -> str:
    return "same" if question["data"]["group_a"] == question["data"]["group_b"] else "different"


def contrary(question: dict[str, Any]) -> str:
    return "different" if truth(question) == "same" else "same"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_people_label_pairs_in_label_studio_and_their_corrections_are_followed(server, tmp_path):
    files = home_with_pairs(tmp_path, 6)
    with server.people() as people:
        first = ask_and_collect(files, people)
        assert (first.asked, first.already_asked, first.answered) == (6, 0, 0)
        files.asked.unlink()  # as if killed between the import and the record
    with server.people() as people:
        second = ask_and_collect(files, people)
        assert (second.asked, second.already_asked, second.project) == (0, 6, first.project)
        assert len(read_asked(files.asked)) == 6

        truthful = [server.sign_up(f"{name}@example.com") for name in ("ann", "bob")]
        for person in truthful:
            given = person.answer_all(first.project, truth)
            assert len(given) == 6
        assert ask_and_collect(files, people).answered == 0, "two answers of three are not enough"

        assert len(server.sign_up("eve@example.com").answer_all(first.project, contrary)) == 6
        assert not server.sign_up("late@example.com").answer_all(first.project, truth)
        third = ask_and_collect(files, people)
        assert (third.answered, third.same, third.different, third.annotators) == (6, 3, 3, 3)
        labels = read_rows(files.labels, Label)
        assert {label.probability_same for label in labels} == {2 / 3, 1 / 3}
        assert labels[0].annotators == [f"{name}@example.com" for name in ("ann", "bob", "eve")]
        before = files.labels.read_bytes()
        assert ask_and_collect(files, people).answered == 0
        assert files.labels.read_bytes() == before

        correct(server, given[labels[0].pair_id], "different")
        assert ask_and_collect(files, people).answered == 1
        after = read_rows(files.labels, Label)
        changed = [(old, new) for old, new in zip(labels, after, strict=True) if old != new]
        assert [(old.answer, new.answer) for old, new in changed] == [("same", "different")]
        assert (changed[0][1].pair_id, changed[0][1].probability_same) == (labels[0].pair_id, 1 / 3)


def correct(server: Server, number: int, choice: str) -> None:
    owner = {"Authorization": f"Token {server.token}"}
    address = f"{server.url}/api/annotations/{number}/"
    httpx.patch(address, headers=owner, json={"result": result_of(choice)}).raise_for_status()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_photos_of_a_question_are_served_to_members_only(server, tmp_path):
    files = home_with_pairs(tmp_path, 1)
    (asked,) = read_rows(files.pairs, Pair)
    with server.people() as people:
        ask_and_collect(files, people)
        address = server.url + people.image_address(asked.sha256_a)
    reply = httpx.get(address, headers={"Authorization": f"Token {server.token}"})
    assert reply.content == images.path_of(files.images, asked.sha256_a).read_bytes()
    assert reply.headers["content-type"] == "image/jpeg"
    assert httpx.get(address).status_code == 401


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_personal_access_token_works_and_a_wrong_one_is_named(server):
    legacy = {"Authorization": f"Token {server.token}"}
    personal = httpx.post(f"{server.url}/api/token/", headers=legacy).json()["token"]
    with LabelStudio(server.url, personal) as people:
        assert people.already_asked(["never asked"]) == set()
    for wrong in ("0" * 40, personal[:-8] + "AAAAAAAA"):
        with pytest.raises(LabelingUnavailable, match=r"does not accept the token \(HTTP 401\)"):
            LabelStudio(server.url, wrong)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_folder_that_the_server_does_not_serve_is_named(server, tmp_path):
    files = home_with_pairs(tmp_path, 1)
    with LabelStudio(server.url, server.token, document_root=tmp_path / "elsewhere") as people:
        with pytest.raises(LabelingUnavailable, match=r"must be a subdirectory of"):
            ask_and_collect(files, people)
        assert not files.asked.exists()
    with (
        LabelStudio(server.url, server.token) as people,
        pytest.raises(LabelingUnavailable, match="PHOTOSEARCH_LABEL_STUDIO_DOCUMENT_ROOT"),
    ):
        ask_and_collect(files, people)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_stops_while_we_work_is_named(server):  # last here: it stops the server
    with server.people() as people:
        server.stop()
        with pytest.raises(LabelingUnavailable, match=r"does not answer .* Start it"):
            people.already_asked(["p"])
