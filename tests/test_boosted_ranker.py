"""The boosted ranker: learns from answers and clicks, goes into a release, says why."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found_cards import found, hit, ids

from photosearch.catalog.schemas import Card, CuratedPhoto, Impression
from photosearch.embedding.embedder import unit
from photosearch.errors import BadArtifact
from photosearch.ranking_settings import PropensityParams, RankerParams, RankerTrialParams
from photosearch.search.boosted_ranker import (
    BoostedRanker,
    RankerManifest,
    Rankers,
    rank_by_photo,
)
from photosearch.search.features import FEATURES, SHOP, Evidence
from photosearch.search.popularity import CardClicks, Popularity
from photosearch.search.query import Query, SearchRequest
from photosearch.search.ranker_folder import (
    TREES,
    VERDICT,
    WORDS,
    WORDS_VERDICT,
    better_trees,
    open_rankers,
    ranker_id,
    save_ranker,
    write_ranker,
)
from training.ranker import TrainedRanker
from training.ranker_data import (
    Answered,
    Lesson,
    Shelf,
    ask_shelf,
    exact_index,
    lesson_of,
    lessons_from_clicks,
)
from training.ranker_trees import fit_trees
from training.ranker_trial import try_ranker

CHOSEN = RankerParams(
    use=True, trees=40, leaves=4, rows_a_leaf=5, learning_rate=0.2, clicks_share=1.0,
    short_length=2, cards_a_query=10, queries_max=100, seed=7,
    trial=RankerTrialParams(held_out_share=0.3, answers_min=20, truth_margin=0.01),
)  # fmt: skip
LOOKS = PropensityParams(steepness=1.0, least=0.05)
MANIFEST = RankerManifest("m1", list(FEATURES), 10.0, -8.0, cards_most=10, short_length=2)
NO_CLICKS = Popularity({}, 0.0)


def column(name: str) -> int:
    return FEATURES.index(name)


def answered(number: int, *, right_votes: int = 3) -> Answered:
    """Three cards: the nearest is wrong, the second has more near photos and is right."""
    cards = [found("wrong", 0.80), found("right", 0.78), found("far", 0.5)]
    hits = [hit("wrong", 0, 0.80), *(hit("right", n, 0.78 - n / 100) for n in range(right_votes)),
            hit("far", 0, 0.5)]  # fmt: skip
    is_right = np.array([False, True, False])
    return Answered(f"product-{number}", cards, Evidence(hits), is_right, 1)


@pytest.fixture(scope="module")
def trained() -> TrainedRanker:
    """Has seen that many near photos mean more than a slightly nearer one."""
    lessons = [
        lesson_of(answered(n, right_votes=2 + n % 3), NO_CLICKS, MANIFEST.curve, n_cards=10)
        for n in range(40)
    ]
    trees = fit_trees(lessons, [], CHOSEN, slope=MANIFEST.slope)
    return TrainedRanker(MANIFEST, trees, [CardClicks("right", 10.0, 5)], len(lessons), 0)


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
        before = next(one for one in asked.found if one.facts == card.facts)
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
    itself = replace(found("itself", 1.0), score=2.0)
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


PHOTOS = [
    CuratedPhoto("mug/gallery/0", "mug", "gallery", "1", "train", True),
    CuratedPhoto("mug/review/r1/0", "mug", "review", "2", "train", True),
    CuratedPhoto("mug/review/r1/1", "mug", "review", "3", "train", True),
    CuratedPhoto("cup/gallery/0", "cup", "gallery", "4", "train", True),
    CuratedPhoto("twin/gallery/0", "twin", "gallery", "5", "train", True),
]
VECTORS = unit(np.array([[1, 0.5, 0], [1, 0, 0], [1, 0.01, 0], [0.9, 0.6, 0], [0, 0, 1.0]]))
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


def write_release(folder: Path, trained: TrainedRanker, *used: str) -> Rankers:
    """Saves, releases and opens a ranker; its trees serve photos alone and with words."""
    trees = dict.fromkeys((TREES, WORDS), trained.trees)
    save_ranker(folder / "build", trained.manifest, trees=trees, clicks=trained.clicks)
    photo_ids = [photo.photo_id for photo in PHOTOS]
    write_ranker(
        folder / "release", folder / "build", used or (TREES, WORDS),
        photo_ids=photo_ids, vectors=VECTORS,
    )  # fmt: skip
    return open_rankers(folder / "release", model_id="m1")


def the_one_alone(rankers: Rankers) -> BoostedRanker:
    assert rankers.alone is not None
    return rankers.alone


def test_a_released_ranker_orders_as_the_trained_one(trained: TrainedRanker, tmp_path: Path):
    released, asked = the_one_alone(write_release(tmp_path, trained)), answered(0)
    assert released.rank(asked.found, asked.evidence) == trained.running().rank(
        asked.found, asked.evidence
    )
    assert released.popular["right"] == trained.running().popular["right"]


def test_a_released_ranker_knows_the_short_cosines(trained: TrainedRanker, tmp_path: Path):
    hits = exact_index(PHOTOS, VECTORS).nearest(VECTORS[1], limit=10)
    short = the_one_alone(write_release(tmp_path, trained)).short
    cosines = short.cosines(VECTORS[1], [*hits, hit("new", 0, 0.1)])
    assert "new/gallery/0" not in cosines
    assert cosines["mug/gallery/0"] == pytest.approx(2 / 5**0.5, abs=1e-3)


def query_of(asked: Answered, **wishes: object) -> Query:
    return Query(SearchRequest(**wishes), None, VECTORS[1], asked.evidence.hits, None)


def test_a_photo_and_words_are_ranked_by_their_own_trees(trained: TrainedRanker, tmp_path: Path):
    asked = answered(0)
    for used, alone_first, worded_first in ((TREES, "right", "wrong"), (WORDS, "wrong", "right")):
        rank = rank_by_photo(write_release(tmp_path / used, trained, used), 2, None)
        assert ids(rank(asked.found, query_of(asked)))[0] == alone_first
        worded = rank(asked.found, replace(query_of(asked, text="mug"), text_scores={}))
        assert ids(worded)[0] == worded_first
        assert all(card.features is None for card in worded)  # clicks on them teach nothing


@pytest.mark.parametrize(
    "wishes", [{"liked": ("far",)}, {"disliked": ("right",)}, {"text": "mug", "liked": ("far",)}]
)
def test_where_likes_take_part_cards_keep_their_order(
    trained: TrainedRanker, tmp_path: Path, wishes: dict[str, object]
):
    asked = answered(0)
    rank = rank_by_photo(write_release(tmp_path, trained), 2, None)
    assert ids(rank(asked.found, query_of(asked, **wishes))) == ["wrong", "right", "far"]


def test_a_ranker_of_another_model_is_refused(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    with pytest.raises(BadArtifact, match="trained on model m1, the release has m2"):
        open_rankers(tmp_path / "release", model_id="m2")


def test_a_damaged_ranker_says_what_to_do(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    folder = tmp_path / "release"
    (folder / "trees.txt").write_text("no trees")
    with pytest.raises(BadArtifact, match="cannot be read"):
        open_rankers(folder, model_id="m1")
    for name in (TREES, WORDS):
        (folder / name).unlink()
    with pytest.raises(BadArtifact, match=r"neither trees.txt nor words.txt is there"):
        open_rankers(folder, model_id="m1")
    (folder / "ranker.json").unlink()
    with pytest.raises(BadArtifact, match="is not a ranker"):
        open_rankers(folder, model_id="m1")


def test_a_ranker_of_other_features_is_refused(trained: TrainedRanker, tmp_path: Path):
    manifest = replace(trained.manifest, features=["cosine"])
    save_ranker(tmp_path, manifest, trees={TREES: trained.trees}, clicks=[])
    with pytest.raises(BadArtifact, match="trained on 1 features"):
        open_rankers(tmp_path, model_id="m1")


def test_a_release_has_the_id_of_the_trained_ranker(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    name = ranker_id(tmp_path / "build", [TREES, WORDS])
    assert ranker_id(tmp_path / "release", [TREES, WORDS]) == name
    assert ranker_id(tmp_path / "build", [TREES]) != name
    more = [*trained.clicks, CardClicks("x", 1.0, 1)]
    trees = dict.fromkeys((TREES, WORDS), trained.trees)
    save_ranker(tmp_path / "build", trained.manifest, trees=trees, clicks=more)
    assert ranker_id(tmp_path / "build", [TREES, WORDS]) != name


def test_trees_of_an_earlier_training_do_not_stay(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    save_ranker(tmp_path / "build", trained.manifest, trees={TREES: trained.trees}, clicks=[])
    assert not (tmp_path / "build" / WORDS).exists()


def test_only_a_whole_verdict_is_believed(tmp_path: Path):
    assert better_trees(tmp_path) == []
    (tmp_path / VERDICT).write_text(json.dumps({"is_better": False}))
    (tmp_path / WORDS_VERDICT).write_text(json.dumps({"is_better": True}))
    assert better_trees(tmp_path) == [WORDS]
    (tmp_path / VERDICT).write_text(json.dumps({"is_better": True}))
    assert better_trees(tmp_path) == [TREES, WORDS]
    (tmp_path / VERDICT).write_text("{}")
    with pytest.raises(BadArtifact, match="is not a verdict"):
        better_trees(tmp_path)
