"""The online re-ranker and the log: what it learns, when it is used, what a kill leaves."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from told_log import MINUTE, NOON, ToldLog, answer, event

from photosearch.errors import BadArtifact
from photosearch.feedback import online_learning
from photosearch.feedback.answer_outcomes import Outcome
from photosearch.feedback.hindsight import gain_in_hindsight
from photosearch.feedback.online_learning import (
    LEARNING,
    NOTHING,
    OnlineReport,
    go_back,
    learn_from_log,
    read_learner,
)
from photosearch.feedback.schemas import Answer, StoredEvent
from photosearch.search.features import FEATURES, RANKED_SCORE
from photosearch.search.online_ranker import OnlineState, read_state, save_state
from photosearch.settings import load_params

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
RULES = PARAMS.feedback.model_copy(update={"judged_min": 50, "judged_most": 200})
RANKING = PARAMS.ranking
RATING = FEATURES.index("rating")
EVENING = NOON + timedelta(hours=9)


def learned(states: Path, log: ToldLog, *, now: datetime = EVENING) -> OnlineReport:
    return learn_from_log(states, log, RANKING, RULES, now=now)


def told(
    liked: str, n_answers: int = 120, *, first: int = 0, log: ToldLog | None = None
) -> ToldLog:
    """A log of shoppers who all click the same card, one answer a minute."""
    log = log or ToldLog()
    for number in range(first, first + n_answers):
        log.tell(answer(number, at=NOON + number * MINUTE, shopper=f"s{number}"), liked)
    return log


def by_chance(n_answers: int, *, seed: int) -> ToldLog:
    """A log of shoppers who look by rank and click a card in three, whatever it is."""
    random, log = np.random.default_rng(seed), ToldLog()
    for number in range(n_answers):
        stars = random.uniform(1, 5, 4).tolist()
        clicked = "".join(
            card for rank, card in enumerate("abcd", 1)
            if random.random() < 1 / rank and random.random() < 1 / 3
        )  # fmt: skip
        log.tell(
            answer(number, at=NOON + number * MINUTE / 10, shopper=f"s{number}", stars=stars),
            clicked, seen="abcd",
        )  # fmt: skip
    return log


def liking_stars() -> OnlineState:
    weights = [0.0] * (len(FEATURES) + 1)
    weights[RATING] = 2.0
    return OnlineState(weights=weights)


@pytest.fixture
def states(tmp_path: Path) -> Path:
    return tmp_path / "states"


def test_shoppers_who_click_stars_teach_that_stars_count_and_it_goes_live(states: Path):
    report = learned(states, told("d"))
    assert (report.answers, report.judged, report.verdict) == (120, 120, "better")
    assert report.gain is not None
    assert report.gain.value > 0
    assert read_state(states).state_id == report.current
    assert read_state(states).weights[RATING] > 0.3


def test_nothing_goes_live_before_enough_answers_judged_it(states: Path):
    report = learned(states, told("d", 30))
    assert (report.verdict, report.current) == ("too_few", NOTHING)
    assert read_state(states) == OnlineState()
    assert learned(states, told("d")).verdict == "better"


@pytest.mark.parametrize("seed", range(3))
def test_shoppers_who_click_by_chance_put_nothing_live(states: Path, seed: int):
    report = learned(states, by_chance(300, seed=seed))
    assert (report.verdict, report.current) == ("unsure", NOTHING)


def test_a_state_that_ranks_worse_than_none_is_taken_out_of_use_and_can_come_back(states: Path):
    save_state(states, liking_stars())
    go_back(states, liking_stars().state_id)
    log = told("a", 60)
    worse = learned(states, log)
    assert (worse.verdict, worse.current) == ("worse", NOTHING)
    assert read_state(states) == OnlineState()  # and running services follow it
    back = learned(states, told("d", 300, first=60, log=log))
    assert back.verdict == "better"  # it has learned the new taste meanwhile, unused
    assert read_state(states).weights[RATING] > 0


def test_an_answer_teaches_once_it_is_settled_with_all_its_clicks(states: Path):
    log = ToldLog()
    asked = answer(1)
    log.tell(asked, "a")
    settled = NOON + timedelta(minutes=RULES.settle_minutes)
    assert learned(states, log, now=settled - MINUTE).answers == 0
    log.add(event(asked, "d", at=NOON + 20 * MINUTE), at=NOON + 20 * MINUTE)
    assert learned(states, log, now=settled).answers == 1
    log.add(event(asked, "c", at=settled + MINUTE), at=settled + MINUTE)
    log.tell(answer(2, at=NOON + 50 * MINUTE), "b")
    assert learned(states, log, now=settled + timedelta(hours=1)).answers == 1
    assert read_learner(states).state.n_answers == 2


def test_reading_goes_on_where_it_stopped_and_misses_no_event(states: Path, tmp_path: Path):
    log, at_once = told("d"), told("d")
    for hour in range(1, 10):
        learned(states, log, now=NOON + timedelta(hours=hour))
    learned(tmp_path / "at once", at_once)
    piecemeal, whole = read_learner(states), read_learner(tmp_path / "at once")
    assert piecemeal.gains == whole.gains
    assert piecemeal.state.weights == whole.state.weights
    assert read_learner(states).state.learned_to.startswith("120:")


class KilledLog(ToldLog):
    """A process that ends while it reads its so many-th answer."""

    def __init__(self, log: ToldLog, dies_at: int) -> None:
        super().__init__(log.told_events, log.told_answers)
        self.dies_at = dies_at

    def answers_after(self, number: int) -> Iterator[tuple[int, Answer]]:
        for n, one in super().answers_after(number):
            if n == self.dies_at:
                raise KeyboardInterrupt
            yield n, one

    def events(self, after: int = 0) -> Iterator[StoredEvent]:
        return super().events(after)


@pytest.mark.parametrize("dies_at", [1, 7, 50, 64, 119, 120])
def test_a_killed_learner_goes_on_without_learning_anything_twice(
    states: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
):
    monkeypatch.setattr(online_learning, "ANSWERS_A_BATCH", 7)
    log = told("d")
    learned(tmp_path / "whole", log)
    with pytest.raises(KeyboardInterrupt):
        learned(states, KilledLog(log, dies_at))
    assert read_learner(states).state.n_answers == (dies_at - 1) // 7 * 7
    (states / f".{LEARNING}.1").parent.mkdir(exist_ok=True)
    (states / f".{LEARNING}.1").write_text("torn")  # what a kill while writing leaves
    learned(states, log)
    assert read_learner(states) == read_learner(tmp_path / "whole")
    assert read_state(states) == read_state(tmp_path / "whole")


def test_a_busy_shopper_teaches_so_often_a_day_however_often_the_log_is_read(
    states: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(online_learning, "ANSWERS_A_BATCH", 7)
    rules, log = RULES.model_copy(update={"answers_a_shopper": 5}), ToldLog()
    for number in range(20):
        log.tell(answer(number, at=NOON + number * MINUTE, shopper="robot"), "d")
    told("d", 10, first=20, log=log)
    for hours in (1, 2, 3):
        learn_from_log(states, log, RANKING, rules, now=NOON + timedelta(hours=hours))
    assert read_learner(states).state.n_answers == 5 + 10
    log.tell(answer(30, at=NOON + timedelta(days=1), shopper="robot"), "d")
    learn_from_log(states, log, RANKING, rules, now=NOON + timedelta(days=2))
    assert read_learner(states).state.n_answers == 5 + 10 + 1


def test_one_can_go_back_to_an_earlier_state_and_learn_on_from_there(states: Path):
    log = told("d")
    early = learned(states, log, now=NOON + timedelta(minutes=115))
    late = learned(states, log)
    assert early.current not in (NOTHING, late.current)
    made = go_back(states, early.current)
    assert made.weights == read_state(states, early.current).weights
    assert read_state(states) == made
    after = learned(states, log)
    assert (after.answers, after.verdict, after.current) == (0, "too_few", made.state_id)
    assert learned(states, told("d", 1, first=300, log=log), now=EVENING).answers == 1


def test_one_can_go_back_to_nothing(states: Path):
    learned(states, told("d"))
    go_back(states, NOTHING)
    assert read_state(states).weights == OnlineState().weights
    assert learned(states, told("d", 1, first=300), now=EVENING).current == NOTHING
    with pytest.raises(BadArtifact, match="is not a state of the online re-ranker"):
        go_back(states, "0" * 12)


def test_a_damaged_learner_is_told_with_the_way_out(states: Path):
    learned(states, told("d"))
    (states / LEARNING).write_text("{")
    with pytest.raises(BadArtifact, match="Delete it to learn anew"):
        learned(states, told("d"))


def test_a_learner_of_other_features_is_told_with_the_way_out(states: Path):
    learned(states, told("d"))
    learner = json.loads((states / LEARNING).read_text())
    learner["state"]["weights"] = learner["state"]["weights"][1:]
    (states / LEARNING).write_text(json.dumps(learner))
    with pytest.raises(BadArtifact, match=r"learned from other features\). Delete it"):
        learned(states, told("d"))


def test_an_answer_without_features_teaches_nothing_and_is_counted(states: Path):
    log, bare = ToldLog(), answer(1)
    log.tell(replace(bare, cards=[replace(card, features={}) for card in bare.cards]), "a")
    report = learned(states, log)
    assert (report.answers, report.without_features) == (0, 1)


def test_a_click_far_down_speaks_louder_for_an_order_that_lifts_it():
    asked = answer(1)
    gains = [
        gain_in_hindsight(
            Outcome(asked, "ann", asked.cards, frozenset(clicked)), liking_stars(),
            RANKING.online, RANKING.propensity,
        )
        for clicked in ("d", "c", "a", "")
    ]  # fmt: skip
    assert gains[0] > gains[1] >= 0 > gains[2]
    assert gains[3] == 0


def test_hindsight_starts_from_the_logged_score_of_the_ranker_where_there_is_one():
    asked = answer(1)
    apart = [
        replace(card, features=card.features | {RANKED_SCORE: 1.0 - card.rank / 2})
        for card in asked.cards
    ]
    gain = gain_in_hindsight(
        Outcome(replace(asked, cards=apart), "ann", apart, frozenset("d")), liking_stars(),
        RANKING.online, RANKING.propensity,
    )  # fmt: skip
    assert gain == 0  # too far apart to change places within the margin
