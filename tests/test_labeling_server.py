"""Labelling with a real Label Studio server, and a real browser for one who answers by hotkey."""

import dataclasses
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import label_studio_process
import pytest
from asked_pairs import PARAMS, home_with_pairs, label_round, pair, question
from label_studio_process import RealServer, result_of
from playwright.sync_api import Browser, expect

from labeling import pushing
from labeling.answers import LabelFiles, ask_and_collect
from labeling.links import DAY_S, Links
from labeling.photos import LocalFiles, SignedLinks
from labeling.project import LabelStudio
from labeling.questions import read_asked
from labeling.server import WEBHOOK_SECRET_HEADER, Server
from photosearch.catalog import images
from photosearch.catalog.schemas import Label, Pair, Vote
from photosearch.catalog.tables import read_rows
from photosearch.errors import LabelingUnavailable

# label_studio_sdk 2.0 still declares some of its models in the style of Pydantic 1.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
]
server = label_studio_process.server


def truth(question: dict[str, Any]) -> str:
    return "same" if question["data"]["group_a"] == question["data"]["group_b"] else "different"


def contrary(question: dict[str, Any]) -> str:
    return "different" if truth(question) == "same" else "same"


def pairs_project(server: RealServer, connection: Server) -> LabelStudio:
    return LabelStudio(connection, LocalFiles(server.document_root), votes_first=2)


@pytest.fixture
def people(server: RealServer) -> Iterator[LabelStudio]:
    with server.connect() as connection:
        for project in list(connection.client.projects.list()):
            connection.client.projects.delete(project.id)  # what another test left
        yield pairs_project(server, connection)


def votes_in(files: LabelFiles) -> int:
    return len(read_rows(files.votes, Vote))


def test_people_label_pairs_in_label_studio_and_their_corrections_are_followed(
    server, people, tmp_path
):
    files = home_with_pairs(tmp_path, 8, n_gold=2)
    first = label_round(files, people)
    assert (first.asked, first.already_asked, first.answered) == (8, 0, 0)
    files.asked.unlink()  # as if killed between the import and the record
    second = label_round(files, people)
    assert (second.asked, second.already_asked, second.project) == (0, 8, first.project)
    assert len(read_asked(files.asked)) == 8

    ann, bob, eve, late = (server.sign_up(name + DOMAIN) for name in PEOPLE)
    given = ann.answer_all(first.project, truth)
    assert len(given) == 8
    assert list(given) == [f"{tmp_path.name}-{n}" for n in range(8)], "in order of worth"
    assert len(bob.answer_all(first.project, truth_but_for("-0"))) == 8
    assert set(eve.answer_all(first.project, contrary)) == gold_keys(tmp_path), (
        "all others have two"
    )

    third = label_round(files, people)
    assert (third.same, third.different, third.unclear) == (3, 4, 1)
    assert third.more_votes >= 1, "the torn pair is given to one more person"
    assert {one.name: one.gold_right for one in third.annotators} == {
        f"ann{DOMAIN}": 2,
        f"bob{DOMAIN}": 2,
        f"eve{DOMAIN}": 0,
    }
    assert f"| bob{DOMAIN} | 8 | 0 | 2 of 2 |" in files.report.read_text()
    before = files.labels.read_bytes()
    assert label_round(files, people).answered == 0
    assert files.labels.read_bytes() == before

    more = late.answer_all(first.project, truth)
    assert f"{tmp_path.name}-0" in more
    assert label_round(files, people).unclear <= 1

    correct(server, given[f"{tmp_path.name}-2"], "different")
    label_round(files, people)
    labels = {one.pair_id: one for one in read_rows(files.labels, Label)}
    assert labels[f"{tmp_path.name}-2"].answer == "unclear", "one changed their mind"
    known = votes_in(files)
    remove(server, f"/api/annotations/{given[f'{tmp_path.name}-4']}/")
    label_round(files, people)
    assert votes_in(files) == known - 1
    (task_of_6,) = people._server.tasks_by_key(
        people._project_id, "pair_key", gold_keys(tmp_path) & {f"{tmp_path.name}-6"}
    )
    remove(server, f"/api/tasks/{task_of_6.id}/")
    last = label_round(files, people)
    assert last.asked == 0, "whoever deletes a question does not want to see it again"
    assert f"{tmp_path.name}-6" not in {vote.pair_id for vote in read_rows(files.votes, Vote)}


PEOPLE = ("ann", "bob", "eve", "late")
DOMAIN = f"@{secrets.token_hex(4)}.example.com"


def gold_keys(root: Path) -> set[str]:
    return {f"{root.name}-{n}" for n in (6, 7)}


def truth_but_for(end: str) -> Callable[[dict[str, Any]], str]:
    return lambda one: (contrary if one["data"]["pair_key"].endswith(end) else truth)(one)


def remove(server: RealServer, path: str) -> None:
    owner = {"Authorization": f"Token {server.token}"}
    httpx.delete(server.url + path, headers=owner, timeout=60).raise_for_status()


def correct(server: RealServer, number: int, choice: str) -> None:
    owner = {"Authorization": f"Token {server.token}"}
    address = f"{server.url}/api/annotations/{number}/"
    httpx.patch(
        address, headers=owner, json={"result": result_of(choice)}, timeout=60
    ).raise_for_status()


def test_an_annotator_answers_by_hotkey_in_a_browser(
    server, people, tmp_path, browser: Browser, pictures: Path
):
    files = home_with_pairs(tmp_path, 2)
    asked = ask_and_collect(files, people, params=PARAMS.model_copy(update={"blind_share": 0}))
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    expect.set_options(timeout=60_000)
    page.goto(f"{server.url}/user/login/")
    page.fill("input[name=email]", "owner@example.com")
    page.fill("input[name=password]", server.password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "login" not in address)
    number = asked.project.rsplit("/", 1)[1]
    page.goto(f"{server.url}/projects/{number}/data?labeling=1")
    expect(page.get_by_text("Is the object in photo A the same")).to_be_visible()
    expect(page.get_by_text("The model thinks: same (80%)")).to_be_visible()
    title = page.get_by_text("Title of card-0a")
    expect(title).to_be_hidden()
    page.wait_for_function("[...document.images].filter(one => one.naturalWidth == 48).length == 2")
    page.screenshot(path=pictures / "label-pair.png")
    page.keyboard.press("2")
    expect(title).to_be_visible()
    page.screenshot(path=pictures / "label-pair-answered.png")
    page.keyboard.press("Control+Enter")
    expect(title).to_be_hidden()
    page.context.close()
    label_round(files, people)
    (vote,) = read_rows(files.votes, Vote)
    assert (vote.pair_id, vote.answer) == (f"{tmp_path.name}-0", "different")
    assert (vote.annotator, vote.is_blind) == ("owner@example.com", False)


def test_the_photos_of_a_question_are_served_to_members_only(server, people, tmp_path):
    files = home_with_pairs(tmp_path, 1)
    (asked,) = read_rows(files.pairs, Pair)
    label_round(files, people)
    address = server.url + people.image_address(asked.sha256_a)
    reply = httpx.get(address, headers={"Authorization": f"Token {server.token}"}, timeout=60)
    assert reply.content == images.path_of(files.images, asked.sha256_a).read_bytes()
    assert reply.headers["content-type"] == "image/jpeg"
    assert httpx.get(address, timeout=60).status_code == 401


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address that counts who calls it: the secret of each message, in order."""
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.headers.get(WEBHOOK_SECRET_HEADER, ""))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}/label-studio", heard
        http.shutdown()


def test_the_server_tells_us_that_somebody_answered(server, people, tmp_path):
    files = home_with_pairs(tmp_path, 2)
    with listener() as (address, heard):
        people.call_when_answered(address, "old")
        people.call_when_answered(address, "secret")  # known already: only the secret is new
        project = label_round(files, people).project
        assert heard == []
        assert len(server.sign_up(f"webhook{DOMAIN}").answer_all(project, truth)) == 2
        deadline = time.monotonic() + 120
        while len(heard) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
    assert heard == ["secret", "secret"]


def test_a_personal_access_token_works_and_a_wrong_one_is_named(server):
    legacy = {"Authorization": f"Token {server.token}"}
    personal = httpx.post(f"{server.url}/api/token/", headers=legacy, timeout=60).json()["token"]
    with server.connect(personal) as connection:
        assert pairs_project(server, connection).already_asked(["never asked"]) == set()
    for wrong in ("0" * 40, personal[:-8] + "AAAAAAAA"):
        with pytest.raises(LabelingUnavailable, match=r"does not accept the token \(HTTP 401\)"):
            server.connect(wrong)


def test_a_folder_that_the_server_does_not_serve_is_named(server, tmp_path):
    files = home_with_pairs(tmp_path, 1)
    with server.connect() as connection:
        elsewhere = LabelStudio(connection, LocalFiles(tmp_path / "elsewhere"), votes_first=2)
        with pytest.raises(LabelingUnavailable, match=r"must be a subdirectory of"):
            label_round(files, elsewhere)
        assert not files.asked.exists()
        nowhere = LabelStudio(connection, LocalFiles(None), votes_first=2)
        with pytest.raises(LabelingUnavailable, match="PHOTOSEARCH_LABEL_STUDIO_DOCUMENT_ROOT"):
            label_round(files, nowhere)


def test_links_that_expire_soon_are_renewed(server, tmp_path):
    files = home_with_pairs(tmp_path, 1)
    links = Links("http://photos.example", "s" * 32)
    with server.connect() as connection:
        people = LabelStudio(connection, SignedLinks(AgeingLinks(links)), votes_first=2)
        label_round(files, people)
        young = LabelStudio(connection, SignedLinks(links), votes_first=2)
        (pair_id,) = {row.pair_id for row in read_asked(files.asked)}
        label_round(files, young)
        (one,) = connection.tasks_by_key(young._project_id, "pair_key", [pair_id])
        assert one.data["photo_a"] == links.address(one.data["sha256_a"])


@dataclasses.dataclass(frozen=True)
class AgeingLinks(Links):
    """Makes links as 25 days ago."""

    def __init__(self, links: Links) -> None:
        super().__init__(links.url, links.secret)

    def address(self, sha256: str, *, now_s: float | None = None) -> str:
        return super().address(sha256, now_s=(now_s or time.time()) - 25 * DAY_S)


def test_an_import_whose_answer_is_lost_is_not_pushed_twice(people, monkeypatch):
    """The server imports, and its answer gets lost on the way: as with a proxy's 502."""
    questions = [question(pair(f"lost-{n}")) for n in range(5)]
    real, calls = pushing._import, []

    def lose_the_first(connection: Server, number: int, tasks: list[dict[str, Any]]) -> None:
        calls.append(len(tasks))
        real(connection, number, tasks)
        if len(calls) == 1:
            raise LabelingUnavailable("the answer got lost")

    monkeypatch.setattr(pushing, "_import", lose_the_first)
    pushing.push_once(
        people._server, people._project_id, questions, key="pair_key", sleep=lambda _: None
    )
    assert calls == [5, 0]
    keys = [one["data"]["pair_key"] for one in questions]
    found = list(people._server.tasks_by_key(people._project_id, "pair_key", keys))
    assert sorted(one.data["pair_key"] for one in found) == keys

    real(people._server, people._project_id, questions[:2])  # a slow server finished twice
    assert pushing.remove_twins(people._server, people._project_id, keys, key="pair_key") == 2
    assert len(list(people._server.tasks_by_key(people._project_id, "pair_key", keys))) == 5


def test_a_server_that_stops_while_we_work_is_named(server):  # last here: it stops the server
    with server.connect() as connection:
        people = pairs_project(server, connection)
        server.stop()
        with pytest.raises(LabelingUnavailable, match=r"does not answer .* Start it"):
            people.already_asked(["p"])
