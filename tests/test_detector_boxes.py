"""Boxes by themselves: how they are moved, compared and thinned out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photosearch.catalog.images import Box, crop
from photosearch.perception.box_jitter import Jitter, jitter_box, jittered_boxes

STILL = Jitter(shift=0, scale=0, wrong=0)
BOX: Box = (100, 60, 300, 160)
SIZE = (480, 640)


def jittered(jitter: Jitter, n: int = 2000, others: tuple[Box, ...] = ()) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.array([jitter_box(BOX, SIZE, rng, jitter, others) for _ in range(n)])


def test_a_box_without_jitter_stays_where_it_is():
    assert jitter_box(BOX, SIZE, np.random.default_rng(0), STILL) == BOX


def test_equal_chance_gives_equal_boxes():
    once, again = (jitter_box(BOX, SIZE, np.random.default_rng(3), Jitter()) for _ in range(2))
    assert once == again


def test_shifts_are_shares_of_the_boxs_own_sides():
    moved = jittered(Jitter(shift=0.1, scale=0, wrong=0)) - BOX
    assert np.allclose(moved.mean(0), 0, atol=2)
    assert moved[:, 0].std() == pytest.approx(20, rel=0.1)
    assert moved[:, 1].std() == pytest.approx(10, rel=0.1)


def test_scaling_keeps_the_centre():
    boxes = jittered(Jitter(shift=0, scale=0.1, wrong=0))
    assert np.allclose((boxes[:, 0] + boxes[:, 2]) / 2, 200, atol=1)
    assert np.log(boxes[:, 2] - boxes[:, 0]).std() == pytest.approx(0.1, rel=0.1)


def test_a_wrong_choice_takes_another_thing_as_often_as_asked():
    others: tuple[Box, ...] = ((0, 300, 100, 400), (300, 500, 420, 620))
    boxes = jittered(Jitter(shift=0, scale=0, wrong=0.2), others=others)
    for other in others:
        assert (boxes == other).all(1).mean() == pytest.approx(0.1, abs=0.02)


def test_where_nothing_else_is_known_a_wrong_choice_is_a_part_of_the_product():
    boxes = jittered(Jitter(shift=0, scale=0, wrong=1))
    assert (boxes[:, :2] >= BOX[:2]).all()
    assert (boxes[:, 2:] <= BOX[2:]).all()
    share = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / (200 * 100)
    assert 0.2 < share.min() < 0.25
    assert 0.6 < share.max() < 0.65


side = st.integers(8, 60)


@given(
    size=st.tuples(side, side),
    corner=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 99),
    shift=st.floats(0, 3),
    scale=st.floats(0, 3),
)
def test_every_box_can_be_cut_out(size, corner, seed, shift, scale):
    x, y = (share * (length - 8) for share, length in zip(corner, size, strict=True))
    jitter = Jitter(shift=shift, scale=scale, wrong=0.5)
    moved = jitter_box((x, y, x + 8, y + 8), size, np.random.default_rng(seed), jitter)
    assert min(crop(Image.new("RGB", size), moved).size) >= 8


def test_a_photo_too_small_for_any_box_is_refused():
    with pytest.raises(ValueError, match=r"A photo of \(7, 90\) has no room"):
        jitter_box((0, 0, 7, 90), (7, 90), np.random.default_rng(0), Jitter())


def test_boxes_are_drawn_round_the_surest_thing_and_none_where_nothing_is():
    other: Box = (0, 0, 20, 20)
    assert jittered_boxes([BOX, other], SIZE, 2, jitter=STILL, seed=3) == [BOX, BOX]
    assert jittered_boxes([], SIZE, 2, jitter=STILL, seed=3) == []
    first, second = jittered_boxes([BOX], SIZE, 2, jitter=Jitter(), seed=3)
    assert first != second


def test_a_wrong_box_is_round_another_thing():
    other: Box = (0, 0, 20, 20)
    always = Jitter(shift=0, scale=0, wrong=1)
    assert jittered_boxes([BOX, other], SIZE, 1, jitter=always, seed=3) == [other]
