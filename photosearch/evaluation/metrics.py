"""Retrieval metrics, one number a query: callers average them or resample them.

All take `found`, (n_queries, n_ranks) bool: whether the card at each rank, best first, is relevant;
and `n_relevant`, (n_queries,): how many relevant cards the gallery holds, at least 1.
"""

import numpy as np
from numpy.typing import NDArray

Found = NDArray[np.bool_]
Counts = NDArray[np.int64]
PerQuery = NDArray[np.float64]
Grades = NDArray[np.float64]


def recall_at_k(found: Found, n_relevant: Counts, k: int) -> PerQuery:
    """1 if at least one relevant card is among the first `k`, else 0.

    Source: CMC@k in Musgrave et al. 2020, "A Metric Learning Reality Check", section 3.
    """
    _check(found, n_relevant, k)
    recall: PerQuery = np.asarray(found[:, :k].any(axis=1), np.float64)
    return recall


def precision_at_k(found: Found, n_relevant: Counts, k: int) -> PerQuery:
    """Share of relevant cards among the first `k`, of those that could be there.

    The divisor is min(k, n_relevant): with one relevant card the best possible is 1, not 1/k.
    """
    _check(found, n_relevant, k)
    precision: PerQuery = np.asarray(found[:, :k].sum(axis=1) / np.minimum(k, n_relevant))
    return precision


def reciprocal_rank(found: Found, n_relevant: Counts) -> PerQuery:
    """1 / rank of the first relevant card; 0 if none was found. Its mean is the MRR."""
    _check(found, n_relevant, 1)
    first = found.argmax(axis=1)
    reciprocal: PerQuery = np.asarray(np.where(found.any(axis=1), 1.0 / (first + 1), 0.0))
    return reciprocal


def average_precision_at_k(found: Found, n_relevant: Counts, k: int) -> PerQuery:
    """Mean, over the relevant cards, of precision at the rank where each was found.

    Source: mAP@R in Musgrave et al. 2020, with R replaced by min(k, n_relevant).
    """
    _check(found, n_relevant, k)
    hits = found[:, :k]
    precision = hits.cumsum(axis=1) / np.arange(1, k + 1)
    average: PerQuery = np.asarray((precision * hits).sum(axis=1) / np.minimum(k, n_relevant))
    return average


def ndcg_at_k(found: Found, n_relevant: Counts, k: int) -> PerQuery:
    """Discounted gain of the relevant cards, as a share of the best possible order's.

    Source: Järvelin and Kekäläinen 2002, with gain 1 for relevant cards and log2 discount.
    """
    _check(found, n_relevant, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = discount.cumsum()[np.minimum(k, n_relevant) - 1]
    ndcg: PerQuery = np.asarray((found[:, :k] * discount).sum(axis=1) / best)
    return ndcg


def graded_ndcg_at_k(shown: Grades, best: Grades, k: int) -> PerQuery:
    """Discounted gain of graded cards, 2^grade - 1 each, as a share of the best possible order's.

    Args:
        shown: Grade in [0, 5] of the card at each rank, best rank first, (n_queries, n_ranks).
        best: Grades of all graded cards of the query, highest first, (n_queries, at least k);
            filled up with 0.
        k: At most n_ranks.

    Returns:
        In [0, 1]; 0 where the query has no card above grade 0.

    Source: Burges et al. 2005, "Learning to Rank using Gradient Descent", section 6.
    """
    if not 1 <= k <= min(shown.shape[1], best.shape[1]):
        raise ValueError(
            f"k is {k}, but there are {shown.shape[1]} ranks and {best.shape[1]} best grades."
        )
    discount = 1 / np.log2(np.arange(2, k + 2))
    gain, most = (((2.0 ** grades[:, :k] - 1) * discount).sum(axis=1) for grades in (shown, best))
    ndcg: PerQuery = np.divide(gain, most, out=np.zeros(len(shown)), where=most > 0)
    return ndcg


def _check(found: Found, n_relevant: Counts, k: int) -> None:
    if not 1 <= k <= found.shape[1]:
        raise ValueError(f"k is {k}, but there are {found.shape[1]} ranks.")
    if len(n_relevant) and n_relevant.min() < 1:
        raise ValueError(f"{(n_relevant < 1).sum()} queries have nothing relevant to find.")
