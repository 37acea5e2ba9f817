"""Does a ranker put the right cards first? The same answers with it and without, query by query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from photosearch.evaluation.intervals import Estimate, draw, mean_interval
from photosearch.evaluation.metrics import (
    Found,
    PerQuery,
    ndcg_at_k,
    recall_at_k,
    reciprocal_rank,
)
from photosearch.search.boosted_ranker import BoostedRanker
from training.ranker_data import Answered
from training.ranker_words import Kind

BEST = 10


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric without the ranker and with it; intervals draw products anew."""

    metric: str
    without: Estimate
    ranked: Estimate
    gain: Estimate


@dataclass(frozen=True, slots=True)
class Trial:
    queries: int
    products: int
    metrics: list[Compared]
    """Of truth; and of clicks, where clicks were asked."""
    is_better: bool
    reason: str


def try_ranker(ranker: BoostedRanker, answers: Sequence[Answered]) -> Trial:
    """Ranks answers whose product is known.

    The ranker is better if nDCG@10 rises for sure (its 95% interval is above 0) and recall@1 does
    not fall.
    """
    trial = compare_truth(ranker, answers)
    gain_of = {compared.metric: compared.gain for compared in trial.metrics}
    surely, recall = gain_of["ndcg_at_10"], gain_of["recall_at_1"].value
    is_better = surely.low is not None and surely.low > 0 and recall >= 0
    return replace(
        trial,
        is_better=is_better,
        reason=f"nDCG@10 changes by {surely}, recall@1 by {recall:+.4f}: the ranker is "
        + ("used" if is_better else "not used, it must raise nDCG@10 surely and lose no recall@1"),
    )


def try_with_words(ranker: BoostedRanker, asked: Mapping[Kind, Sequence[Answered]]) -> Trial:
    """Ranks answers to photos with words; better is what `try_ranker` finds better for each kind.

    Args:
        ranker: Has not seen them.
        asked: By the kind of words; at least one.
    """
    trials = {kind: try_ranker(ranker, answers) for kind, answers in asked.items()}
    return Trial(
        sum(trial.queries for trial in trials.values()),
        len({answered.product for answers in asked.values() for answered in answers}),
        [
            replace(compared, metric=f"{kind} {compared.metric}")
            for kind, trial in trials.items()
            for compared in trial.metrics
        ],
        is_better=all(trial.is_better for trial in trials.values()),
        reason="; ".join(f"words of a {kind}: {trial.reason}" for kind, trial in trials.items()),
    )


def compare_truth(
    ranker: BoostedRanker, answers: Sequence[Answered], *, champion: BoostedRanker | None = None
) -> Trial:
    """Ranks answers whose product is known, by two rankers; decides nothing.

    Args:
        ranker: Is tried.
        answers: To held-out photos.
        champion: Is compared with; None: candidates alone.
    """
    before, after = (
        measure(answers, found_right(answers, [ranked_right(one, some) for some in answers]))
        for one in (champion, ranker)
    )
    products = [answered.product for answered in answers]
    metrics = [compare(name, before[name], after[name], products) for name in before]
    return Trial(len(answers), len(set(products)), metrics, is_better=False, reason="")


def ranked_right(ranker: BoostedRanker | None, answered: Answered) -> Found:
    """Which cards are right, in the order of a ranker or of the candidates; (n_found,)."""
    if ranker is None:
        return answered.is_right
    row_of = {card.traits.card_id: row for row, card in enumerate(answered.found)}
    ranked = ranker.rank(answered.found, answered.evidence)
    return np.asarray(answered.is_right[[row_of[card.traits.card_id] for card in ranked]])


def found_right(answers: Sequence[Answered], right: Sequence[Found]) -> Found:
    """The first BEST ranks of each answer, (n_queries, BEST); False where fewer were found."""
    found = np.zeros((len(answers), BEST), np.bool_)
    for row, of_query in enumerate(right):
        found[row, : len(of_query)] = of_query[:BEST]
    return found


def measure(answers: Sequence[Answered], found: Found) -> dict[str, PerQuery]:
    """Metrics by name, one number a query."""
    n_right = np.array([answered.n_right for answered in answers], np.int64)
    return {
        "recall_at_1": recall_at_k(found, n_right, 1),
        "ndcg_at_10": ndcg_at_k(found, n_right, BEST),
        "mrr": reciprocal_rank(found, n_right),
    }


def compare(metric: str, before: PerQuery, after: PerQuery, products: Sequence[str]) -> Compared:
    """Both means and their difference, paired by query."""
    drawn = draw(products)
    return Compared(
        metric,
        mean_interval(before, drawn),
        mean_interval(after, drawn),
        mean_interval(after - before, drawn),
    )
