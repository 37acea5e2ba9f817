"""Several ranked lists of cards become one; knows nothing of how they were found."""

from collections.abc import Mapping, Sequence

Scores = Mapping[str, float]
"""By card id, any scale; more is better."""


def by_ranks(lists: Sequence[Scores], weights: Sequence[float], *, k: int) -> dict[str, float]:
    """Reciprocal rank fusion, best first, as shares of the most a card can get: in (0, 1].

    Cards of equal score share a rank, the middle of the places they take: BM25 gives many cards
    that have the one word asked for the same score, and their order means nothing.

    Args:
        lists: Of any length; a card that a list lacks gets nothing from it.
        weights: One a list; a sum above 0.
        k: See `rrf_k` in params.yaml.

    Source: Cormack et al. 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
    Learning Methods".
    """
    fused: dict[str, float] = {}
    for scores, weight in zip(lists, weights, strict=True):
        for card_id, rank in _ranks(scores).items():
            fused[card_id] = fused.get(card_id, 0.0) + weight / (k + rank)
    most = sum(weights) / (k + 1)
    return _best_first({card_id: score / most for card_id, score in fused.items()})


def by_scores(lists: Sequence[Scores], weights: Sequence[float]) -> dict[str, float]:
    """Weighted mean of scores, each list's brought to 0 (its least) to 1 (its best), best first.

    Where all scores of a list are equal they are 1.

    Source: Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", section 3.
    """
    fused: dict[str, float] = {}
    for scores, weight in zip(lists, weights, strict=True):
        if not scores:
            continue
        least, best = min(scores.values()), max(scores.values())
        for card_id, score in scores.items():
            share = (score - least) / (best - least) if best > least else 1.0
            fused[card_id] = fused.get(card_id, 0.0) + weight * share
    total = sum(weights)
    return _best_first({card_id: score / total for card_id, score in fused.items()})


def _ranks(scores: Scores) -> dict[str, float]:
    """From 1; equal scores share the middle of their places."""
    ordered = sorted(scores, key=lambda card_id: -scores[card_id])
    ranks: dict[str, float] = {}
    start = 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and scores[ordered[end]] == scores[ordered[start]]:
            end += 1
        for card_id in ordered[start:end]:
            ranks[card_id] = (start + 1 + end) / 2
        start = end
    return ranks


def _best_first(fused: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(fused.items(), key=lambda scored: (-scored[1], scored[0])))
