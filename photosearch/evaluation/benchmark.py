"""Queries against a gallery: ranks cards at each vector length and measures the order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors
from photosearch.errors import EmptySource
from photosearch.evaluation import metrics
from photosearch.evaluation.metrics import Counts, Found, PerQuery
from photosearch.evaluation.nearest import nearest_cards, numbered

RANKS = 10
"""Cards looked at a query."""


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

    Of equally near cards the one with the lower id comes first. Memory: see nearest.py.

    Raises:
        EmptySource: Some query's product is not in the gallery at all.
    """
    card_ids, card_of_photo = numbered(gallery.card_ids)
    group_of = dict(zip(gallery.card_ids, gallery.groups, strict=True))
    card_groups = np.array([group_of[card_id] for card_id in card_ids])
    nearest = nearest_cards(queries.vectors, gallery.vectors, card_of_photo, length=length, k=RANKS)
    is_card = nearest.cards >= 0
    found = is_card & (card_groups[nearest.cards] == np.array(queries.groups)[:, None])
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
