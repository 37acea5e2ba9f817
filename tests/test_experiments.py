"""A/B experiments: who takes part, how one is begun and ended, and what may be concluded."""

import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from shopping import NOON, RULES, experiment

from photosearch.errors import BadParams, HomeNotReady
from photosearch.feedback.experiments import (
    Arm,
    Plan,
    arm_of,
    experiments,
    open_experiment,
    read_plan,
    running_experiment,
    start,
    stop,
)
from photosearch.feedback.readout import METRICS, ArmReadout, Compared, as_text, compare, read_out
from photosearch.feedback.sequential import (
    Estimate,
    difference_interval,
    errors_wide,
    mismatch_p,
    ratio_estimate,
)
from photosearch.feedback.shopper_outcomes import COLUMNS, Outcomes, outcomes
from photosearch.release import Manifest, seal, switch_live

HOUR = timedelta(hours=1)
LATER = NOON + 30 * HOUR


def arms_of(trial, n_shoppers: int = 20_000) -> list[str | None]:
    arms = [arm_of(trial, f"shopper-{n}") for n in range(n_shoppers)]
    return [None if arm is None else arm.name for arm in arms]


def test_a_shopper_stays_in_one_arm_and_arms_get_their_weights():
    trial = experiment(Arm(name="now", weight=3), Arm(name="new"), share=0.5)
    arms = arms_of(trial)
    assert arms == arms_of(trial)
    assert arms.count(None) == pytest.approx(10_000, abs=300)
    assert arms.count("now") == pytest.approx(7_500, abs=300)
    assert arms.count("new") == pytest.approx(2_500, abs=200)


def test_two_experiments_part_shoppers_independently():
    first, second = arms_of(experiment(salt="a")), arms_of(experiment(salt="b"))
    both = sum(one == two == "new" for one, two in zip(first, second, strict=True))
    assert both == pytest.approx(5_000, abs=250)


def test_a_shopper_without_a_key_takes_no_part():
    assert arm_of(experiment(), "") is None


def made(releases: Path, name: str, *, dim: int = 64, has_graph: bool = True) -> None:
    manifest = Manifest(
        name, "m", "i", "d", "exact", dim, [64, 16], 1, 1, "2026-11-21", 1.0, has_graph=has_graph
    )
    seal(releases / name, manifest)


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    for name in ("r1", "r2", "r3"):
        made(folder, name)
    made(folder, "short", dim=16)
    made(folder, "old", has_graph=False)
    switch_live(folder, "r1")
    return folder


def begin(folder: Path, releases: Path, *arms: Arm, name: str = "trial", at=NOON):
    plan = Plan(name=name, arms=[Arm(name="now"), *arms])
    return start(folder, plan, releases=releases, rules=RULES, at=at)


def test_an_experiment_is_started_once_read_while_it_runs_and_stopped(
    tmp_path: Path, releases: Path
):
    folder = tmp_path / "experiments"
    assert running_experiment(folder) is None
    begun = begin(folder, releases, Arm(name="new", release="r2"))
    assert running_experiment(folder) == begun
    assert begun.release == "r2"
    with pytest.raises(BadParams, match=r"trial runs since .* one runs at a time"):
        begin(folder, releases, Arm(name="new"), name="second")
    ended = stop(folder, at=LATER)
    assert (running_experiment(folder), ended.stopped_at) == (None, LATER)
    with pytest.raises(BadParams, match="No experiment runs"):
        stop(folder, at=LATER)
    with pytest.raises(BadParams, match="was an experiment trial already"):
        begin(folder, releases, Arm(name="new"))
    again = begin(folder, releases, Arm(name="new"), name="second", at=LATER)
    assert [one.name for one in experiments(folder)] == ["trial", "second"]
    assert open_experiment(folder, None) == again
    assert open_experiment(folder, "trial") == ended
    assert again.salt != begun.salt
    with pytest.raises(HomeNotReady, match="no experiment third"):
        open_experiment(folder, "third")


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ([Arm(name="a", release="r2"), Arm(name="b", release="r3")], "A service holds two at once"),
        ([Arm(name="a", release="r9")], "Arm a cannot be served: .*not a whole release"),
        ([Arm(name="a", release="old")], "has no graph to serve with"),
        ([Arm(name="a", release="../r2")], "is no name of a release"),
        ([Arm(name="a", length=16)], r"length 16.* length 64 alone. Build a release with `index"),
        ([Arm(name="a", ranker=False)], "without the ranker, and so is release r1"),
    ],
)
def test_an_arm_that_cannot_be_served_is_told_before_anybody_gets_it(
    tmp_path: Path, releases: Path, arms: list[Arm], words: str
):
    with pytest.raises(BadParams, match=words):
        begin(tmp_path / "experiments", releases, *arms)
    assert running_experiment(tmp_path / "experiments") is None


def test_an_arm_may_be_a_length_where_a_release_holds_it(tmp_path: Path, releases: Path):
    arm = Arm(name="short", release="short", length=16)
    assert begin(tmp_path / "experiments", releases, arm).plan.arms[1] == arm


def test_an_arm_of_a_length_keeps_the_release_that_holds_it(tmp_path: Path, releases: Path):
    begun = begin(tmp_path / "experiments", releases, Arm(name="long", length=64))
    assert [arm.release for arm in begun.plan.arms] == ["", "r1"]


def test_a_plan_is_read_from_yaml_where_off_is_a_word(tmp_path: Path):
    path = tmp_path / "plan.yaml"
    path.write_text(
        "name: plain\nshare: 0.2\narms:\n- name: now\n- {name: plain, weight: 2, ranker: off}\n"
    )
    plan = read_plan(path)
    assert (plan.share, plan.arms[1].ranker, plan.arms[1].weight) == (0.2, False, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\narms: [{name: a}]", "at least 2 items"),
        ("name: x\narms: [{name: a}, {name: a}]", "two arms have one name"),
        ("name: x\narms: [{name: a}, {name: b, rankr: off}]", "rankr"),
        ("name: Ö\narms: [{name: a}, {name: b}]", "name: String should match"),
        ("name: [", "cannot be read as YAML"),
    ],
)
def test_a_wrong_plan_is_told(tmp_path: Path, text: str, words: str):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(BadParams, match=words):
        read_plan(path)


def test_a_ratio_knows_that_the_answers_of_one_shopper_are_not_independent():
    random = np.random.default_rng(5)
    answers = random.integers(1, 30, 4000).astype(float)
    taste = random.beta(1, 4, 4000)  # each shopper has one, for all answers
    clicked = random.binomial(answers.astype(int), taste).astype(float)
    told = ratio_estimate(clicked, answers)
    assert told is not None
    drawn = random.integers(0, 4000, (2000, 4000))
    bootstrap = (clicked[drawn].sum(1) / answers[drawn].sum(1)).var()
    assert told.variance == pytest.approx(bootstrap, rel=0.1)
    naive = told.value * (1 - told.value) / answers.sum()
    assert told.variance > 3 * naive


def test_nobody_makes_no_ratio():
    assert ratio_estimate(np.zeros(5), np.zeros(5)) is None
    assert ratio_estimate(np.ones(1), np.ones(1)) is None


def test_an_always_valid_interval_is_wider_than_a_once_valid_one_and_least_so_where_planned():
    wide = {n: errors_wide(n, alpha=0.05, planned=10_000) for n in (100, 10_000, 1_000_000)}
    assert min(wide, key=wide.__getitem__) == 10_000
    assert 2.5 < wide[10_000] < 3.2
    assert wide[100] > 3.5
    # ville 0.1.0, another implementation: normal_mixture(n, alpha, best_rho(10000, alpha)) / n**0.5
    assert wide[10_000] == pytest.approx(3.0351, abs=2e-4)
    assert errors_wide(10_000, alpha=0.01, planned=10_000) == pytest.approx(3.5716, abs=2e-4)
    assert errors_wide(2_000, alpha=0.05, planned=10_000) == pytest.approx(3.3471, rel=0.01)
    interval = difference_interval(
        Estimate(0.2, 1e-4, 5000), Estimate(0.25, 1e-4, 5000), alpha=0.05, planned=10_000
    )
    assert (interval.low + interval.high) / 2 == pytest.approx(0.05)
    assert interval.high - interval.low == pytest.approx(2 * wide[10_000] * 2e-4**0.5)


def table(random: np.random.Generator, n: int, *, clicks: float, lost: float = 0.0) -> Outcomes:
    """Shoppers with one answer each; the second arm clicks by `clicks`, and loses some."""
    arms = random.integers(0, 2, n)
    kept = (arms == 0) | (random.random(n) >= lost)
    rows = np.ones((n, len(COLUMNS)))
    rate = np.where(arms == 1, clicks, 0.3)
    rows[:, COLUMNS.index("answers_clicked")] = random.random(n) < rate
    return Outcomes(arms[kept], np.ones(kept.sum(), bool), rows[kept], 0, {})


def first(told_arm: ArmReadout) -> Compared:
    return next(one for one in told_arm.metrics if one.metric == "answers_clicked")


def test_a_planted_difference_is_found_and_told():
    told = read_out(experiment(), table(np.random.default_rng(1), 4000, clicks=0.4), now=LATER)
    assert told.state == "decided"
    assert told.verdict.startswith("new has more answers_clicked than now: +0.")
    low, high = first(told.arms[1]).low, first(told.arms[1]).high
    assert low is not None
    assert high is not None
    assert low < 0.1 < high
    assert "| **answers_clicked**: share of answers with a click | 0." in as_text(told)


def test_a_difference_that_is_not_there_is_hardly_ever_found_by_looking_all_the_time():
    random, trial = np.random.default_rng(2), experiment()
    found = 0
    for _ in range(60):
        whole = table(random, 2000, clicks=0.3)
        for n in range(100, 2001, 100):
            part = Outcomes(whole.arms[:n], whole.is_over[:n], whole.table[:n], 0, {})
            if read_out(trial, part, now=LATER).state == "decided":
                found += 1
                break
    assert found <= 4  # an ordinary 95% interval finds one in some 15 of 60


def test_it_is_too_early_before_there_are_shoppers_enough():
    told = read_out(experiment(), table(np.random.default_rng(3), 60, clicks=0.9), now=LATER)
    assert told.state == "too_early"
    assert "50 are needed, each 24 h after their first answer" in told.verdict
    assert all(one.low is None for one in told.arms[1].metrics)


def test_seconds_to_a_click_are_told_of_as_few_clickers_as_of_shoppers_never():
    """A few who click make no mean that an asymptotic interval could hold of."""
    done = table(np.random.default_rng(8), 2000, clicks=0.3)
    done.table[:, COLUMNS.index("first_click_s")] = np.arange(2000)
    seconds = compare(experiment(), done, "first_click_s", 1)
    assert seconds.low is not None
    clicked = np.flatnonzero(done.table[:, COLUMNS.index("answers_clicked")])
    done.table[clicked[60:], COLUMNS.index("answers_clicked")] = 0
    seconds = compare(experiment(), done, "first_click_s", 1)
    assert seconds.value is not None
    assert seconds.low is None
    assert compare(experiment(), done, "answers_clicked", 1).low is not None


def test_nobody_at_all_is_too_early_too():
    trial = experiment()
    told = read_out(trial, outcomes(trial, [], [], now=LATER), now=LATER)
    assert told.state == "too_early"
    assert [one.value for one in told.arms[0].metrics] == [None] * len(METRICS)


def test_shoppers_who_get_lost_spoil_the_verdict():
    told = read_out(
        experiment(), table(np.random.default_rng(4), 20_000, clicks=0.4, lost=0.15), now=LATER
    )
    assert told.state == "not_to_be_trusted"
    assert told.verdict.startswith("Do not trust these numbers")
    assert told.mismatch_p < 0.001


def test_an_even_split_alarms_nobody_at_any_time():
    random, shares = np.random.default_rng(6), np.array([0.75, 0.25])
    arms = (random.random((100, 5000)) < 0.25).astype(np.int64)
    alarms = sum(mismatch_p(row, shares, concentration=10_000)[-1] < 0.05 for row in arms)
    assert alarms <= 9
    assert len(mismatch_p(np.zeros(0, np.int64), shares, concentration=1)) == 0


def test_the_alarm_is_the_ratio_of_a_mixture_to_the_shares_and_keeps_its_largest():
    arms = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    told = mismatch_p(arms, np.array([0.5, 0.5]), concentration=2)
    mixture = [beta(1 + n, 1) for n in (1, 2, 3)]  # uniform: the chance of n of the first arm
    assert told[:3] == pytest.approx([min(1, 0.5**n / m) for n, m in enumerate(mixture, 1)])
    assert told[-1] == told[2]  # later, evener units do not take back what was seen


def beta(a: float, b: float) -> float:
    return math.gamma(a) * math.gamma(b) / math.gamma(a + b)


def test_with_more_arms_each_interval_is_wider():
    done = table(np.random.default_rng(7), 4000, clicks=0.3)
    two = first(read_out(experiment(), done, now=LATER).arms[1])
    three = experiment(Arm(name="now"), Arm(name="new"), Arm(name="none"))
    wider = first(read_out(three, done, now=LATER).arms[1])
    assert two.low is not None
    assert wider.low is not None
    assert wider.low < two.low
