"""What is known of found cards, as a table."""

import math

import numpy as np
import pytest
from found_cards import found, hit

from photosearch.catalog.schemas import Impression
from photosearch.evaluation.calibration import SameProbability
from photosearch.search.features import FEATURES, RISING, SHOP, Evidence, card_features
from photosearch.search.popularity import PRIOR_LOOKS, Popularity, count_clicks, popularity
from photosearch.search.propensity import propensities
from photosearch.search.tag_overlap import overlaps_of
from photosearch.tagging.tag_index import Carried

CURVE = SameProbability(10.0, -8.0)
NOBODY = Popularity({}, 0.0)


def column(name: str, cards, evidence: Evidence | None = None, popular=NOBODY) -> list[float]:
    table = card_features(cards, evidence or Evidence([]), popular, CURVE)
    assert table.shape == (len(cards), len(FEATURES))
    return table[:, FEATURES.index(name)].tolist()


def test_every_near_photo_of_a_card_counts():
    cards = [found("a", 0.9), found("b", 0.8)]
    near = Evidence([hit("a", 0, 0.9), hit("b", 0, 0.8), hit("a", 1, 0.7), hit("c", 0, 0.6)])
    assert column("second_cosine", cards, near) == pytest.approx([0.7, math.nan], nan_ok=True)
    assert column("mean_cosine", cards, near) == pytest.approx([0.8, 0.8])
    assert column("near_photos", cards, near) == pytest.approx([math.log(2), 0])
    assert column("votes", cards, near) == pytest.approx([0.2, 0.1])


def test_gaps_are_to_the_best_other_card():
    cards = [found("a", 0.9), found("b", 0.8), found("c", 0.5)]
    assert column("cosine_gap", cards) == pytest.approx([0, -0.1, -0.4])
    assert column("score_gap", cards) == pytest.approx([0.1, -0.1, -0.4])
    assert column("score_gap", cards[:1]) == [0]


def test_the_short_cosine_is_that_of_the_matched_photo_and_may_be_unknown():
    cards = [found("a", 0.9), found("b", 0.8)]
    short = Evidence([], {"a/gallery/0": 0.5, "b/gallery/1": 0.4})
    assert column("cosine_short", cards, short) == pytest.approx([0.5, math.nan], nan_ok=True)


def test_prices_are_told_by_the_usual_one_of_the_answer():
    cards = [found("a", 0.9, price=50.0), found("b", 0.8, price=100.0),
             found("c", 0.7, price=400.0), found("d", 0.6, price=None)]  # fmt: skip
    expected = [math.log(0.5), 0, math.log(4), math.nan]
    assert column("price_distance", cards) == pytest.approx(expected, nan_ok=True)


def test_a_price_is_told_by_the_usual_one_of_its_category_too():
    cards = [found("a", 0.9, price=100.0), found("b", 0.8, price=200.0),
             found("c", 0.7, price=5000.0, category=("Furniture",)),
             found("d", 0.7, price=7000.0, category=("Furniture",)),
             found("e", 0.6, price=30.0, category=("Bags",)),
             found("f", 0.6, price=None)]  # fmt: skip
    expected = [math.log(100 / 150), math.log(200 / 150), math.log(5 / 6), math.log(7 / 6),
                math.nan, math.nan]  # fmt: skip  # alone in its category, and without a price
    assert column("price_in_category", cards) == pytest.approx(expected, nan_ok=True)


def test_zero_stars_mean_that_nobody_has_rated():
    cards = [found("a", 0.9, rating=0.0, n_reviews=0), found("b", 0.8, n_reviews=None)]
    assert column("rating", cards) == pytest.approx([math.nan, 4], nan_ok=True)
    assert column("reviews", cards) == pytest.approx([0, math.nan], nan_ok=True)


def test_a_card_of_the_category_of_most_agrees_with_them():
    cards = [found("a", 0.9), found("b", 0.8), found("c", 0.7, category=("Bags",)), found("d", 0.6)]
    assert column("category_agreement", cards) == pytest.approx([0.75, 0.75, 0.25, 0.75])


def carried(**tags_of: list[int]) -> Carried:
    starts = np.cumsum([0, *(len(rows) for rows in tags_of.values())])
    rows = np.array([row for rows in tags_of.values() for row in rows], np.int32)
    return Carried({card_id: n for n, card_id in enumerate(tags_of)}, starts, rows)


def test_a_card_whose_tags_the_near_photos_share_overlaps_with_them():
    cards = [found(name, 0.9) for name in ("a", "b", "c", "untagged", "far")]
    near = [hit("a", 0, 0.9), hit("b", 0, 0.9), hit("c", 0, 0.9), hit("untagged", 0, 0.9)]
    red, mug, blue, hat = range(4)
    tags = carried(a=[red, mug], b=[red, mug], c=[blue, mug], far=[hat, mug])
    overlaps = overlaps_of(cards, near, tags)
    assert overlaps == pytest.approx(
        {"a": (1 / 3 + 2 / 3) / 2, "b": (1 / 3 + 2 / 3) / 2, "c": (0 + 2 / 3) / 2,
         "far": (0 + 3 / 4) / 2}
    )  # fmt: skip  # a card's own photos do not count, near or not
    told = column("tag_overlap", cards, Evidence(near, tag_overlaps=overlaps))
    assert told == pytest.approx([1 / 2, 1 / 2, 1 / 3, math.nan, 3 / 8], nan_ok=True)
    assert np.isnan(column("tag_overlap", cards)).all()


def test_nearer_photos_say_more_of_the_tags():
    cards, tags = [found("far", 0.5)], carried(near=[0], farther=[1], far=[0])
    one, other = (
        overlaps_of(cards, [hit("near", 0, nearest), hit("farther", 0, 0.8)], tags)["far"]
        for nearest in (0.8, 0.9)
    )
    assert one == pytest.approx(1 / 2)
    assert other > 0.8


def test_a_card_alone_among_the_near_and_no_near_photos_say_nothing_of_tags():
    cards, tags = [found("a", 0.9)], carried(a=[0])
    assert overlaps_of(cards, [hit("a", 0, 0.9), hit("a", 1, 0.8)], tags) == {}
    assert overlaps_of(cards, [], tags) == {}


def test_a_text_score_is_unknown_without_words_and_0_for_a_card_they_do_not_fit():
    cards = [found("a", 0.9), found("b", 0.8)]
    assert column("text_score", cards, Evidence([], text_scores={"a": 0.5})) == [0.5, 0]
    assert np.isnan(column("text_score", cards)).all()


def test_no_cards_make_an_empty_table():
    assert card_features([], Evidence([]), NOBODY, CURVE).shape == (0, len(FEATURES))


def test_nothing_of_the_shop_but_popularity_has_a_direction():
    assert set(RISING) & set(SHOP) == {"popularity"}


def test_clicks_far_down_count_as_of_those_who_looked():
    shown = [Impression("q", card, rank, card == "b", {}) for rank, card in enumerate("ab", 1)]
    a, b = count_clicks(shown, steepness=1.0, least=0.05)
    assert (a.looks, a.clicks) == (1, 0)
    assert (b.looks, b.clicks) == (0.5, 1)


def test_a_card_hardly_shown_is_as_popular_as_the_mean():
    shown = [Impression(f"q{n}", "a", 1, n < 50, {}) for n in range(100)]
    popular = popularity(count_clicks([*shown, Impression("x", "b", 1, True, {})], steepness=1.0,
                                      least=0.05))  # fmt: skip
    assert popular["unknown"] == popular.mean == pytest.approx(51 / 101)
    assert popular["a"] == pytest.approx(0.5, abs=0.01)
    assert popular["b"] == pytest.approx((1 + PRIOR_LOOKS * popular.mean) / (1 + PRIOR_LOOKS))


def test_propensities_fall_with_the_rank_and_stop_at_the_least():
    ranks = np.array([1, 2, 10, 100])
    assert propensities(ranks, steepness=1.0, least=0.05).tolist() == [1, 0.5, 0.1, 0.05]
    assert propensities(ranks, steepness=0.0, least=0.05).tolist() == [1, 1, 1, 1]
