"""What the benchmark measures with: intervals, grades, and pairs of photos."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from painted_home import held_out, make_home
from sklearn.metrics import roc_auc_score
from test_views import STRENGTH

from photosearch.embedding.embedder import unit
from photosearch.errors import BadSource
from photosearch.evaluation.grades import graded_ndcg, read_grades
from photosearch.evaluation.intervals import draw, mean_interval, ratio_interval
from photosearch.evaluation.metrics import graded_ndcg_at_k
from photosearch.evaluation.verification import (
    auc_samples,
    best_threshold,
    judge_pairs,
    pair_metrics,
    pairs_of,
)
from photosearch.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def test_intervals_draw_products_and_not_photos():
    """A hundred photos of two products tell as little as two photos of them would."""
    values = np.array([1.0] * 50 + [0.0] * 50)
    few = mean_interval(values, draw(["a"] * 50 + ["b"] * 50))
    assert (few.value, few.low, few.high) == (0.5, 0.0, 1.0)
    many = mean_interval(values, draw([f"p{n}" for n in range(100)]))
    assert many.low == pytest.approx(0.4, abs=0.03)
    assert many.high == pytest.approx(0.6, abs=0.03)


def test_one_product_has_a_value_and_no_interval():
    only = mean_interval(np.array([1.0, 0.0]), draw(["a", "a"]))
    assert (only.value, only.low, only.high) == (0.5, None, None)
    assert str(only) == "0.500"


def test_a_share_of_nothing_is_zero():
    assert ratio_interval(np.zeros(3), np.zeros(3), draw(["a", "b", "c"])).value == 0


def test_graded_ndcg_by_hand():
    grades = {"a": 5, "b": 2, "c": 1}
    shown = [["b", "x", "a"], ["a", "b", "c"], []]
    best = 31 + 3 / np.log2(3) + 1 / np.log2(4)
    by_hand = [(3 + 31 / np.log2(4)) / best, 1, 0]
    assert graded_ndcg(shown, [grades] * 3) == pytest.approx(by_hand)
    assert graded_ndcg([["a"]], [{}]).tolist() == [0]


def test_graded_ndcg_beyond_its_ranks_is_refused():
    with pytest.raises(ValueError, match="k is 3, but there are 2 ranks and 4 best grades"):
        graded_ndcg_at_k(np.zeros((1, 2)), np.zeros((1, 4)), 3)


def test_grades_are_read_and_the_last_of_a_pair_counts(tmp_path: Path):
    path = tmp_path / "relevance.jsonl"
    assert read_grades(path) == {}
    line = {"photo_id": "p", "card_id": "c", "grade": 1}
    path.write_text("\n".join(json.dumps(line | {"grade": grade}) for grade in (1, 4)) + "\n\n")
    assert read_grades(path) == {"p": {"c": 4}}


@pytest.mark.parametrize(
    "line", ["{", '{"photo_id": "p", "card_id": "c", "grade": 6}', '{"grade": 1}', "[]"]
)
def test_a_line_that_is_no_grade_is_told_with_its_number(tmp_path: Path, line: str):
    path = tmp_path / "relevance.jsonl"
    path.write_text('{"photo_id": "p", "card_id": "c", "grade": 0}\n' + line)
    with pytest.raises(BadSource, match="line 2 is no grade"):
        read_grades(path)


def test_pairs_are_of_held_out_photos_and_hard_ones_share_category_and_attributes(home: Home):
    held = held_out(home)
    ids = [photo.photo_id for photo in held.pool]
    assert not {photo.split for photo in held.pool} & {"train"}
    pairs = held.pairs
    for first, second, is_same in zip(pairs.first, pairs.second, pairs.is_same, strict=True):
        one, other = held.pool[first], held.pool[second]
        assert is_same == (one.card_id == other.card_id)  # a product is one card here
        assert one.photo_id != other.photo_id
    for row_, hard in zip(pairs.first[pairs.is_hard], pairs.second[pairs.is_hard], strict=True):
        mine, theirs = (held.cards[ids[n].split("/")[0]].attributes for n in (row_, hard))
        assert len(mine.items() & theirs.items()) == 1  # no two cards here agree in both
    both_ways = {frozenset(pair) for pair in zip(pairs.first, pairs.second, strict=True)}
    assert len(both_ways) == len(pairs.first)
    again = pairs_of(held.pool, held.cards, seed=STRENGTH.seed)
    assert again.second.tolist() == pairs.second.tolist()


def test_photos_of_one_review_are_no_pair(home: Home):
    held = held_out(home)
    twin = replace(held.pool[0], photo_id=held.pool[0].photo_id[:-1] + "1")
    pairs = pairs_of([held.pool[0], twin, *held.pool[1:]], held.cards, seed=1)
    assert (0, 1) not in set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def test_the_best_threshold_parts_what_can_be_parted():
    is_same = np.array([False, False, True, True])
    assert best_threshold(np.array([0.1, 0.2, 0.6, 0.9]), is_same) == 0.6


def test_auc_of_samples_is_that_of_scikit_learn_with_weights():
    random = np.random.default_rng(5)
    cosines, is_same = random.integers(8, size=60) / 8, random.random(60) < 0.4  # many ties
    drawn = draw([f"p{n % 9}" for n in range(60)])
    samples = auc_samples(is_same, cosines, drawn)
    for sample in range(0, 1000, 97):
        weights = drawn.times[sample, drawn.product]
        by_library = roc_auc_score(is_same, cosines, sample_weight=weights)
        assert samples[sample] == pytest.approx(by_library)


def test_a_model_that_knows_the_product_verifies_perfectly_and_chance_does_not(home: Home):
    pairs = held_out(home).pairs
    names = [photo.card_id for photo in held_out(home).pool]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    knows = np.eye(len(numbers), dtype=np.float32)[[numbers[name] for name in names]]
    guesses = unit(np.random.default_rng(1).standard_normal((len(names), 16)))
    everything, drawn = np.ones(len(pairs.first), np.bool_), draw(pairs.products)
    sure = pair_metrics(pairs, judge_pairs(pairs, knows), everything, drawn)
    assert (sure["roc_auc"].value, sure["f1"].value, sure["precision"].low) == (1, 1, 1)
    assert sure["calibration_error"].value < 0.01
    chance = pair_metrics(pairs, judge_pairs(pairs, guesses), everything, drawn)
    assert chance["roc_auc"].low < 0.5 < chance["roc_auc"].high
