"""Does an A/B test find a difference that is there, and none that is not, looked at all the time?

Shoppers of the simulator in two searches of known quality. Tests of nothing (A/A), of planted
differences, and of arms that lose shoppers, each many times over, with a look after every 100.
No models, no home: it takes some minutes of one core.

python benchmarks/ab.py
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ab_shoppers import BEGUN, open_street, shopped
from numpy.typing import NDArray

from photosearch.experiment_settings import ExperimentParams, Metric
from photosearch.feedback.experiments import Arm, Experiment, Plan, arm_of
from photosearch.feedback.outcomes import COLUMNS, Outcomes
from photosearch.feedback.readout import METRICS, compare
from photosearch.feedback.sequential import errors_wide, mismatch_p
from photosearch.progress import configure_logging, track
from photosearch.settings import load_params

PARAMS = Path(__file__).parents[1] / "params.yaml"
LOOK_EVERY = 100
ONCE_VALID = 1.96
CONTROL_NOISE = 2.0
PLANTED = (1.75, 1.5, 1.0)
"""Noise of better searches."""
LOST = 0.03
PARTS = ("nothing", "planted", "losses")
Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Looks:
    """What one test showed at each look; NaN before an interval can be told."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    error: NDArray[np.float64]
    """The standard error of the difference."""

    @property
    def middle(self) -> NDArray[np.float64]:
        return (self.low + self.high) / 2


def main() -> None:
    """Prints the tables of docs/experiments/ab.md."""
    options = _options()
    configure_logging()
    rules = load_params(PARAMS).experiments
    if "losses" in options.parts:
        losses(rules, options)
    if set(options.parts) == {"losses"}:
        return
    street = open_street(options.seed, options.cards)
    control = shopped(street, options.pool, rules, noise=CONTROL_NOISE)
    say(
        f"{options.pool} shoppers, {options.cards} cards, {options.tests} tests of each kind with "
        f"{options.shoppers} shoppers, a look after every {LOOK_EVERY}; alpha {rules.alpha}\n"
    )
    if "nothing" in options.parts:
        no_difference(control, rules, options)
    if "planted" in options.parts:
        planted = [(noise, shopped(street, options.pool, rules, noise=noise)) for noise in PLANTED]
        differences(control, planted, rules, options)


def no_difference(control: Table, rules: ExperimentParams, options: argparse.Namespace) -> None:
    """A/A: how often each metric's interval ever leaves out 0."""
    say("| metric | mean | always-valid, ever | once-valid, ever | once-valid, at the end |")
    say("|---|---|---|---|---|")
    metrics = list(METRICS)
    ever: dict[Metric, list[tuple[bool, bool, bool]]] = {metric: [] for metric in metrics}
    for number in track(range(options.tests), "tests of nothing", options.tests):
        done, trial = drawn(control, control, number, rules, options.shoppers)
        for metric in metrics:
            looks = look(trial, done, metric)
            z = np.abs(looks.middle) / looks.error
            ever[metric].append((
                bool(((looks.low > 0) | (looks.high < 0)).any()),
                bool((z > ONCE_VALID).any()),
                bool(z[-1] > ONCE_VALID),
            ))  # fmt: skip
    for metric in metrics:
        found = np.array(ever[metric])
        cells = " | ".join(share(column) for column in found.T)
        say(f"| {metric} | {mean_of(control, metric):.4g} | {cells} |")


def differences(
    control: Table,
    planted: Sequence[tuple[float, Table]],
    rules: ExperimentParams,
    options: argparse.Namespace,
) -> None:
    """Planted differences of the primary metric: how often, and how soon, they are found."""
    say(
        "\n| noise | true difference | found | shoppers till found, median (10% .. 90%) | "
        "planned once, 80% power | true one ever outside | found the wrong way |\n"
        "|---|---|---|---|---|---|---|"
    )
    metric = rules.primary
    for noise, better in planted:
        truth = mean_of(better, metric) - mean_of(control, metric)
        when, outside, wrong = [], [], []
        for number in track(range(options.tests), f"tests of noise {noise}", options.tests):
            done, trial = drawn(control, better, number, rules, options.shoppers)
            looks = look(trial, done, metric)
            found = np.flatnonzero(looks.low > 0)
            when.append((found[0] + 1) * LOOK_EVERY if len(found) else np.inf)
            outside.append(bool(((looks.low > truth) | (looks.high < truth)).any()))
            wrong.append(bool((looks.high < 0).any()))
        error = looks.error[-1] * np.sqrt(options.shoppers)  # of one shopper
        once = (ONCE_VALID + 0.84) ** 2 * error**2 / truth**2
        told = " .. ".join(f"{n:.0f}" for n in np.quantile(when, [0.1, 0.9], method="higher"))
        say(
            f"| {noise} | {truth:+.4f} | {share(np.isfinite(when))} | {np.median(when):.0f} "
            f"({told}) | {once:.0f} | {share(outside)} | {share(wrong)} |"
        )


def losses(rules: ExperimentParams, options: argparse.Namespace) -> None:
    """Two arms, one of which loses shoppers: how soon the alarm sounds."""
    say(f"{options.loss_tests} tests of two arms, alarm at {rules.mismatch_alpha}\n")
    say("| lost of one arm | alarm | by shoppers | median | at level 0.05 |\n|---|---|---|---|---|")
    shares = np.array([0.5, 0.5])
    for lost in (0.0, LOST):
        alarms: list[float] = []
        loose: list[bool] = []
        tests = range(options.loss_tests)
        for number in track(tests, f"tests that lose {lost:.0%}", options.loss_tests):
            random = np.random.default_rng([number, 5])
            arms = random.integers(0, 2, options.loss_shoppers)
            kept = (arms == 0) | (random.random(len(arms)) >= lost)
            p = mismatch_p(arms[kept], shares, concentration=rules.mismatch_concentration)
            loose.append(bool(p[-1] < 0.05))
            alarms.append(
                np.argmax(p < rules.mismatch_alpha) + 1 if p[-1] < rules.mismatch_alpha else np.inf
            )
        median = np.median(alarms)
        say(
            f"| {lost:.0%} | {share(np.isfinite(alarms))} | {options.loss_shoppers} | "
            f"{'none' if np.isinf(median) else f'{median:.0f}'} | {share(loose)} |"
        )


def drawn(
    control: Table, other: Table, number: int, rules: ExperimentParams, n_shoppers: int
) -> tuple[Outcomes, Experiment]:
    """One test: shoppers in an order by chance, parted by the hash of their keys."""
    trial = trial_of(rules, salt=f"test-{number}")
    who = np.random.default_rng([number, 3]).permutation(len(control))[:n_shoppers]
    arms = np.array([place_of(trial, f"shopper-{one}") for one in who])
    table = np.where((arms == 0)[:, None], control[who], other[who])
    return Outcomes(arms, np.ones(len(who), np.bool_), table, 0, {}), trial


def look(trial: Experiment, done: Outcomes, metric: Metric) -> Looks:
    """What is told after every LOOK_EVERY shoppers."""
    rows = []
    for n in range(LOOK_EVERY, len(done.arms) + 1, LOOK_EVERY):
        part = Outcomes(done.arms[:n], done.is_over[:n], done.table[:n], 0, {})
        told = compare(trial, part, metric, 1)
        low, high = (np.nan if edge is None else edge for edge in (told.low, told.high))
        wide = errors_wide(n, alpha=trial.rules.alpha, planned=trial.rules.planned_shoppers)
        rows.append((low, high, (high - low) / 2 / wide))
    return Looks(*np.array(rows).T)


def trial_of(rules: ExperimentParams, *, salt: str) -> Experiment:
    plan = Plan(name="trial", arms=[Arm(name="now"), Arm(name="new")])
    return Experiment(plan=plan, salt=salt, rules=rules, started_at=BEGUN)


def place_of(trial: Experiment, shopper: str) -> int:
    arm = arm_of(trial, shopper)
    return 0 if arm is not None and arm.name == "now" else 1


def mean_of(table: Table, metric: Metric) -> float:
    above, below, _ = METRICS[metric]
    divisor = table[:, COLUMNS.index(below)].sum() if below else len(table)
    return float(table[:, COLUMNS.index(above)].sum() / divisor)


def share(found: Sequence[bool] | NDArray[np.bool_]) -> str:
    """A share with Wilson's 95% interval."""
    p, n, z = float(np.mean(found)), len(found), ONCE_VALID
    middle = (p + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return f"{p:.3f} [{middle - half:.3f}, {middle + half:.3f}]"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="/".join(PARTS))
    parser.add_argument("--seed", type=int, default=31, help="Of the shop.")
    parser.add_argument("--cards", type=int, default=120)
    parser.add_argument("--pool", type=int, default=20_000, help="Shoppers that tests draw from.")
    parser.add_argument("--tests", type=int, default=500, help="Of each kind.")
    parser.add_argument("--shoppers", type=int, default=5_000, help="Of each test.")
    parser.add_argument("--loss-tests", type=int, default=500)
    parser.add_argument("--loss-shoppers", type=int, default=150_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
