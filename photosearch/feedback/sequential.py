"""Statistics that may be looked at as often as one likes; knows nothing of shoppers.

An ordinary interval is right once, at a number of observations chosen before. Whoever looks every
day and stops at the first good news is wrong far more often than it says. These hold at all times
at once, so that looking and stopping early cost nothing but width.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or a ratio of one arm."""

    value: float
    variance: float
    """Of the estimate: the square of its standard error."""
    n: int
    """Units it was made from: those whose denominator is above 0."""


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def ratio_estimate(numerators: Numbers, denominators: Numbers) -> Estimate | None:
    """The ratio of two sums over units that are drawn independently.

    Args:
        numerators: One a unit, (n_units,).
        denominators: One a unit, at least 0; ones make the ratio a plain mean.

    Returns:
        None where there are fewer than two units, or the denominators are all 0.

    Source: the delta method, as in Deng et al. 2018, "Applying the Delta Method in Metric
    Analytics", section 3: the ratio's error is the mean of (numerator - ratio * denominator)
    divided by the mean denominator.
    """
    n, below = len(numerators), float(denominators.sum())
    if n < 2 or below <= 0:
        return None
    ratio = float(numerators.sum()) / below
    errors = (numerators - ratio * denominators) * (n / below)
    return Estimate(ratio, float(errors.var(ddof=1)) / n, int((denominators > 0).sum()))


def difference_interval(
    control: Estimate, other: Estimate, *, alpha: float, planned: int
) -> Interval:
    """The interval of `other` minus `control` that holds at all times at once.

    Args:
        control: Of one arm.
        other: Of another, whose units are others.
        alpha: Probability that the true difference is ever outside, as the numbers get large.
        planned: Units of both arms together at which the interval is tightest.

    Source: asymptotic confidence sequences, Waudby-Smith et al. 2021, arXiv 2103.06476, theorem 2.2
    (Robbins' normal mixture), applied as in their section on randomised experiments: the estimated
    variance of an effect of one unit, divided by the units, is that of the difference of means.
    """
    n = control.n + other.n
    error = math.sqrt(control.variance + other.variance)
    middle = other.value - control.value
    half = error * errors_wide(n, alpha=alpha, planned=planned)
    return Interval(middle - half, middle + half)


def errors_wide(n: int, *, alpha: float, planned: int) -> float:
    """How many standard errors an always-valid interval reaches to each side; 1.96 is once only.

    Source: the margin of theorem 2.2 of arXiv 2103.06476 by the standard error; its rho by the
    closed form of the appendix "Optimizing Robbins' normal mixture", tightest at `planned`.
    """
    of_alpha = -2 * math.log(alpha)
    mixed = n * (of_alpha + math.log(of_alpha + 1)) / planned  # n * rho squared
    return math.sqrt(2 * (mixed + 1) / mixed * math.log(math.sqrt(mixed + 1) / alpha))


def mismatch_p(arms: NDArray[np.int64], shares: Numbers, *, concentration: float) -> Numbers:
    """How likely so uneven a split is, at any time up to each unit, if arms are drawn by shares.

    Args:
        arms: The arm of each unit, in the order in which they came, (n_units,).
        shares: What each arm should get, (n_arms,), sums up to 1.
        concentration: Of the Dirichlet that other shares are drawn from; its mean is `shares`.

    Returns:
        p-values, (n_units,), never rising: below a level with at most that probability, ever.

    Source: Lindon and Malek 2020, "Anytime-Valid Inference for Multinomial Count Data", arXiv
    2011.03567: the reciprocal of the largest Bayes factor so far.
    """
    n = len(arms)
    before = np.zeros(n)  # units of the same arm that came before
    for arm in range(len(shares)):
        mine = arms == arm
        before[mine] = np.arange(mine.sum())
    should = shares[arms]
    expected = (concentration * should + before) / (concentration + np.arange(n))
    evidence = np.maximum.accumulate(np.cumsum(np.log(expected / should)))
    return np.exp(-np.maximum(evidence, 0.0))
