"""The re-ranker that learns from clicks: bounded, debiased, restored, reproducible."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from found_cards import found, ids

from photosearch.catalog.schemas import Impression
from photosearch.errors import BadArtifact
from photosearch.ranking_settings import OnlineParams, PropensityParams
from photosearch.search.features import FEATURES
from photosearch.search.online_ranker import (
    STATES_KEPT,
    OnlineState,
    learn,
    read_state,
    rerank,
    save_state,
    scale_within,
    within_places,
)

ONLINE = OnlineParams(
    use=True, margin=0.1, places_max=2, learning_rate=0.1, weight_max=2.0, decay=1.0
)
LOOKS = PropensityParams(steepness=1.0, least=0.05)
RATING = FEATURES.index("rating")


def table(ratings: dict[str, float]) -> dict[str, np.ndarray]:
    """Feature rows in which only the rating differs."""
    rows = {card_id: np.zeros(len(FEATURES)) for card_id in ratings}
    for card_id, rating in ratings.items():
        rows[card_id][RATING] = rating
    return rows


def answer(clicked: str, order: str = "abcd") -> list[Impression]:
    """Cards shown in this order, `d` with the most stars; NaN for what is not known."""
    stars = dict(zip("abcd", (1.0, 2.0, 3.0, 5.0), strict=True))
    return [
        Impression(
            "q", card, rank, card in clicked,
            dict.fromkeys(FEATURES, float("nan")) | {"rating": stars[card]},
        )
        for rank, card in enumerate(order, 1)
    ]  # fmt: skip


def liking_stars(weight: float = 2.0) -> OnlineState:
    weights = [0.0] * (len(FEATURES) + 1)
    weights[RATING] = weight
    return OnlineState(weights=weights)


CARDS = [found(card_id, cosine) for card_id, cosine in zip("abcd", (0.9, 0.88, 0.86, 0.84),
                                                           strict=True)]  # fmt: skip
STARS = table({"a": 1.0, "b": 2.0, "c": 3.0, "d": 5.0})


def test_a_fresh_state_moves_nothing():
    assert rerank(CARDS, STARS, OnlineState(), ONLINE) == CARDS


@pytest.mark.parametrize("off", [{"margin": 0.0}, {"places_max": 0}])
def test_no_margin_or_no_places_keep_the_order(off: dict[str, float]):
    ranked = rerank(CARDS, STARS, liking_stars(), ONLINE.model_copy(update=off))
    assert ids(ranked) == list("abcd")


def test_what_was_learned_moves_cards_up_and_says_why():
    ranked = rerank(CARDS, STARS, liking_stars(), ONLINE, explain=True)
    assert ids(ranked)[0] != "a"
    assert [(r.step, r.what) for r in ranked[0].reasons] == [("rerank", "rating")]
    assert rerank(CARDS, STARS, liking_stars(), ONLINE)[0].reasons == ()


def test_no_card_moves_further_than_places_max_and_scores_never_rise():
    random = np.random.default_rng(0)
    cards = [found(f"c{n:02d}", float(cosine)) for n, cosine in
             enumerate(np.sort(random.uniform(0.5, 0.9, 40))[::-1])]  # fmt: skip
    rows = table({card.traits.card_id: float(random.uniform(1, 5)) for card in cards})
    for places_max in (0, 1, 3, 40):
        online = ONLINE.model_copy(update={"margin": 1.0, "places_max": places_max})
        ranked = rerank(cards, rows, liking_stars(), online)
        moved = [
            abs(ids(ranked).index(card_id) - place) for place, card_id in enumerate(ids(cards))
        ]
        assert max(moved) <= places_max
        assert sorted(ids(ranked)) == sorted(ids(cards))
        assert all(a.score >= b.score for a, b in pairwise(ranked))
    assert max(moved) > 3


def test_cards_further_apart_than_two_margins_never_change_places():
    cards = [found("a", 0.9), found("b", 0.69)]
    rows = table({"a": 1.0, "b": 5.0})
    assert ids(rerank(cards, rows, liking_stars(), ONLINE)) == ["a", "b"]
    assert ids(rerank([found("a", 0.78), cards[1]], rows, liking_stars(), ONLINE)) == ["b", "a"]


def test_the_query_itself_stays_first():
    cards = [found("a", 1.0)._replace(score=2.0), found("b", 0.9)]
    wide = ONLINE.model_copy(update={"margin": 5.0})
    ranked = rerank(cards, table({"a": 1.0, "b": 5.0}), liking_stars(), wide)
    assert ids(ranked) == ["a", "b"]
    assert ranked[0].score == 2.0


def test_nothing_found_stays_nothing():
    assert rerank([], {}, liking_stars(), ONLINE) == []


def test_the_order_within_places_is_the_best_allowed():
    scores = [0.1, 0.2, 0.3, 0.9]
    cards = [found(f"{n}", score) for n, score in enumerate(scores)]
    assert within_places(cards, 2) == [2, 3, 0, 1]
    assert within_places(cards, 3) == [3, 2, 1, 0]


def test_clicks_on_what_has_stars_teach_that_stars_count():
    state = OnlineState()
    for _ in range(50):
        state = learn(state, answer("d"), ONLINE, LOOKS)
    assert state.weights[RATING] > 0.5
    assert state.n_answers == 50


def test_weights_stay_within_bounds():
    state = OnlineState()
    for _ in range(500):
        state = learn(state, answer("d"), ONLINE.model_copy(update={"learning_rate": 5.0}), LOOKS)
    assert max(map(abs, state.weights)) <= ONLINE.weight_max


def test_decay_forgets_what_is_not_seen_again():
    forgetful = ONLINE.model_copy(update={"decay": 0.9})
    state, alike = liking_stars(), [replace(row, features=answer("")[0].features)
                                    for row in answer("")]  # fmt: skip
    for _ in range(50):
        state = learn(state, alike, forgetful, LOOKS)
    assert abs(state.weights[RATING]) < 0.1


def test_position_is_taken_out_of_clicks():
    """Both cards are liked the same; the first is looked at twice as often, so clicked so."""
    random, states = np.random.default_rng(0), {1.0: OnlineState(), 0.0: OnlineState()}
    slow = ONLINE.model_copy(update={"learning_rate": 0.02})
    for _ in range(3000):
        looked = random.random(2) < [1.0, 0.5]
        liked = random.random(2) < 0.4
        clicked = "".join(card for card, is_one in zip("ad", looked & liked, strict=True) if is_one)
        for steepness, state in states.items():
            looks = LOOKS.model_copy(update={"steepness": steepness})
            states[steepness] = learn(state, answer(clicked, "ad"), slow, looks)
    fair, biased = states[1.0].weights[RATING], states[0.0].weights[RATING]
    assert abs(fair) < 0.1
    assert biased < -0.3


def test_features_are_scaled_within_the_answer_and_unknown_ones_are_the_mean():
    values = np.array([[1.0, 5.0], [3.0, np.nan], [5.0, 5.0]])
    assert scale_within(values) == pytest.approx(
        np.array([[-1.2247, 0], [0, 0], [1.2247, 0]]), abs=1e-3
    )


def test_cards_far_down_do_not_weaken_what_pages_have_taught():
    near = [found(f"n{n:02d}", 0.9 - n / 1000) for n in range(20)]
    far = [found(f"f{n:02d}", 0.2 - n / 1000) for n in range(80)]
    rows = table({card.traits.card_id: 3 + n % 3 for n, card in enumerate(near)})
    rows |= table({card.traits.card_id: 0.0 for card in far})
    for of_page in (near, [*near, *far]):
        moved = rerank(of_page, rows, liking_stars(), ONLINE)[:20]
        alone = rerank(near, rows, liking_stars(), ONLINE)
        assert [(c.traits.card_id, c.score) for c in moved] == [
            (c.traits.card_id, c.score) for c in alone
        ]


def test_a_killed_learner_goes_on_from_its_file_as_if_nothing_had_happened(tmp_path: Path):
    events = [answer("d"), answer("a"), answer("bd"), answer("")]
    whole = OnlineState()
    for number, shown in enumerate(events):
        whole = learn(whole, shown, ONLINE, LOOKS, learned_to=str(number))
    for number, shown in enumerate(events[:2]):
        save_state(tmp_path, learn(read_state(tmp_path), shown, ONLINE, LOOKS,
                                   learned_to=str(number)))  # fmt: skip
    (tmp_path / ".current.1").write_text("torn")  # what a kill leaves
    restored = read_state(tmp_path)
    for number in range(int(restored.learned_to) + 1, len(events)):
        restored = learn(restored, events[number], ONLINE, LOOKS, learned_to=str(number))
    assert restored == whole
    assert restored.state_id == whole.state_id


def test_an_answer_can_be_made_again_from_the_id_of_its_state(tmp_path: Path):
    first, second = liking_stars(1.0), liking_stars(2.0)
    save_state(tmp_path, first)
    save_state(tmp_path, second)
    assert read_state(tmp_path) == second
    again = read_state(tmp_path, first.state_id)
    assert rerank(CARDS, STARS, again, ONLINE) == rerank(CARDS, STARS, first, ONLINE)


def test_a_changed_or_missing_state_is_told(tmp_path: Path):
    assert read_state(tmp_path) == OnlineState()
    with pytest.raises(BadArtifact, match="is not a state of the online re-ranker"):
        read_state(tmp_path, "0" * 12)
    state = liking_stars()
    save_state(tmp_path, state)
    file = tmp_path / f"{state.state_id}.json"
    file.write_text(file.read_text().replace("2.0", "1.9"))
    with pytest.raises(BadArtifact, match="was changed"):
        read_state(tmp_path)


def test_old_states_are_removed_and_the_current_one_is_kept(tmp_path: Path):
    for number in range(STATES_KEPT + 5):
        save_state(tmp_path, liking_stars(1 + number / 100))
    assert len(list(tmp_path.glob("*.json"))) == STATES_KEPT
    assert read_state(tmp_path) == liking_stars(1 + (STATES_KEPT + 4) / 100)
