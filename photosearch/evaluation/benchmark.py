"""Queries against a gallery: ranks cards at each vector length and measures the order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors, shorten
from photosearch.errors import EmptySource
from photosearch.evaluation import metrics
from photosearch.evaluation.metrics import Counts, Found, PerQuery

RANKS = 10
"""Cards looked at a query."""
QUERIES_A_BLOCK = 256


@dataclass(frozen=True, slots=True)
class PhotoVectors:
    """Query photos: the product group each looks for, and its unit vector, (n_photos, dim)."""

    groups: list[str]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Gallery:
    """Photos to be found, and the card and product group each belongs to."""

    card_ids: list[str]
    groups: list[str]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a model answered to every query, and what it should have found."""

    found: Found
    """(n_queries, RANKS): is the card at this rank of the query's product?"""
    n_relevant: Counts
    """(n_queries,): cards of the query's product in the gallery."""


def rank_cards(queries: PhotoVectors, gallery: Gallery, *, length: int) -> Ranking:
    """Ranks the gallery's cards for every query by their nearest photo, exactly.

    Memory: QUERIES_A_BLOCK x n_gallery cosines at a time.

    Raises:
        EmptySource: Some query's product is not in the gallery at all.
    """
    order = np.argsort(np.array(gallery.card_ids), kind="stable")
    card_ids, starts = np.unique(np.array(gallery.card_ids)[order], return_index=True)
    card_groups = np.array(gallery.groups)[order][starts]
    photo_vectors = shorten(gallery.vectors[order], length)
    query_vectors = shorten(queries.vectors, length)
    groups = np.array(queries.groups)
    n_ranks = min(RANKS, len(card_ids))
    found = np.zeros((len(groups), RANKS), np.bool_)
    for start in range(0, len(groups), QUERIES_A_BLOCK):
        block = slice(start, start + QUERIES_A_BLOCK)
        cosines = query_vectors[block] @ photo_vectors.T
        by_card = np.maximum.reduceat(cosines, starts, axis=1)
        best = np.argsort(-by_card, axis=1, kind="stable")[:, :n_ranks]
        found[block, :n_ranks] = card_groups[best] == groups[block, None]
    return Ranking(found, relevant_cards(queries.groups, card_groups.tolist()))


def relevant_cards(query_groups: Sequence[str], card_groups: Sequence[str]) -> Counts:
    """How many of the gallery's cards are each query's product, (n_queries,).

    Raises:
        EmptySource: Some query's product is not in the gallery at all.
    """
    names, counts = np.unique(np.array(card_groups), return_counts=True)
    count_of = dict(zip(names.tolist(), counts.tolist(), strict=True))
    absent = [group for group in query_groups if group not in count_of]
    if absent:
        raise EmptySource(
            f"{len(absent)} queries look for products that the gallery does not hold, the first "
            f"is {absent[0]!r}. Search a gallery of the same catalogue (`--gallery source`)."
        )
    return np.array([count_of[group] for group in query_groups], np.int64)


def measure(ranking: Ranking) -> dict[str, PerQuery]:
    """Every metric by name, one number a query."""
    found, n_relevant = ranking.found, ranking.n_relevant
    return {
        "recall_at_1": metrics.recall_at_k(found, n_relevant, 1),
        "recall_at_5": metrics.recall_at_k(found, n_relevant, 5),
        "recall_at_10": metrics.recall_at_k(found, n_relevant, 10),
        "precision_at_1": metrics.precision_at_k(found, n_relevant, 1),
        "precision_at_5": metrics.precision_at_k(found, n_relevant, 5),
        "mrr": metrics.reciprocal_rank(found, n_relevant),
        "map_at_10": metrics.average_precision_at_k(found, n_relevant, 10),
        "ndcg_at_10": metrics.ndcg_at_k(found, n_relevant, 10),
    }


def averages(per_query: Mapping[str, PerQuery], keep: NDArray[np.bool_]) -> dict[str, float]:
    """Mean of each metric over the queries where `keep`, rounded to four digits."""
    return {name: round(float(values[keep].mean()), 4) for name, values in per_query.items()}
