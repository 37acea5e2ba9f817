"""The gate: may the candidate replace the champion? Checks, and a verdict with its reasons."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from photosearch.evaluation.budgets import Budget
from photosearch.evaluation.leakage import Leak
from photosearch.evaluation.metrics import PerQuery
from photosearch.judging_settings import GateParams

RESAMPLES = 2000
PRODUCTS_MIN = 2
NUMBERS_A_BLOCK = 2**20
"""Drawn at once: bounds memory, whatever the number of queries."""


@dataclass(frozen=True, slots=True)
class Contest:
    """The gate's metric for both models on the same queries, one number a query; and the rest."""

    champion_id: str
    champion_kind: str
    """`attention`, or `mean` pooling of the frozen tower."""
    candidate_id: str
    champion: PerQuery
    candidate: PerQuery
    slices: dict[str, list[bool]]
    """Which queries belong to each slice: `seen`, `unseen`."""
    categories: dict[str, list[bool]] = field(default_factory=dict)
    lengths: dict[int, PerQuery] = field(default_factory=dict)
    """At each other length both make: the candidate's metric less the champion's."""
    budget: Budget | None = None
    """What the candidate takes; None where it was not measured."""
    leaks: list[Leak] = field(default_factory=list)
    withdrawn: str | None = None
    """When and why somebody rolled back from the candidate."""
    products: list[str] = field(default_factory=list)
    """Of each query; its photos rise and fall together. Empty: each query has one of its own."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the gate looks at."""

    name: str
    is_well: bool
    said: str
    """What was found and what is required."""

    @property
    def reason(self) -> str:
        return f"{'ok' if self.is_well else 'NOT ENOUGH'}: {self.said}"


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody promoted a refused candidate."""

    by: str
    because: str
    at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Verdict:
    is_promoted: bool
    reasons: list[str]
    champion_id: str
    champion_kind: str
    candidate_id: str
    metric: str
    length: int
    champion_mean: float
    candidate_mean: float
    gain: float
    confidence: float
    """Share of paired bootstrap samples of products in which the candidate is better."""
    n_queries: int
    checks: list[Check] = field(default_factory=list)
    """The same as `reasons`; empty in verdicts of before there were checks."""
    processor_ms: float | None = None
    size_mb: float | None = None
    contest_id: str = ""
    """Equal models, queries and rules have equal ids: their verdict stands."""
    override: Override | None = None


def judge(contest: Contest, gate: GateParams, *, contest_id: str = "") -> Verdict:
    """Promotes the candidate if it is better overall, surely so, and nothing else speaks against.

    Source: Efron and Tibshirani 1993, paired bootstrap; Field and Welsh 2007, of clusters.
    """
    difference, products = contest.candidate - contest.champion, _products(contest)
    gain, confidence = float(difference.mean()), share_above(difference, 0.0, products)
    checks = [
        Check(
            "gain",
            gain > gate.min_gain,
            f"gain {gain:+.4f} against the required more than {gate.min_gain}",
        ),
        Check(
            "confidence",
            confidence >= gate.confidence,
            f"better in {confidence:.1%} of {RESAMPLES} resamples of "
            f"{len(set(products))} products, {gate.confidence:.0%} required",
        ),
        *_slices(contest, gate),
        *_lengths(contest, gate),
        *_categories(contest, gate),
        *_circumstances(contest, gate),
    ]
    budget = contest.budget
    return Verdict(
        is_promoted=all(check.is_well for check in checks),
        reasons=[check.reason for check in checks],
        champion_id=contest.champion_id,
        champion_kind=contest.champion_kind,
        candidate_id=contest.candidate_id,
        metric=gate.metric,
        length=gate.length,
        champion_mean=round(float(contest.champion.mean()), 4),
        candidate_mean=round(float(contest.candidate.mean()), 4),
        gain=round(gain, 4),
        confidence=round(confidence, 4),
        n_queries=len(difference),
        checks=checks,
        processor_ms=budget.processor_ms if budget else None,
        size_mb=budget.size_mb if budget else None,
        contest_id=contest_id,
    )


def share_above(difference: PerQuery, bar: float, products: NDArray[np.str_]) -> float:
    """Share of bootstrap samples of the products whose mean difference is above `bar`.

    Args:
        difference: One a query, (n_queries,).
        bar: For the mean over the queries of a sample.
        products: Of each query, (n_queries,).

    Returns:
        0 where there is one product alone: it says nothing of others.
    """
    names, product = np.unique(products, return_inverse=True)
    sums, n_queries = np.bincount(product, difference), np.bincount(product)
    random, n = np.random.default_rng(0), len(names)
    if n < PRODUCTS_MIN:
        return 0.0
    at_once, means = max(1, NUMBERS_A_BLOCK // n), []
    for done in range(0, RESAMPLES, at_once):
        drawn = random.integers(0, n, (min(at_once, RESAMPLES - done), n))
        means.append(sums[drawn].sum(axis=1) / n_queries[drawn].sum(axis=1))
    return float((np.concatenate(means) > bar).mean())


def _products(contest: Contest) -> NDArray[np.str_]:
    return np.array(contest.products or [str(query) for query in range(len(contest.candidate))])


def _slices(contest: Contest, gate: GateParams) -> list[Check]:
    """Slices are large: their mean counts as it is."""
    difference, checks = contest.candidate - contest.champion, []
    for name, members in contest.slices.items():
        rows = np.array(members, np.bool_)
        if rows.any():
            change = float(difference[rows].mean())
            said = f"{name}: {change:+.4f} on {rows.sum()} queries"
            checks.append(Check(name, change >= -gate.slice_margin, said))
    return checks


def _lengths(contest: Contest, gate: GateParams) -> list[Check]:
    return [
        Check(
            f"length {length}",
            float(difference.mean()) >= -gate.slice_margin,
            f"length {length}: {difference.mean():+.4f}, at least {-gate.slice_margin} required",
        )
        for length, difference in contest.lengths.items()
    ]


def _categories(contest: Contest, gate: GateParams) -> list[Check]:
    """Categories are small: one counts as worse where its own bootstrap says so."""
    difference, products = contest.candidate - contest.champion, _products(contest)
    checks, small = [], []
    for name, members in contest.categories.items():
        rows = np.array(members, np.bool_)
        n_products = len(set(products[rows]))
        if rows.sum() < gate.category_queries_min or n_products < PRODUCTS_MIN:
            small.append(name)
            continue
        lost = 1 - share_above(difference[rows], -gate.category_margin, products[rows])
        said = (
            f"category {name}: {difference[rows].mean():+.4f} on {rows.sum()} queries, loses more "
            f"than {gate.category_margin} in {lost:.1%} of resamples, less than "
            f"{gate.confidence:.0%} required"
        )
        checks.append(Check(f"category {name}", lost < gate.confidence, said))
    if small:
        said = (
            f"{len(small)} categories of fewer than {gate.category_queries_min} queries, or of one "
            "product, not judged"
        )
        checks.append(Check("small categories", True, said))
    return checks


def _circumstances(contest: Contest, gate: GateParams) -> list[Check]:
    """What is not about the metric: budgets, leaks, and what became of this model before."""
    checks = [Check(f"leak: {leak.kind}", False, leak.said) for leak in contest.leaks]
    if contest.withdrawn is not None:
        checks.append(Check("withdrawn", False, f"this model was rolled back {contest.withdrawn}"))
    if contest.budget is None:
        return checks
    processor_ms, size_mb = contest.budget.processor_ms, contest.budget.size_mb
    return [
        *checks,
        Check(
            "latency",
            processor_ms <= gate.processor_ms_max,
            f"embeds a photo in {processor_ms} ms of processor time, at most "
            f"{gate.processor_ms_max:g} allowed",
        ),
        Check(
            "size",
            size_mb <= gate.size_mb_max,
            f"takes {size_mb} MB, at most {gate.size_mb_max:g} allowed",
        ),
    ]
