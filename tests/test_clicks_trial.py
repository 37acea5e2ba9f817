"""What clicks add to the ranker: how much of it counts, and when it may go live."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found_cards import found, hit, ids

from photosearch.catalog.schemas import Impression
from photosearch.ranking_settings import RankingParams
from photosearch.search.features import FEATURES, Evidence, card_features
from photosearch.search.popularity import Popularity
from photosearch.settings import load_params
from training.clicks_trial import part_by_time, try_clicks
from training.ranker import choose_ranker, train_ranker
from training.ranker_data import Answered

RANKING = load_params(Path(__file__).parents[1] / "params.yaml").ranking
CARDS = "abcdef"


def ranking(**changes: float) -> RankingParams:
    """With few rows a leaf, for these logs are short."""
    chosen = RANKING.ranker.model_copy(update={"rows_a_leaf": 10, "short_length": 2} | changes)
    return RANKING.model_copy(update={"ranker": chosen})


def answered(number: int, *, right: int = 0, gap: float = 0.2) -> Answered:
    """Six cards of random prices; the first stands out by `gap`, the others are equally near."""
    prices = np.random.default_rng(number).uniform(50, 200, len(CARDS)).tolist()
    cards = [
        found(f"{name}{number}", 0.9 if place == 0 else 0.9 - gap, price=price)
        for place, (name, price) in enumerate(zip(CARDS, prices, strict=True))
    ]
    hits = [hit(card.traits.card_id, 0, card.cosine) for card in cards]
    is_right = np.arange(len(CARDS)) == right
    return Answered(f"product-{number}", cards, Evidence(hits), is_right, 1)


def clicks(numbers: range, *, cheapest: bool = True) -> list[Impression]:
    """Each shopper clicks the cheapest card of an answer; or one by chance, as ranks are seen."""
    shown, random = list[Impression](), np.random.default_rng(0)
    looked = 1 / np.arange(1, len(CARDS) + 1)
    for number in numbers:
        one = answered(number)
        table = card_features(one.found, one.evidence, Popularity({}, 0.0), None)
        prices = [card.traits.price or 0.0 for card in one.found]
        by_chance = random.choice(len(CARDS), p=looked / looked.sum())
        clicked = int(np.argmin(prices) if cheapest else by_chance)
        shown += [
            Impression(f"q{number}", card.traits.card_id, rank, rank == clicked + 1,
                       dict(zip(FEATURES, row.tolist(), strict=True)))
            for rank, (card, row) in enumerate(zip(one.found, table, strict=True), start=1)
        ]  # fmt: skip
    return shown


LEARNED: Sequence[Answered] = [answered(n) for n in range(30)]
TRUE = [answered(n) for n in range(2000, 2100)]
"""Held-out photos of which the first card is the product."""
SHOPPED = clicks(range(1000, 1400))


def test_later_answers_judge_and_earlier_ones_teach():
    shown = clicks(range(10))
    log = part_by_time(shown, RANKING.ranker.trial)
    assert [cards[0].query_id for cards in log.held_out] == ["q7", "q8", "q9"]
    assert {card.query_id for card in log.taught} == {f"q{n}" for n in range(7)}
    silent = [replace(card, is_clicked=False) for card in clicks(range(50, 90))]
    assert part_by_time([*shown, *silent], RANKING.ranker.trial).held_out == log.held_out
    assert part_by_time([], RANKING.ranker.trial).taught == []


def test_clicks_that_please_shoppers_and_leave_the_truth_on_top_are_used():
    trained, report = choose_ranker(LEARNED, TRUE, SHOPPED, ranking(clicks_share=0.1), model_id="m")
    assert (report.refused, report.trial.is_better) == ("", True)
    assert report.lessons_of_clicks == 280
    assert [one.metric for one in report.trial.metrics][-1] == "clicks"
    asked = TRUE[0]
    order = ids(trained.running().rank(asked.found, asked.evidence))
    price_of = {card.traits.card_id: card.traits.price or 0.0 for card in asked.found}
    assert order[0] == asked.found[0].traits.card_id
    assert price_of[order[1]] == min(price_of[card_id] for card_id in order[1:])


def test_clicks_that_cost_truth_are_refused_however_they_please_shoppers():
    nearly_equal = [answered(n, gap=0.001) for n in range(2000, 2100)]
    trained, report = choose_ranker(
        LEARNED, nearly_equal, SHOPPED, ranking(clicks_share=0.1), model_id="m"
    )
    assert "surely lose less than 0.02 of nDCG@10" in report.refused
    shoppers_gain = float(report.refused.split("held-out shoppers gain ")[1].split()[0])
    assert shoppers_gain > 0
    assert (trained.lessons_of_clicks, report.lessons_of_clicks) == (0, 0)
    assert not report.trial.is_better


def test_clicks_by_chance_are_refused_though_they_cost_no_truth():
    by_chance = clicks(range(1000, 1400), cheapest=False)
    _, report = choose_ranker(LEARNED, TRUE, by_chance, ranking(), model_id="m")
    assert "not used, it must please shoppers surely" in report.refused


def test_what_labels_have_won_is_what_clicks_are_compared_with():
    taught = train_ranker(LEARNED, SHOPPED, ranking(), model_id="m").running()
    again = try_clicks(taught, taught, TRUE, [SHOPPED[:6]] * 200, ranking())
    assert {one.gain.value for one in again.metrics} == {0.0}
    assert not again.is_better


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_share_of_what_clicks_teach_is_added_to_what_labels_teach(share: float):
    learned = [answered(n, right=n % 2) for n in range(30)]
    asked = card_features(TRUE[0].found, TRUE[0].evidence, Popularity({}, 0.0), None)
    none, part, whole = (
        train_ranker(learned, SHOPPED, ranking(clicks_share=some), model_id="m")
        .running()
        .moves(asked)
        for some in (1e-9, share, 1.0)
    )
    assert np.abs(whole - none).max() > 0.01
    assert part - none == pytest.approx(share * (whole - none), abs=1e-6)


def test_without_labels_clicks_start_from_the_candidates():
    trained = train_ranker(LEARNED, SHOPPED, ranking(), model_id="m", with_labels=False)
    assert (trained.lessons_of_labels, trained.lessons_of_clicks) == (0, 400)
    assert trained.running().trees.num_trees() == RANKING.ranker.trees
