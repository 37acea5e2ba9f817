"""Metrics of a ranking, each computed by hand."""

import numpy as np
import pytest

from photosearch.evaluation import metrics
from photosearch.evaluation.benchmark import (
    Ranking,
    measure,
)

FOUND = np.array([
    [0, 1, 0, 1, 0],  # two relevant cards, found second and fourth
    [1, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
], np.bool_)  # fmt: skip
N_RELEVANT = np.array([2, 1, 3])


def test_recall_asks_whether_any_relevant_card_was_found():
    assert metrics.recall_at_k(FOUND, N_RELEVANT, 1).tolist() == [0, 1, 0]
    assert metrics.recall_at_k(FOUND, N_RELEVANT, 2).tolist() == [1, 1, 0]


def test_precision_is_of_what_could_be_there():
    assert metrics.precision_at_k(FOUND, N_RELEVANT, 2).tolist() == [0.5, 1, 0]
    assert metrics.precision_at_k(FOUND, N_RELEVANT, 5).tolist() == [1, 1, 0]


def test_reciprocal_rank_is_of_the_first_relevant_card():
    assert metrics.reciprocal_rank(FOUND, N_RELEVANT).tolist() == [0.5, 1, 0]


def test_average_precision_by_hand():
    by_hand = [(1 / 2 + 2 / 4) / 2, 1, 0]
    assert metrics.average_precision_at_k(FOUND, N_RELEVANT, 5) == pytest.approx(by_hand)
    assert metrics.average_precision_at_k(FOUND, N_RELEVANT, 3) == pytest.approx([0.25, 1, 0])


def test_ndcg_by_hand():
    best = 1 + 1 / np.log2(3)
    by_hand = [(1 / np.log2(3) + 1 / np.log2(5)) / best, 1, 0]
    assert metrics.ndcg_at_k(FOUND, N_RELEVANT, 5) == pytest.approx(by_hand)


def test_a_perfect_order_of_more_cards_than_ranks_is_one_by_every_metric():
    found, n_relevant = np.ones((1, 10), np.bool_), np.array([25])
    for name, values in measure(Ranking(found, n_relevant)).items():
        assert values.tolist() == [pytest.approx(1)], name


@pytest.mark.parametrize("k", [0, 6])
def test_a_metric_beyond_the_ranks_is_refused(k: int):
    with pytest.raises(ValueError, match=f"k is {k}, but there are 5 ranks"):
        metrics.recall_at_k(FOUND, N_RELEVANT, k)


def test_a_query_with_nothing_to_find_is_refused():
    with pytest.raises(ValueError, match="1 queries have nothing relevant to find"):
        metrics.ndcg_at_k(FOUND, np.array([2, 0, 1]), 5)
