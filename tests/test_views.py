"""How held-out photos ask: spoilt, cut by a box, cut by a wrong box; always in the same way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photosearch.catalog.schemas import CuratedPhoto, DrawnBox
from photosearch.catalog.tables import write_table
from photosearch.evaluation.views import (
    CORRUPTIONS,
    VIEWS,
    WHOLE,
    box_of,
    corrupted,
    drawn_boxes,
    seen_as,
    wrong_box,
)
from photosearch.judging_settings import BenchmarkParams

STRENGTH = BenchmarkParams(
    queries_max=100, middle_side=0.8, wrong_box_shift=0.35, crop_side=0.7, turn_degrees=30,
    jpeg_quality=10, jpeg_side_px=50, dark_light=0.2, seed=7,
)  # fmt: skip
OF = CuratedPhoto("a/review/1/0", "a", "review", "0123456789abcdef", "test", False)
BOX = DrawnBox("a/review/1/0", "0123456789abcdef", 0.1, 0.2, 0.5, 0.6, "ann", "2026-11-21")


def a_photo() -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (12, 9, 3), np.uint8)
    return Image.fromarray(pixels).resize((90, 120), Image.Resampling.BICUBIC)


def view(name: str, of: CuratedPhoto = OF, **drawn: DrawnBox) -> Image.Image:
    boxes = {box.photo_id: box for box in drawn.values()}
    return seen_as(name, a_photo(), of, drawn=boxes, strength=STRENGTH)


def light(photo: Image.Image) -> float:
    return float(np.asarray(photo, np.float64).mean())


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_photo_is_always_the_same(name: str):
    assert np.array_equal(view(name), view(name))
    assert view(name).mode == "RGB"


@pytest.mark.parametrize("name", [*CORRUPTIONS, "box", "wrong box"])
def test_every_view_but_the_whole_photo_changes_it(name: str):
    assert np.array_equal(view(WHOLE), a_photo())
    shown = view(name)
    assert shown.size != (90, 120) or not np.array_equal(shown, a_photo())


def test_chance_differs_from_photo_to_photo():
    other = replace(OF, sha256="fedcba9876543210")
    assert not np.array_equal(view("crop"), view("crop", other))


def test_a_crop_keeps_its_share_of_each_side():
    assert view("crop").size == (63, 84)


def test_a_turned_photo_keeps_its_size_and_has_no_empty_corners():
    white = Image.new("RGB", (90, 120), "white")
    turned = corrupted("rotation", white, STRENGTH, np.random.default_rng(1))
    assert turned.size == (90, 120)
    assert light(turned) == 255


def test_a_screenshot_shows_the_photo_on_a_taller_page():
    shown = view("screenshot")
    assert shown.size == (90, 189)
    assert light(shown) > light(a_photo())


def test_compression_shrinks_and_dark_darkens():
    assert max(view("compression").size) == 50
    assert light(view("dark")) == pytest.approx(0.2 * light(a_photo()), abs=4)


def test_an_unknown_corruption_is_refused():
    with pytest.raises(ValueError, match="'fog' is not one of crop, rotation"):
        corrupted("fog", a_photo(), STRENGTH, np.random.default_rng(1))


def test_a_drawn_box_is_used_and_else_the_middle():
    assert box_of(BOX, (100, 200), 0.8) == pytest.approx((10, 40, 50, 120))
    assert box_of(None, (100, 200), 0.8) == pytest.approx((10, 20, 90, 180))
    assert view("box", drawn=BOX).size == (36, 48)


def test_a_box_that_people_drew_too_small_is_made_large_enough_to_cut():
    point = replace(BOX, left=0.999, right=1.0, top=0.5, bottom=0.5)
    left, top, right, bottom = box_of(point, (100, 100), 0.8)
    assert (right - left, bottom - top) == (8, 8)
    assert right <= 100


def test_a_wrong_box_is_moved_but_stays_inside_the_photo():
    random = np.random.default_rng(3)
    for _ in range(200):
        left, top, right, bottom = wrong_box((60, 10, 95, 90), (100, 100), 0.35, random)
        assert left >= 0
        assert top >= 0
        assert right <= 100
        assert bottom <= 100
        assert min(right - left, bottom - top) >= 8
        assert (left, top, right, bottom) != (60, 10, 95, 90)


def test_of_several_boxes_on_a_photo_the_largest_counts(tmp_path: Path):
    path = tmp_path / "boxes.parquet"
    assert drawn_boxes(path) == {}
    write_table(path, DrawnBox, [replace(BOX, right=0.2), BOX, replace(BOX, right=0.3)])
    assert drawn_boxes(path) == {BOX.photo_id: BOX}
