"""Average precision of boxes."""

import numpy as np
import pytest

from photosearch.evaluation.detection import average_precision
from photosearch.perception.detector import Found

A, B = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 70.0, 60.0)
NONE = np.empty((0, 4))


def found(*boxes: tuple[tuple[float, float, float, float], float]) -> list[Found]:
    return [Found(box, confidence, "product") for box, confidence in boxes]


def test_finding_all_and_nothing_else_is_one():
    assert average_precision([found((A, 0.9), (B, 0.3))], [np.array([A, B])]) == 1


def test_finding_nothing_is_zero():
    assert average_precision([[]], [np.array([A])]) == 0


def test_a_box_counts_from_half_of_the_union_on():
    half = (0.0, 0.0, 10.0, 5.0)
    less = (0.0, 0.0, 10.0, 4.9)
    assert average_precision([found((half, 0.9))], [np.array([A])]) == 1
    assert average_precision([found((less, 0.9))], [np.array([A])]) == 0


def test_the_same_thing_found_twice_is_right_once():
    twice = found((A, 0.9), (A, 0.8), (B, 0.7))
    assert average_precision([twice], [np.array([A, B])]) == pytest.approx((1 + 2 / 3) / 2)


def test_what_is_found_where_nothing_is_costs_precision_only_if_it_is_sure():
    truth = [np.array([A]), NONE]
    assert average_precision([found((A, 0.9)), found((B, 0.5))], truth) == 1
    assert average_precision([found((A, 0.5)), found((B, 0.9))], truth) == 0.5


def test_it_agrees_with_a_curve_worked_out_by_hand():
    # surest first: right, wrong, right, wrong, right; four true boxes, of which one is never found
    boxes = [(x * 20.0, 0.0, x * 20.0 + 10, 10.0) for x in range(4)]
    wrong = (0.0, 80.0, 10.0, 90.0)
    order = [boxes[0], wrong, boxes[1], wrong, boxes[2]]
    things = found(*((box, 0.9 - 0.1 * n) for n, box in enumerate(order)))
    area = (1 + 2 / 3 + 3 / 5) / 4
    assert average_precision([things], [np.array(boxes)]) == pytest.approx(area)


def test_without_a_true_box_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match="None of 2 photos has a true box"):
        average_precision([[], []], [NONE, NONE])
