"""The gate: may the candidate replace the champion? A verdict with its reasons."""

from dataclasses import dataclass

import numpy as np

from photosearch.evaluation.metrics import PerQuery
from photosearch.settings import GateParams

RESAMPLES = 2000
LARGEST_LOSS_A_SLICE = 0.02
"""No slice may get worse by more than this on the gate's metric."""


@dataclass(frozen=True, slots=True)
class Contest:
    """The gate's metric for both models on the same queries, one number a query."""

    champion_id: str
    champion_kind: str
    """`attention`, or `mean` pooling of the frozen tower."""
    candidate_id: str
    champion: PerQuery
    candidate: PerQuery
    slices: dict[str, list[bool]]
    """Which queries belong to each slice: `seen`, `unseen`."""


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
    """Share of paired bootstrap samples in which the candidate is better."""
    n_queries: int


def judge(contest: Contest, gate: GateParams) -> Verdict:
    """Promotes the candidate if it is better overall, surely so, and worse in no slice.

    Source: Efron and Tibshirani 1993, paired bootstrap over queries.
    """
    difference = contest.candidate - contest.champion
    gain, confidence = float(difference.mean()), _confidence(difference)
    checks = [
        (gain > gate.min_gain, f"gain {gain:+.4f} against the required more than {gate.min_gain}"),
        (
            confidence >= gate.confidence,
            f"better in {confidence:.1%} of {RESAMPLES} resamples, {gate.confidence:.0%} required",
        ),
    ]
    for name, members in contest.slices.items():
        rows = np.array(members, np.bool_)
        if rows.any():
            change = float(difference[rows].mean())
            is_well = change >= -LARGEST_LOSS_A_SLICE
            checks.append((is_well, f"{name}: {change:+.4f} on {rows.sum()} queries"))
    return Verdict(
        is_promoted=all(is_well for is_well, _ in checks),
        reasons=[f"{'ok' if is_well else 'NOT ENOUGH'}: {reason}" for is_well, reason in checks],
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
    )


def _confidence(difference: PerQuery) -> float:
    random = np.random.default_rng(0)
    n = len(difference)
    means = [difference[random.integers(0, n, n)].mean() for _ in range(RESAMPLES)]
    return float(np.mean(np.array(means) > 0))
