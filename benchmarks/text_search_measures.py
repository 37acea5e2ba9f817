"""How well fused lists find what is right, and the weights of fusion that find it best."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from shop_queries import TextQuery
from text_search_shops import names_of

from photosearch.search.fusion import Scores, by_ranks, by_scores

WEIGHTS = (0.0, 0.1, 0.3, 1.0)


TUNED_ON = 600
"""Queries of the first shop that choose weights."""


RESAMPLES = 1000


Fuse = Callable[[Sequence[Scores]], dict[str, float]]


def measured_ways(
    queries: Sequence[TextQuery],
    lists: Sequence[Sequence[Scores]],
    ways: Mapping[str, Fuse],
    keep: Sequence[bool] | None = None,
) -> dict[str, object]:
    """Recall@1 and @10 with 95% intervals over cards, and the mean reciprocal rank."""
    rows = [n for n in range(len(queries)) if keep is None or keep[n]]
    cards = np.array([str(queries[n].card) for n in rows])
    measured: dict[str, object] = {"queries": len(rows)}
    for way, fuse in ways.items():
        ranks = np.array([_first_right(fuse(lists[n]), names_of(queries[n].right)) for n in rows])
        first, ten = (ranks <= 1).astype(float), (ranks <= 10).astype(float)
        measured[way] = {
            "recall_at_1": round(float(first.mean()), 3),
            "recall_at_1_95": interval_of(first, cards),
            "recall_at_10": round(float(ten.mean()), 3), "recall_at_10_95": interval_of(ten, cards),
            "mrr": round(float((1 / ranks).mean()), 3),
        }  # fmt: skip
    return measured


def recalls_of(
    ways: Mapping[str, Fuse],
    lists: Sequence[Sequence[Scores]],
    right: Sequence[set[str]],
    cards: NDArray[np.str_],
    keep: Sequence[bool],
) -> dict[str, list[float]]:
    """Recall@10 with its 95% interval over cards."""
    rows = np.flatnonzero(keep)
    made = {"asked": [float(len(rows))]}
    for way, fuse in ways.items():
        hits = np.array([_first_right(fuse(lists[n]), right[n]) <= 10 for n in rows], float)
        made[way] = [round(float(hits.mean()), 3), *interval_of(hits, cards[rows])]
    return made


def best_weights(
    lists: Sequence[Sequence[Scores]], right: Sequence[set[str]], slices: Sequence[str]
) -> tuple[dict[str, list[float]], dict[str, Fuse]]:
    """Weights of the three lists, for each fusion, with the best mean reciprocal rank.

    Each slice counts the same, however many queries it has.
    """
    chosen, fused = {}, {}
    grid = [w for w in product(WEIGHTS, repeat=3) if max(w) == 1.0]
    some = np.random.default_rng(7).permutation(len(lists))[:TUNED_ON].tolist()
    for name in ("rrf", "scores"):
        found = {
            w: [1 / _first_right(fused_by(name, w)(lists[n]), right[n]) for n in some] for w in grid
        }
        means = {w: _mean_of_slices(found[w], [slices[n] for n in some]) for w in grid}
        best = max(grid, key=lambda w, means=means: means[w])
        chosen[name], fused[name] = list(best), fused_by(name, best)
    return chosen, fused


def _mean_of_slices(values: Sequence[float], slices: Sequence[str]) -> float:
    named = np.array(slices)
    return float(np.mean([np.array(values)[named == one].mean() for one in np.unique(named)]))


def fused_by(name: str, weights: Sequence[float]) -> Fuse:
    if name == "rrf":
        return lambda lists: by_ranks(lists, weights, k=60)
    return lambda lists: by_scores(lists, weights)


def _first_right(fused: Mapping[str, float], right: set[str]) -> float:
    """From 1; infinite where nothing right was found."""
    ranks = (rank for rank, card in enumerate(fused, start=1) if card in right)
    return next(ranks, float("inf"))


def interval_of(values: NDArray[np.float64], cards: NDArray[np.str_]) -> list[float]:
    """95% of the means when cards are drawn anew."""
    random, (_, of_card) = np.random.default_rng(7), np.unique(cards, return_inverse=True)
    sums, counts = np.bincount(of_card, values), np.bincount(of_card)
    drawn = random.integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return np.quantile(means, (0.025, 0.975)).round(3).tolist()
