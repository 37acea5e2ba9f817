"""How good a detector is: average precision of its boxes; knows no detector."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photosearch.perception.detector import Boxes, Found, overlaps


def average_precision(
    found: Sequence[Sequence[Found]], truth: Sequence[Boxes], *, overlap_min: float = 0.5
) -> float:
    """Area under precision over recall, where a box is right if it overlaps a true one enough.

    Each true box can be found once, by the surest box that overlaps it most; a second one is wrong.

    Args:
        found: Things of each photo, in any order.
        truth: (n, 4) true boxes of each photo, in pixels; n may be 0.
        overlap_min: Least intersection over union of a right box.

    Returns:
        In [0, 1].

    Raises:
        ValueError: No photo has a true box, so there is nothing to find.

    Source: Everingham et al. 2010, "The Pascal VOC Challenge", section 4.2, with the area under all
    points (as from VOC 2010 on), for one class.
    """
    n_true = sum(len(boxes) for boxes in truth)
    if n_true == 0:
        raise ValueError(f"None of {len(truth)} photos has a true box. Give photos with things.")
    judged = [judge(things, boxes, overlap_min) for things, boxes in zip(found, truth, strict=True)]
    confidences = np.concatenate([sure for sure, _ in judged])
    order = np.argsort(-confidences, kind="stable")
    right = np.concatenate([is_right for _, is_right in judged])[order].cumsum()
    precision = right / np.arange(1, len(right) + 1)
    # the best precision at this recall or any higher one
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(right, prepend=0) * precision).sum() / n_true)


def judge(
    things: Sequence[Found], truth: Boxes, overlap_min: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence of each thing on a photo, surest first, and whether it is right."""
    things = sorted(things, key=lambda thing: -thing.confidence)
    is_right = np.zeros(len(things), bool)
    if things and len(truth):
        shared = overlaps(np.array([thing.box for thing in things], float), truth)
        for row in range(len(things)):
            best = int(shared[row].argmax())
            if shared[row, best] >= overlap_min:
                is_right[row] = True
                shared[:, best] = 0
    return np.array([thing.confidence for thing in things]), is_right
