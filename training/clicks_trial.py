"""May what clicks taught go live? Asks held-out photos for truth, and held-out shoppers for clicks.

Clicks are logged answers that taught nothing. Their shoppers saw another order: what they clicked
counts by how likely its rank was looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import floor

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Impression
from photosearch.evaluation.intervals import Estimate
from photosearch.evaluation.metrics import PerQuery
from photosearch.feedback.hindsight import worth_of_order
from photosearch.ranking_settings import PropensityParams, RankerTrialParams, RankingParams
from photosearch.search.boosted_ranker import BoostedRanker
from photosearch.search.candidates import EXACT_COSINE
from photosearch.search.features import FEATURES, row_of
from training.ranker_data import Answered
from training.ranker_trial import Trial, compare, compare_truth

CLICKS = "clicks"
"""Metric: debiased clicks an answer, discounted by rank; see `worth_of_order`."""


@dataclass(frozen=True, slots=True)
class ClickLog:
    """Impressions in the order of the log, parted by time."""

    taught: list[Impression]
    held_out: list[list[Impression]]
    """Later answers of which something was clicked: only they can tell two orders apart."""


def part_by_time(shown: Sequence[Impression], rules: RankerTrialParams) -> ClickLog:
    """The last answers judge, those before teach: shoppers of tomorrow are whom a ranker serves.

    Args:
        shown: In the order of the log, the cards of an answer together.
        rules: See params.yaml.
    """
    answers = [list(cards) for _, cards in groupby(shown, key=lambda row: row.query_id)]
    clicked = [n for n, cards in enumerate(answers) if any(card.is_clicked for card in cards)]
    n_judging = floor(rules.held_out_share * len(clicked))
    first = clicked[-n_judging] if n_judging else len(answers)
    return ClickLog(
        [card for cards in answers[:first] for card in cards],
        [answers[n] for n in clicked[len(clicked) - n_judging :]],
    )


def try_clicks(
    ranker: BoostedRanker,
    champion: BoostedRanker | None,
    answers: Sequence[Answered],
    held_out: Sequence[Sequence[Impression]],
    ranking: RankingParams,
) -> Trial:
    """Compares a ranker that clicks have taught with what would be used without it.

    It is better if shoppers would surely have found what they clicked further up (95% interval
    above 0), and truth is not lost: nDCG@10 on the photo's own product surely falls by less than
    `truth_margin`, recall@1 falls by no more. Answers whose first card is the same rise and fall
    together, so they are drawn as one: the tables do not tell who a shopper was.

    Args:
        ranker: Has seen neither `answers` nor `held_out`.
        champion: Of labels alone; None: candidates alone.
        answers: To held-out photos.
        held_out: Answers with clicks, their cards by rank.
        ranking: See params.yaml.
    """
    rules, truth = ranking.ranker.trial, compare_truth(ranker, answers, champion=champion)
    if len(held_out) < rules.answers_min:
        reason = f"{len(held_out)} held-out answers with clicks are too few to judge"
        return replace(truth, reason=f"{reason}, {rules.answers_min} are needed: not used")
    gain_of = {compared.metric: compared.gain for compared in truth.metrics}
    ndcg, recall = gain_of["ndcg_at_10"], gain_of["recall_at_1"].value
    keeps_truth = _is_above(ndcg, -rules.truth_margin) and recall >= -rules.truth_margin
    worth = [worth_in_hindsight(one, held_out, ranking.propensity) for one in (champion, ranker)]
    shoppers = compare(CLICKS, worth[0], worth[1], [cards[0].card_id for cards in held_out])
    is_better = keeps_truth and _is_above(shoppers.gain, 0)
    return replace(
        truth,
        metrics=[*truth.metrics, shoppers],
        is_better=is_better,
        reason=f"held-out shoppers gain {shoppers.gain}, nDCG@10 changes by {ndcg}, recall@1 by "
        f"{recall:+.4f}: the ranker of clicks is "
        + ("used" if is_better else "not used, it must please shoppers surely and surely lose "
           f"less than {rules.truth_margin:g} of nDCG@10, and of recall@1 no more"),
    )  # fmt: skip


def worth_in_hindsight(
    ranker: BoostedRanker | None,
    held_out: Sequence[Sequence[Impression]],
    looks: PropensityParams,
) -> PerQuery:
    """How high a ranker would have put what shoppers clicked, by answer; (n_answers,)."""
    worth = []
    for cards in held_out:
        table = np.array([row_of(card.features) for card in cards])
        order = np.argsort(-_scores(ranker, table), kind="stable")
        clicked_at = {card.card_id: card.rank for card in cards if card.is_clicked}
        worth.append(worth_of_order([cards[n].card_id for n in order], clicked_at, looks))
    return np.array(worth)


def _scores(ranker: BoostedRanker | None, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of the evidence, moved by a ranker; cards of the query photo itself stay first."""
    score, cosine = (table[:, FEATURES.index(name)] for name in ("score", "cosine"))
    if ranker is None:
        return np.asarray(score)
    return np.where(cosine >= EXACT_COSINE, np.inf, score + ranker.moves(table))


def _is_above(gain: Estimate, least: float) -> bool:
    """Whether a gain is surely above a number."""
    return gain.low is not None and gain.low > least
