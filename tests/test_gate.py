"""The gate's rules: what speaks against a candidate, how the verdict is kept, who overrode it."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from photosearch.catalog.schemas import CuratedPhoto, Label
from photosearch.embedding.model import HeadShape, Lineage, ModelManifest
from photosearch.errors import BadParams, HomeNotReady
from photosearch.evaluation.budgets import Budget
from photosearch.evaluation.leakage import Leak, find_leaks
from photosearch.evaluation.promotion import Contest, judge
from photosearch.evaluation.verdict_file import (
    as_markdown,
    keep_verdict,
    may_go_live,
    override_verdict,
    read_verdict,
)
from photosearch.home import Home
from photosearch.judging_settings import GateParams
from photosearch.release import Manifest, roll_back, seal, switch_live
from photosearch.report import save_report, write_text

GATE = GateParams(
    metric="recall_at_1", length=64, min_gain=0.0, confidence=0.95, slice_margin=0.02,
    category_margin=0.05, category_queries_min=10, processor_ms_max=60_000, size_mb_max=100,
)  # fmt: skip
BETTER = [1.0] * 40 + [0.0] * 60
"""Per query, of 100 queries that the champion answers with 0."""
OLD_VERDICT = {
    "is_promoted": False, "reasons": ["NOT ENOUGH: gain -0.0100"], "champion_id": "old",
    "champion_kind": "mean", "candidate_id": "new", "metric": "recall_at_1", "length": 512,
    "champion_mean": 0.5, "candidate_mean": 0.49, "gain": -0.01, "confidence": 0.4, "n_queries": 9,
}  # fmt: skip


def contest(candidate: Sequence[float] = BETTER, **more) -> Contest:
    won = np.array(candidate)
    return Contest("old", "mean", "new", np.zeros(len(won)), won, {}, **more)


def refused(held: Contest) -> list[str]:
    """Names of the checks that speak against the candidate."""
    return [check.name for check in judge(held, GATE).checks if not check.is_well]


def test_a_candidate_that_nothing_speaks_against_is_promoted():
    held = contest(lengths={32: np.array(BETTER)}, budget=Budget(5.0, 40.0))
    assert judge(held, GATE).is_promoted


def test_a_shorter_length_that_got_worse_refuses_a_better_candidate():
    verdict = judge(contest(lengths={32: np.array([-0.1] * 100)}), GATE)
    assert not verdict.is_promoted
    assert verdict.reasons[-1] == "NOT ENOUGH: length 32: -0.1000, at least -0.02 required"


def test_a_category_that_surely_got_worse_refuses_a_better_candidate():
    answers = [1.0] * 60 + [-1.0] * 15 + [0.0] * 5  # 20 mugs, 15 of them lost
    assert refused(contest(answers, categories={"Mugs": [False] * 60 + [True] * 20})) == [
        "category Mugs"
    ]


def test_a_category_that_lost_a_query_or_two_by_chance_does_not():
    answers = [1.0] * 60 + [-1.0] * 2 + [1.0] + [0.0] * 17
    assert refused(contest(answers, categories={"Mugs": [False] * 60 + [True] * 20})) == []


def test_categories_with_few_queries_are_told_and_not_judged():
    answers = [1.0] * 60 + [-1.0] * 5
    verdict = judge(contest(answers, categories={"Mugs": [False] * 60 + [True] * 5}), GATE)
    assert verdict.is_promoted
    assert verdict.reasons[-1] == (
        "ok: 1 categories of fewer than 10 queries, or of one product, not judged"
    )


def test_photos_of_few_products_are_no_proof_however_many_they_are():
    """Of 10 products with ten photos each six gain and four lose: by photos this would be sure."""
    answers = [1.0] * 60 + [-1.0] * 40
    assert refused(contest(answers)) == []
    products = [f"p{query // 10}" for query in range(100)]
    (confidence,) = (
        check
        for check in judge(contest(answers, products=products), GATE).checks
        if check.name == "confidence"
    )
    assert not confidence.is_well
    assert "resamples of 10 products" in confidence.said


def test_one_product_is_no_proof_at_all():
    assert refused(contest(products=["mug"] * 100)) == ["confidence"]
    held = contest(
        [1.0] * 60 + [-1.0] * 12,
        categories={"Mugs": [False] * 60 + [True] * 12},
        products=[f"p{query}" for query in range(60)] + ["mug"] * 12,
    )
    assert refused(held) == []


@pytest.mark.parametrize(
    ("budget", "name", "said"),
    [
        (
            Budget(60_001.0, 1.0),
            "latency",
            "embeds a photo in 60001.0 ms of processor time, at most 60000 allowed",
        ),
        (Budget(1.0, 100.1), "size", "takes 100.1 MB, at most 100 allowed"),
    ],
)
def test_a_model_beyond_its_budget_is_refused(budget: Budget, name: str, said: str):
    assert refused(contest(budget=budget)) == [name]
    assert f"NOT ENOUGH: {said}" in judge(contest(budget=budget), GATE).reasons


def test_a_leak_refuses_the_candidate_in_its_own_words():
    verdict = judge(contest(leaks=[Leak("same_bytes", "leak same_bytes: 3 photos")]), GATE)
    assert not verdict.is_promoted
    assert verdict.reasons[-1] == "NOT ENOUGH: leak same_bytes: 3 photos"


def test_a_model_that_was_rolled_back_does_not_come_back_by_itself():
    verdict = judge(contest(withdrawn="at noon: wrong lamps"), GATE)
    assert verdict.reasons[-1] == "NOT ENOUGH: this model was rolled back at noon: wrong lamps"


def photo(photo_id: str, split: str, sha256: str = "", *, is_card_seen: bool = True):
    card_id, kind = photo_id.split("/")[:2]
    return CuratedPhoto(photo_id, card_id, kind, sha256 or photo_id, split, is_card_seen)


def label(photo_a: str, photo_b: str) -> Label:
    return Label("p", photo_a, photo_b, "same", 0.9, 1, ["ann"], "p", "2026-11-21T12:00:00+00:00")


SOUND = [
    photo("a/gallery/0", "train"),
    photo("a/review/1/0", "train"),
    photo("a/review/2/0", "test"),
    photo("b/gallery/0", "test", is_card_seen=False),
    photo("b/review/1/0", "test", is_card_seen=False),
]


def leaks(photos: list[CuratedPhoto], *, trained: Sequence[str] = (), labels=()) -> list[str]:
    groups = {"a": "A", "b": "B"}
    found = find_leaks(photos, groups, trained_ids=trained, labels=list(labels))
    return [leak.kind for leak in found]


def test_sound_splits_do_not_leak():
    trained = ["a/gallery/0", "a/review/1/0"]
    assert leaks(SOUND, trained=trained, labels=[label(*trained)]) == []


def test_a_query_that_is_a_training_photo_byte_for_byte_leaks():
    assert leaks([*SOUND, photo("a/review/3/0", "test", "a/review/1/0")]) == ["same_bytes"]


def test_two_photos_of_one_review_in_two_splits_leak():
    assert leaks([*SOUND, photo("a/review/1/1", "test")]) == ["same_review"]


def test_a_product_that_counts_as_unseen_but_is_in_training_leaks():
    assert leaks([*SOUND, photo("b/gallery/1", "train")]) == ["seen_product"]


def test_a_query_that_the_token_cache_gives_to_training_leaks():
    assert leaks(SOUND, trained=["a/review/2/0"]) == ["trained_query"]


def test_a_label_of_a_query_leaks():
    (leak,) = find_leaks(
        SOUND, {"a": "A", "b": "B"}, trained_ids=[], labels=[label("a/gallery/0", "b/review/1/0")]
    )
    assert leak.kind == "labelled_query"
    assert "1 held-out photos" in leak.said
    assert leak.said.endswith("the first is b/review/1/0")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a candidate, `new`, and a verdict on it of before there were checks."""
    home = Home(tmp_path)
    shape = HeadShape("mean", 64, 64, [64])
    save_report(home.candidate / "model.json", ModelManifest("new", "t1", shape, Lineage("d1", 0)))
    write_text(home.evaluation / "verdict.json", json.dumps(OLD_VERDICT))
    return home


def test_an_override_needs_a_name_and_a_reason_and_is_kept(home: Home):
    for by, because in (("", "sale"), ("Olga", "  ")):
        with pytest.raises(BadParams, match="An override needs a name and a reason"):
            override_verdict(home, by=by, because=because)
    keep_verdict(home, judge(contest([0.0] * 9), GATE))
    done = override_verdict(home, by="Olga", because="sale tomorrow")
    assert done.is_promoted
    assert (done.override.by, done.override.because) == ("Olga", "sale tomorrow")
    assert "gain" in [check.name for check in done.checks if not check.is_well]  # it stays there
    assert read_verdict(home) == done
    text = (home.evaluation / "verdict.md").read_text()
    assert text.startswith("**PROMOTED**")
    assert f"Overridden by Olga at {done.override.at}: sale tomorrow" in text
    with pytest.raises(BadParams, match="promoted already: nothing to override"):
        override_verdict(home, by="Olga", because="once more")


def test_a_verdict_of_before_is_overridden_too(home: Home):
    assert override_verdict(home, by="Olga", because="sale").is_promoted


def test_a_verdict_on_another_candidate_is_not_overridden(home: Home):
    keep_verdict(home, dataclasses.replace(read_verdict(home), candidate_id="last week's"))
    with pytest.raises(HomeNotReady, match="on last week's, the candidate is new"):
        override_verdict(home, by="Olga", because="sale")


def test_a_verdict_of_before_there_were_checks_is_still_read(home: Home):
    verdict = read_verdict(home)
    assert (verdict.gain, verdict.checks, verdict.override) == (-0.01, [], None)
    assert "- NOT ENOUGH: gain -0.0100" in as_markdown(verdict)


def test_a_promoted_candidate_goes_live_until_somebody_rolls_back_from_it(home: Home):
    assert not may_go_live(home)  # refused
    keep_verdict(home, judge(contest(), GATE))
    assert may_go_live(home)
    for name, model_id in (("r1", "old"), ("r2", "new")):
        manifest = Manifest(name, model_id, "i", "d", "exact", 2, [2], 1, 1, "2026-11-21", 1.0)
        seal(home.releases / name, manifest)
        switch_live(home.releases, name)
    assert may_go_live(home)
    roll_back(home.releases, to=None, because="wrong lamps")
    assert not may_go_live(home)
    keep_verdict(home, judge(contest(withdrawn="at noon: wrong lamps"), GATE))
    assert not may_go_live(home)
    override_verdict(home, by="Olga", because="lamps are right after all")
    assert may_go_live(home)


def test_while_a_training_that_was_cut_off_has_left_no_candidate_what_is_live_stays(home: Home):
    keep_verdict(home, judge(contest(), GATE))
    assert may_go_live(home)
    (home.candidate / "model.json").unlink()
    home.candidate.rmdir()
    assert not may_go_live(home)


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"is_promoted": true}', '{"checks": [{"x": 1}]}']
)
def test_a_verdict_that_cannot_be_read_says_what_to_run(home: Home, broken: str):
    (home.evaluation / "verdict.json").write_text(broken)
    with pytest.raises(HomeNotReady, match="Run `photosearch gate`"):
        read_verdict(home)
