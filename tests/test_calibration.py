"""From score to probability: the curve, what is said of it, when a search should say nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photosearch.errors import BadArtifact
from photosearch.evaluation.calibration import (
    ShownCards,
    abstention,
    calibrate,
    calibration_error,
    fit_logistic,
    folds_of,
    held_out_probabilities,
    lowest_precise_score,
    read_calibration,
    reliability,
    save_calibration,
)

IDS = {"model_id": "m", "index_id": "i"}


def shown_by_chance(n_queries: int = 600, *, slope: float = 12.0, seed: int = 0) -> ShownCards:
    """Five cards a query; the true probability is a logistic curve that is a half at .6."""
    dice = np.random.default_rng(seed)
    scores = -np.sort(-dice.uniform(0.2, 1.0, (n_queries, 5)), axis=1)
    is_same = dice.random((n_queries, 5)) < 1 / (1 + np.exp(-slope * (scores - 0.6)))
    return ShownCards(scores, is_same, [f"p{n // 3}" for n in range(n_queries)])


def test_the_curve_is_found_that_made_the_answers():
    shown = shown_by_chance(3000)
    curve = fit_logistic(shown.scores.ravel(), shown.is_same.ravel())
    assert curve.slope == pytest.approx(12, rel=0.1)
    assert curve.threshold == pytest.approx(0.6, abs=0.01)
    assert curve(np.array([0.6, 1.0])) == pytest.approx([0.5, 0.99], abs=0.03)


def test_a_calibrated_curve_says_what_happens_to_products_held_out():
    found = calibrate(shown_by_chance(), precision=0.9, **IDS)
    assert found.calibration_error < 0.03
    assert found.brier < found.brier_of_base_rate
    assert (found.queries, found.pairs) == (600, 3000)
    assert sum(part.pairs for part in found.bins) == 3000
    said = [part.said for part in found.bins]
    assert said == sorted(said)


def test_a_better_card_is_never_less_likely():
    dice = np.random.default_rng(0)
    scores = dice.random(400)
    curve = fit_logistic(scores, dice.random(400) < 1 - scores)  # the better, the less alike
    assert curve.slope == 0
    assert curve(np.array([0.1, 0.9])) == pytest.approx([0.5, 0.5], abs=0.08)


def test_too_few_answers_of_a_kind_teach_nothing():
    shown = shown_by_chance(12)  # 60 pairs cannot hold 50 of each
    assert calibrate(shown, precision=0.9, **IDS) is None
    nobody = ShownCards(np.empty((0, 5)), np.empty((0, 5), np.bool_), [])
    assert calibrate(nobody, precision=0.9, **IDS) is None


def test_queries_of_one_product_are_in_one_fold():
    products = [f"p{n % 40}" for n in range(200)]
    of_product = {}
    for product, fold in zip(products, folds_of(products), strict=True):
        assert of_product.setdefault(product, fold) == fold
    assert len(set(of_product.values())) == 5


def test_a_product_is_judged_by_a_curve_that_never_saw_it():
    """Random answers known by heart would look certain; held out they are worth nothing."""
    shown = shown_by_chance(slope=0.0)
    held_out = held_out_probabilities(shown)
    assert np.abs(held_out - 0.5).max() < 0.15


def test_cards_that_were_not_found_are_no_pairs():
    shown = shown_by_chance()
    shown.scores[:, 4] = np.nan
    assert calibrate(shown, precision=0.9, **IDS).pairs == 2400


def test_the_calibration_error_by_hand():
    said = np.array([0.1] * 10 + [0.9] * 10)
    happened = np.array([0] * 9 + [1] + [1] * 5 + [0] * 5, np.bool_)
    bins = reliability(said, happened)
    assert len(bins) == 10
    # one in ten of the first half happened, as said; five of ten of the second, not nine
    first, second = bins[:5], bins[5:]
    assert np.mean([part.happened for part in first]) == pytest.approx(0.1)
    assert np.mean([part.happened for part in second]) == pytest.approx(0.5)
    by_hand = np.mean([abs(part.said - part.happened) for part in bins])
    assert calibration_error(bins) == pytest.approx(by_hand)


def test_the_lowest_score_that_is_precise_enough_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    is_same = np.array([True, True, False, True, False])
    assert lowest_precise_score(scores, is_same, precision_min=0.75, n_min=2) == 0.6
    assert lowest_precise_score(scores, is_same, precision_min=1.0, n_min=2) == 0.8
    assert lowest_precise_score(scores, is_same, precision_min=1.0, n_min=3) is None


def test_below_the_threshold_a_search_is_silent_where_the_product_is_absent():
    n = 60
    scores = np.column_stack([np.full(n, 0.9), np.full(n, 0.3)])
    scores[:20, 0] = 0.4  # twenty are answered wrongly, from afar
    is_same = np.column_stack([np.arange(n) >= 20, np.zeros(n, np.bool_)])
    shown = ShownCards(scores, is_same, [f"p{row}" for row in range(n)])
    found = abstention(shown, precision=0.95, curve=fit_logistic(scores.ravel(), is_same.ravel()))
    assert found.score == 0.9
    assert (found.precision_held_out, found.silent_when_absent) == (1.0, 1.0)
    assert found.answered == pytest.approx(40 / 60, abs=1e-4)


def test_a_precision_that_nothing_reaches_gives_no_threshold():
    shown = shown_by_chance(slope=0.0)
    found = calibrate(shown, precision=0.99, **IDS).abstention
    assert (found.score, found.probability, found.precision_held_out) == (None, None, None)
    assert (found.answered, found.silent_when_absent) == (0.0, 1.0)


def test_a_calibration_is_kept_with_its_plot(tmp_path: Path):
    found = calibrate(shown_by_chance(), precision=0.9, **IDS)
    save_calibration(tmp_path, found)
    assert read_calibration(tmp_path / "calibration.json") == found
    kept = json.loads((tmp_path / "calibration.json").read_text())
    assert kept["abstention"]["precision"] == 0.9
    with Image.open(tmp_path / "reliability.png") as plot:
        assert plot.width > 300


@pytest.mark.parametrize("broken", ["{", "{}", '{"bins": 3}'])
def test_a_damaged_calibration_is_named(tmp_path: Path, broken: str):
    (tmp_path / "calibration.json").write_text(broken)
    with pytest.raises(BadArtifact, match=r"calibration.json is not a calibration"):
        read_calibration(tmp_path / "calibration.json")
