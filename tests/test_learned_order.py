"""The online re-ranker as a step of searches: by features of the rank step, by the state of now."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found_cards import Plain, found, hit, ids, scored

from photosearch.errors import BadArtifact
from photosearch.ranking_settings import OnlineParams
from photosearch.search.answer import page_of
from photosearch.search.features import FEATURES, RANKED_SCORE, named, row_of
from photosearch.search.learned_order import (
    LOOK_EVERY_S,
    LearnedOrder,
    read_online,
    rerank_by_state,
    save_online,
)
from photosearch.search.online_ranker import CURRENT, OnlineState, save_state
from photosearch.search.query import Query, SearchRequest
from photosearch.search.rank import rank_by_evidence

ONLINE = OnlineParams(
    use=True, margin=0.1, places_max=2, learning_rate=0.1, weight_max=2.0, decay=1.0
)
PHOTO = Query(
    SearchRequest(),
    None,
    np.ones(2, np.float32),
    hits=[hit("a", 0, 0.90), hit("b", 0, 0.89), hit("c", 0, 0.88)],
)
CARDS = [found("a", 0.90, rating=1.0), found("b", 0.89, rating=2.0), found("c", 0.88, rating=5.0)]


def liking(name: str) -> OnlineState:
    weights = [0.0] * (len(FEATURES) + 1)
    weights[FEATURES.index(name)] = 2.0
    return OnlineState(weights=weights)


def test_a_release_without_a_ranker_still_says_what_is_known_of_its_cards():
    ranked = rank_by_evidence(None)(CARDS, PHOTO)
    assert ids(ranked) == ["a", "b", "c"]
    (first, *_), request = page_of(ranked, SearchRequest(), Plain()), SearchRequest(text="red")
    assert (first.features["cosine"], first.features["rating"]) == (0.90, 1.0)
    assert {"probability", "cosine_short", "popularity"}.isdisjoint(first.features)  # not known
    by_words = rank_by_evidence(None)(CARDS, replace(PHOTO, request=request))
    assert [card.features for card in by_words] == [None] * 3


def test_features_are_for_the_log_and_never_sent():
    (card, *_) = page_of(rank_by_evidence(None)(CARDS, PHOTO), SearchRequest(), Plain())
    assert card.features
    assert "features" not in card.model_dump_json()
    assert "features" not in type(card).model_json_schema(mode="serialization")["properties"]


def test_features_told_by_name_make_the_same_row():
    row = np.arange(len(FEATURES), dtype=np.float64)
    row[3] = np.nan
    told = named(row)
    assert FEATURES[3] not in told
    np.testing.assert_array_equal(row_of(told), row)


def test_cards_move_by_the_features_that_the_rank_step_left():
    ranked = rank_by_evidence(None)(CARDS, PHOTO)
    moved = rerank_by_state(liking("rating"), ONLINE)(ranked, PHOTO)
    assert ids(moved)[0] == "c"
    explained = replace(PHOTO, request=SearchRequest(explain=True))
    reasons = rerank_by_state(liking("rating"), ONLINE)(ranked, explained)[0].reasons
    assert [(reason.step, reason.what) for reason in reasons] == [("rerank", "rating")]


def test_a_card_without_features_is_not_moved_and_answers_to_words_stay():
    ranked = rank_by_evidence(None)(CARDS, PHOTO)
    step = rerank_by_state(liking("rating"), ONLINE)
    assert step(CARDS, PHOTO) is CARDS
    last = found("far", 0.2, rating=5.0)
    moved = step([*ranked, last], PHOTO)
    assert (ids(moved)[-1], moved[-1].score) == ("far", 0.2)
    assert step([], PHOTO) == []


def test_what_was_learned_takes_part_within_a_second_and_names_itself(tmp_path: Path):
    now = [0.0]
    order = LearnedOrder(tmp_path, ONLINE, clock=lambda: now[0])
    ranked = rank_by_evidence(None)(CARDS, PHOTO)
    fresh = order()
    assert fresh.state_id == OnlineState().state_id
    assert scored(fresh.step(ranked, PHOTO)) == scored(ranked)
    learned = liking("rating")
    save_state(tmp_path, learned)
    assert order() is fresh
    now[0] = LOOK_EVERY_S
    assert order().state_id == learned.state_id
    assert ids(list(order().step(ranked, PHOTO)))[0] == "c"
    assert scored(fresh.step(ranked, PHOTO)) == scored(
        ranked
    )  # a search under way ends as it began


def test_a_damaged_state_stops_no_search_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    now = [0.0]
    save_state(tmp_path, liking("rating"))
    order = LearnedOrder(tmp_path, ONLINE, clock=lambda: now[0])
    (tmp_path / CURRENT).write_text("nothing\n")
    now[0] = LOOK_EVERY_S
    assert order().state_id == liking("rating").state_id
    assert f"re-ranking goes on by state {liking('rating').state_id}" in caplog.text
    with pytest.raises(BadArtifact, match="is not a state of the online re-ranker"):
        LearnedOrder(tmp_path, ONLINE)


def test_a_release_says_how_far_its_cards_may_move(tmp_path: Path):
    assert read_online(tmp_path) is None
    save_online(tmp_path, ONLINE)
    assert read_online(tmp_path) == ONLINE
    (tmp_path / "online.json").write_text('{"margin": 1}')
    with pytest.raises(BadArtifact, match=r"online.json does not say how far cards may be moved"):
        read_online(tmp_path)


def test_the_score_before_clicks_had_a_say_is_logged_with_the_features(tmp_path: Path):
    save_state(tmp_path, liking("rating"))
    ranked = rank_by_evidence(None)(CARDS, PHOTO)
    moved = LearnedOrder(tmp_path, ONLINE)().step(ranked, PHOTO)
    told = page_of(moved, PHOTO.request, Plain())
    before = {card.traits.card_id: card.score for card in ranked}
    assert {card.card.card_id: card.features[RANKED_SCORE] for card in told} == before
    assert any(card.score != before[card.card.card_id] for card in told)
    untouched = page_of(ranked, PHOTO.request, Plain())
    assert all(RANKED_SCORE not in card.features for card in untouched)
