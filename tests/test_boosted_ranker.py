"""The boosted ranker: learns from answers and clicks, says why."""

from dataclasses import replace

import numpy as np
import pytest
from found_cards import found, ids
from small_ranker import CHOSEN, MANIFEST, NO_CLICKS, PHOTOS, VECTORS, answered, small_ranker

from photosearch.catalog.schemas import Card, CuratedPhoto, Impression
from photosearch.ranking_settings import PropensityParams
from photosearch.search.features import FEATURES, SHOP, Evidence
from training.ranker import TrainedRanker
from training.ranker_data import (
    Lesson,
    Shelf,
    ask_shelf,
    exact_index,
    lesson_of,
    lessons_from_clicks,
)
from training.ranker_trees import fit_trees
from training.ranker_trial import try_ranker

LOOKS = PropensityParams(steepness=1.0, least=0.05)


def column(name: str) -> int:
    return FEATURES.index(name)


@pytest.fixture(scope="module")
def trained() -> TrainedRanker:
    return small_ranker()


def test_what_answers_teach_puts_the_right_card_first(trained: TrainedRanker):
    asked = answered(0)
    ranked = trained.running().rank(asked.found, asked.evidence)
    assert ids(ranked) == ["right", "wrong", "far"]
    assert all(card.reasons == () for card in ranked)


def test_the_same_lessons_make_the_same_trees(trained: TrainedRanker):
    lessons = [
        lesson_of(answered(n, right_votes=2 + n % 3), NO_CLICKS, MANIFEST.curve, n_cards=10)
        for n in range(40)
    ]
    assert fit_trees(lessons, [], CHOSEN, slope=MANIFEST.slope) == trained.trees


def test_reasons_are_features_and_add_up_to_the_move(trained: TrainedRanker):
    asked, unexplained = answered(0), []
    for card in trained.running().rank(asked.found, asked.evidence, explain=True):
        before = next(one for one in asked.found if one.traits == card.traits)
        assert {reason.step for reason in card.reasons} == {"rank"}
        assert {reason.what for reason in card.reasons} <= set(FEATURES)
        told = sum(reason.value or 0 for reason in card.reasons)
        unexplained.append(card.score - before.score - told)
    assert unexplained == pytest.approx([unexplained[0]] * 3, abs=1e-3)  # what all cards share


def test_cards_after_the_first_few_stay_behind_in_their_order(trained: TrainedRanker):
    ranker = replace(trained.running(), manifest=replace(MANIFEST, cards_most=2))
    asked = answered(0)
    rest = [found("x", 0.3), found("y", 0.2)]
    ranked = ranker.rank([*asked.found, *rest], asked.evidence)
    assert ids(ranked) == ["right", "wrong", "far", "x", "y"]
    assert [card.score for card in ranked] == sorted((c.score for c in ranked), reverse=True)


def test_the_query_itself_stays_first(trained: TrainedRanker):
    asked = answered(0)
    itself = found("itself", 1.0)._replace(score=2.0)
    ranked = trained.running().rank([itself, *asked.found], asked.evidence)
    assert (ids(ranked)[0], ranked[0].score) == ("itself", 2.0)


def test_nothing_found_stays_nothing(trained: TrainedRanker):
    assert trained.running().rank([], Evidence([])) == []


def test_labels_teach_nothing_of_the_shop():
    lesson = lesson_of(answered(0), NO_CLICKS, MANIFEST.curve, n_cards=2)
    assert len(lesson.features) == 2
    assert np.isnan(lesson.features[:, [column(name) for name in SHOP]]).all()
    assert not np.isnan(lesson.features[:, column("cosine")]).any()


def impressions(clicked: str, order: str = "abc") -> list[Impression]:
    return [
        Impression(
            "q1", card, rank, card in clicked,
            dict.fromkeys(FEATURES, float("nan")) | {"score": 1 - rank / 10},
        )
        for rank, card in enumerate(order, 1)
    ]  # fmt: skip


def test_each_click_is_a_lesson_that_weighs_as_rarely_as_its_rank_is_looked_at():
    first, second = lessons_from_clicks(impressions("ac"), LOOKS)
    assert (first.weight, second.weight) == (1, pytest.approx(3))
    assert first.is_wanted.tolist() == [True, False]  # the other clicked card is no rival
    assert second.is_wanted.tolist() == [False, True]
    assert second.scores.tolist() == pytest.approx([0.8, 0.7])


def test_answers_without_clicks_or_without_rivals_teach_nothing():
    assert lessons_from_clicks(impressions(""), LOOKS) == []
    assert lessons_from_clicks(impressions("a", order="a"), LOOKS) == []


def test_clicks_teach_what_shoppers_prefer():
    random, lessons = np.random.default_rng(0), list[Lesson]()
    for _ in range(100):
        table = np.full((5, len(FEATURES)), np.nan)
        table[:, column("price_distance")] = random.uniform(-1, 1, 5)
        cheapest = np.arange(5) == table[:, column("price_distance")].argmin()
        lessons.append(Lesson(table, np.full(5, 0.7), cheapest, 1.0))
    trees = fit_trees([], lessons, CHOSEN, slope=MANIFEST.slope)
    ranker = TrainedRanker(MANIFEST, trees, [], 0, 100).running()
    cards = [found("dear", 0.8, price=200.0), found("cheap", 0.8, price=50.0),
             found("usual", 0.8, price=100.0)]  # fmt: skip
    assert ids(ranker.rank(cards, Evidence([])))[0] == "cheap"


CARDS = {
    card_id: Card(card_id, card_id, None, None, ["Home"], None, None, 1.0, group)
    for card_id, group in (("mug", "g1"), ("cup", "g2"), ("twin", "g1"))
}


def shelf(joined: set[frozenset[str]]) -> Shelf:
    return Shelf(exact_index(PHOTOS, VECTORS), PHOTOS, VECTORS, CARDS, joined, 2, 100, None)


def test_a_training_photo_does_not_find_itself_nor_its_review():
    (asked,) = ask_shelf(shelf(set()), PHOTOS[1:2], VECTORS[1:2])
    assert [h.photo_id for h in asked.evidence.hits][:2] == ["mug/gallery/0", "cup/gallery/0"]
    assert not {"mug/review/r1/0", "mug/review/r1/1"} & {h.photo_id for h in asked.evidence.hits}
    assert dict(zip(ids(asked.found), asked.is_right, strict=True)) == {
        "mug": True, "cup": False, "twin": True,
    }  # fmt: skip
    assert asked.n_right == 2
    assert asked.evidence.short_cosines["mug/gallery/0"] == pytest.approx(2 / 5**0.5, abs=1e-3)


def test_products_that_people_called_the_same_are_right_too():
    (asked,) = ask_shelf(shelf({frozenset(("g1", "g2"))}), PHOTOS[1:2], VECTORS[1:2])
    assert asked.is_right.all()
    assert asked.n_right == 3


def test_a_photo_whose_product_is_not_on_the_shelf_teaches_nothing():
    stranger = CuratedPhoto("hat/review/r/0", "hat", "review", "9", "train", True)
    cards = CARDS | {"hat": replace(CARDS["mug"], card_id="hat", group_id="g9")}
    assert ask_shelf(replace(shelf(set()), cards=cards), [stranger], VECTORS[:1]) == []


def test_a_ranker_is_better_if_ndcg_rises_surely(trained: TrainedRanker):
    trial = try_ranker(trained.running(), [answered(n) for n in range(30)])
    assert trial.is_better
    recall = trial.metrics[0]
    assert (recall.metric, recall.without.value, recall.ranked.value) == ("recall_at_1", 0, 1)
    assert (trial.queries, trial.products) == (30, 30)


def test_a_ranker_that_loses_recall_or_changes_nothing_is_not_used(trained: TrainedRanker):
    turned = [replace(answered(n), is_right=np.array([True, False, False])) for n in range(30)]
    worse = try_ranker(trained.running(), turned)
    assert not worse.is_better
    assert "not used" in worse.reason
    alone = [replace(answered(n), found=answered(n).found[:2], is_right=np.array([True, True]),
                     n_right=2) for n in range(30)]  # fmt: skip
    assert not try_ranker(trained.running(), alone).is_better
