"""Votes become labels: of one mind or undecided, weighed, corrected, and never lost."""

import dataclasses

import given_votes
import pytest
from asked_pairs import (
    answer_of,
    task,
)
from given_votes import label, said, votes

from labeling.agreement import agreement_of
from labeling.answers import merge_labels
from labeling.consensus import consensus_of, pairs_wanting_votes
from labeling.votes import replaced_votes, votes_of

warned = given_votes.warned

NOON = "2026-11-21T12:00:00.000000+00:00"


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
