"""Questions, answers and labels; with simulated annotators."""

import dataclasses
import json
import logging
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
from asked_pairs import (
    CARDS,
    PARAMS,
    answer_of,
    card,
    home_with_pairs,
    label_round,
    pair,
    question,
    task,
)
from processes import free_port

from labeling.agreement import agreement_of
from labeling.answers import merge_labels
from labeling.consensus import consensus_of, pairs_wanting_votes
from labeling.published import publish_images
from labeling.questions import Asked, questions_for, read_asked, record_asked
from labeling.server import Server
from labeling.simulated import SimulatedAnnotators
from labeling.votes import ANSWERS, replaced_votes, votes_of
from photosearch.catalog import images
from photosearch.catalog.schemas import Answer, Label, Vote
from photosearch.errors import BadData, LabelingUnavailable, UnreadablePhoto
from simulator.annotators import annotate

# label_studio_sdk 2.0 still declares some of its models in the style of Pydantic 1.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")

REPOSITORY = Path(__file__).parent.parent
NOON = "2026-11-21T12:00:00.000000+00:00"


def votes(*tasks: dict[str, Any]) -> list[Vote]:
    return votes_of(tasks, project="here")[1]


def label(*annotations: dict[str, Any], **of_pair: Any) -> Label:
    cast = votes(task(*annotations, **of_pair))
    (one,) = consensus_of(cast, decided_at=PARAMS.decided_at).labels
    return one


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Log lines of `labeling`, also where an entry point has stopped their propagation."""
    logger = logging.getLogger("labeling")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


# --- questions ---------------------------------------------------------------------------------


def test_a_question_holds_two_photos_and_what_the_model_believes():
    groups = {"card-1": card("card-1", "red"), "card-2": card("card-2", "blue")}
    (made,) = questions_for(
        [pair("p")] * 2, cards=groups, image_address="/photo/{}".format, blind_share=0
    )
    data = made["data"]
    assert (data["photo_a"], data["photo_b"]) == ("/photo/aa", "/photo/bb")
    assert (data["pair_key"], data["group_b"], data["title_a"]) == ("p", "blue", "Title of card-1")
    (opinion,) = made["predictions"]
    assert (opinion["model_version"], opinion["score"]) == ("tower", 0.8)
    assert opinion["result"][0]["value"] == {"text": ["The model thinks: same (80%)"]}
    assert opinion["result"][0]["from_name"] != "answer", "nobody's choice is made beforehand"


def test_questions_come_in_order_of_worth():
    made = questions_for(
        [pair("low", worth=0.1), pair("high", worth=0.9)],
        cards=CARDS, image_address=str, blind_share=0,
    )  # fmt: skip
    assert [one["data"]["pair_key"] for one in made] == ["high", "low"]


def test_a_share_of_pairs_and_every_gold_pair_is_asked_blind():
    asked = [pair(f"p{n}") for n in range(1000)]
    made = questions_for(asked, cards=CARDS, image_address=str, blind_share=0.15)
    blind = [one for one in made if not one["predictions"]]
    assert 110 <= len(blind) <= 190
    assert all(one["data"]["is_blind"] for one in blind)
    assert question(pair("p", gold="same"))["predictions"] == []


def test_a_pair_of_an_unknown_card_is_refused():
    with pytest.raises(BadData, match=r"Pair p names card 'card-2', .* run `dvc repro`"):
        questions_for(
            [pair("p")], cards={"card-1": CARDS["card-1"]}, image_address=str, blind_share=0
        )


def test_the_page_offers_exactly_the_answers_that_labels_have():
    page = ET.parse(REPOSITORY / "labeling" / "pair_task.xml")
    choices = {choice.get("alias"): choice.get("hotkey") for choice in page.iter("Choice")}
    assert choices == dict(zip(ANSWERS, "123", strict=True))
    assert set(ANSWERS.values()) == set(get_args(Answer))
    assert {image.get("value") for image in page.iter("Image")} == {"$photo_a", "$photo_b"}
    hidden = page.find(".//View[@visibleWhen='choice-selected']")
    assert hidden is not None
    assert hidden.get("whenTagName") == "answer"
    assert [text.get("value") for text in page.iter("Text")] == ["$title_a", "$title_b"]
    assert len(list(hidden.iter("Text"))) == 2, "titles are hidden until answered"


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


# --- votes and labels --------------------------------------------------------------------------


def said(*choices: str) -> list[dict[str, Any]]:
    return [answer_of({"email": f"{n}@x"}, choice) for n, choice in enumerate(choices)]


@pytest.mark.parametrize(
    ("choices", "answer"),
    [
        (["same"], "unclear"),
        (["same", "same"], "same"),
        (["different", "different"], "different"),
        (["same", "different"], "unclear"),
        (["different", "different", "different", "same"], "different"),
        (["cannot tell", "cannot tell"], "unclear"),
    ],
)
def test_a_pair_is_decided_when_people_are_surely_of_one_mind(choices, answer):
    got = label(*said(*choices))
    assert (got.answer, got.votes, len(got.annotators)) == (answer, len(choices), len(choices))
    undecided = {"same": False, "different": False, "unclear": True}[answer]
    assert (0.1 < got.probability_same < 0.9) == undecided


def test_whoever_is_often_right_weighs_more_than_whoever_guesses():
    names = ("good", "fine", "poor")
    truth = ["same", "different"] * 20
    tasks = [
        task(
            *(answer_of(name, other(said) if name == "poor" and n % 2 else said) for name in names),
            name=f"p{n:02}",
        )
        for n, said in enumerate(truth)
    ]
    tasks.append(task(answer_of("good", "same"), answer_of("poor", "different"), name="tie"))
    done = consensus_of(votes(*tasks), decided_at=0.75)
    assert [one.answer for one in done.labels] == [*truth, "same"]
    accuracy = {one.name: one.accuracy for one in done.annotators}
    assert accuracy["good"] > 0.9 > accuracy["poor"] + 0.1


def other(answer: str) -> str:
    return "different" if answer == "same" else "same"


def test_gold_pairs_keep_their_answer_and_measure_people():
    tasks = [
        task(answer_of("ann", "same"), answer_of("eve", "different"), name=f"g{n}", gold="same")
        for n in range(6)
    ]
    done = consensus_of(votes(*tasks), decided_at=0.9)
    assert {(one.answer, one.probability_same) for one in done.labels} == {("same", 1.0)}
    assert [(one.name, one.gold_right, one.gold_asked) for one in done.annotators] == [
        ("ann", 6, 6),
        ("eve", 0, 6),
    ]
    assert done.annotators[0].accuracy > done.annotators[1].accuracy


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
    assert (got.answer, got.probability_same) == ("unclear", 0.5)


@pytest.mark.parametrize(
    "result", [[], None, "same", [{}], [{"from_name": "answer", "value": {"choices": ["maybe"]}}]]
)
def test_a_malformed_answer_is_undecided_and_logged(result, warned):
    (_, bob) = votes(task(answer_of("ann@x", "same"), answer_of("bob@x", "same", result=result)))
    assert bob.answer == "unclear"
    assert "pair p: a malformed answer of bob@x counts as undecided" in warned.text


def test_answers_of_nobody_and_tasks_of_others_are_left_out_and_logged(warned):
    tasks = [task(answer_of(None, "same")), {"id": 4, "data": {"text": "by hand"}}]
    assert votes_of(tasks, project="here") == ({"p"}, [])
    assert "pair p: an answer without person or time is left out" in warned.text
    assert "task 4 of here is not a question of ours" in warned.text


def test_a_poll_replaces_what_it_read_and_a_whole_reading_everything():
    old = votes(task(answer_of("ann", "same"), name="p"), task(answer_of("ann", "same"), name="q"))
    elsewhere = [dataclasses.replace(old[0], project="there")]
    corrected = votes(task(answer_of("ann", "different"), name="p"))
    after = replaced_votes([*old, *elsewhere], corrected, project="here", seen={"p"})
    assert [(vote.pair_id, vote.answer, vote.project) for vote in after] == [
        ("p", "different", "here"),
        ("q", "same", "here"),
        ("p", "same", "there"),
    ]
    gone = replaced_votes(after, [], project="here", seen={"p"})
    assert [(vote.pair_id, vote.project) for vote in gone] == [("q", "here"), ("p", "there")]
    assert replaced_votes(after, [], project="here", seen=None) == elsewhere


def test_an_undecided_pair_is_asked_of_one_more_person_while_the_budget_lasts():
    cast = votes(
        task(*said("same", "same"), name="sure"),
        task(*said("same", "different"), name="torn"),
        task(*said("same"), name="young"),
        task(*said("same", "different", "same", "different"), name="asked enough"),
        task(*said("same", "different"), name="gold", gold="same"),
    )
    labels = consensus_of(cast, decided_at=0.9).labels
    limits = {"votes_most": 4, "votes_budget": 100}
    assert pairs_wanting_votes(labels, cast, **limits) == {"torn": 3, "young": 2}
    tight = {"votes_most": 4, "votes_budget": len(cast) + 1}
    assert pairs_wanting_votes(labels, cast, **tight) == {"torn": 3}, "the least sure first"
    assert pairs_wanting_votes(labels, cast, votes_most=4, votes_budget=3) == {}


def test_the_report_compares_people_with_and_without_the_models_opinion():
    shown = [task(*said("same", "same"), name=f"s{n}") for n in range(4)]
    blind = [task(*said("same", "different"), name=f"b{n}") for n in range(4)]
    for one in blind:
        one["data"]["is_blind"] = True
    wrong = [task(*said("different", "different"), name="g", gold="same")]
    agreement = agreement_of(votes(*shown, *blind, *wrong))
    assert (agreement.shown.with_model, agreement.shown.with_each_other) == (1.0, 1.0)
    assert (agreement.blind.with_model, agreement.blind.with_each_other) == (0.5, 0.0)
    assert (agreement.gold_right, agreement.gold_votes, agreement.doubtful_gold) == (0, 2, ["g"])


def test_merging_loses_no_pair_and_never_puts_simulated_answers_before_those_of_people():
    people_say = label(*said("same", "same"))
    simulated = dataclasses.replace(
        people_say,
        project="simulated",
        answer="different",
        answered_at="2026-12-24T00:00:00+00:00",
    )
    corrected = dataclasses.replace(people_say, answer="different", answered_at=NOON)
    alone = dataclasses.replace(simulated, pair_id="a")
    merged = merge_labels([people_say], [alone, simulated], project="simulated")
    assert merged == [alone, people_say]
    assert merge_labels([simulated], [people_say], project="here") == [people_say]
    assert merge_labels([people_say], [corrected], project="here") == [corrected]
    assert merge_labels([people_say], [], project="here") == [], "answers were deleted"


# --- simulated annotators ----------------------------------------------------------------------


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
