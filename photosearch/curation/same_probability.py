"""From the cosine of two photos to the probability that they show the same product."""

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Label
from photosearch.evaluation.calibration import SameProbability

MIN_LABELS = 50
"""Decided labels of each answer from which on people are believed rather than cards."""

log = logging.getLogger(__name__)


def fit_probability(cosines: NDArray[np.float32], is_same: NDArray[np.bool_]) -> SameProbability:
    """Fits the curve; both answers weigh the same, however many there are of each.

    Where only one answer is there, or cosines tell nothing, every pair gets a half.

    Source: Platt 1999, "Probabilistic Outputs for Support Vector Machines".
    """
    if is_same.all() or not is_same.any():
        return SameProbability(0.0, 0.0)
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    curve = LogisticRegression(class_weight="balanced", C=100.0)
    curve.fit(cosines.reshape(-1, 1).astype(np.float64), is_same)
    slope = float(curve.coef_[0, 0])
    if slope <= 0:
        return SameProbability(0.0, 0.0)
    return SameProbability(slope, float(curve.intercept_[0]))


def decided_labels(labels: Iterable[Label]) -> dict[tuple[str, str], bool]:
    """Whether two photos are the same, by their ids; empty where people answered too little."""
    answers = {
        (label.photo_a, label.photo_b): label.answer == "same"
        for label in labels
        if label.answer != "unclear"
    }
    n_same = sum(answers.values())
    return answers if min(n_same, len(answers) - n_same) >= MIN_LABELS else {}
