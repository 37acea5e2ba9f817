"""Photos are decoded no larger than needed, and nobody can tell but by the time."""

import io

import numpy as np
import pytest
from PIL import Image

from photosearch.catalog import images, seen_photo
from photosearch.catalog.seen_photo import SeenPhoto, cut, see
from photosearch.embedding.preprocess import Preprocessing
from photosearch.errors import BadBox, UnreadablePhoto

TOWER = Preprocessing(image_px=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
WIDTH, HEIGHT = 1600, 1200


def scene() -> Image.Image:
    """Soft patches and fine ones, as photos have."""
    dice = np.random.default_rng(7)
    soft = Image.fromarray(dice.integers(0, 256, (6, 8, 3), np.uint8))
    fine = Image.fromarray(dice.integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), np.uint8))
    large = (WIDTH, HEIGHT)
    return Image.blend(soft.resize(large, Image.Resampling.BICUBIC), fine.resize(large), 0.3)


def jpeg(turn: int = 1) -> bytes:
    content, exif = io.BytesIO(), Image.Exif()
    exif[images.ORIENTATION] = turn
    scene().save(content, "JPEG", quality=90, exif=exif)
    return content.getvalue()


def seen(turn: int = 1) -> SeenPhoto:
    return see(jpeg(turn), name="x", sees_px=TOWER.image_px)


def levels_apart(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of what the tower sees, in levels of 255."""
    apart = TOWER.pixels(one).astype(float) - TOWER.pixels(other)
    return float(np.abs(apart).mean())


def test_a_large_photo_is_decoded_smaller_and_says_how_large_it_is():
    photo = seen()
    assert photo.size == (WIDTH, HEIGHT)
    assert photo.pixels.size == (WIDTH // 4, HEIGHT // 4)
    assert min(photo.pixels.size) >= seen_photo.WHOLE * TOWER.image_px


def test_a_photo_that_was_turned_says_its_upright_size():
    photo = seen(turn=6)
    assert photo.size == (HEIGHT, WIDTH)
    assert photo.pixels.size == (HEIGHT // 4, WIDTH // 4)


def test_without_a_tower_a_photo_is_decoded_whole():
    assert see(jpeg(), name="x", sees_px=None).pixels.size == (WIDTH, HEIGHT)


def test_a_png_is_decoded_whole_and_cut_all_the_same():
    content = io.BytesIO()
    scene().save(content, "PNG")
    photo = see(content.getvalue(), name="x", sees_px=TOWER.image_px)
    assert photo.pixels.size == photo.size == (WIDTH, HEIGHT)
    assert cut(photo, (10, 20, 110, 90)).size == (100, 70)


def test_the_tower_sees_the_same_but_for_a_level_of_255():
    whole = images.open_photo(jpeg(), name="x")
    assert levels_apart(seen().pixels, whole) < 1


@pytest.mark.parametrize(
    "box", [(0, 0, 1600, 1200), (200, 160, 1000, 900), (640, 480, 800, 640), (33, 41, 141, 167)]
)
@pytest.mark.parametrize("turn", [1, 6])
def test_a_part_is_as_fine_as_if_it_were_cut_from_the_whole_photo(box: images.Box, turn: int):
    box = box if turn == 1 else (box[1], box[0], box[3], box[2])
    whole = images.open_photo(jpeg(turn), name="x")
    assert levels_apart(cut(seen(turn), box), images.crop(whole, box)) < 2.5


def test_a_small_part_is_decoded_again_and_never_enlarged_where_the_photo_has_more():
    part = cut(seen(), (640, 480, 640 + 130, 480 + 130))
    assert min(part.size) >= TOWER.image_px
    assert cut(seen(), (640, 480, 648, 488)).size == (8, 8)


def test_the_whole_photo_as_a_box_is_the_photo():
    photo = seen()
    assert cut(photo, (0, 0, WIDTH, HEIGHT)).tobytes() == photo.pixels.tobytes()


def test_a_box_of_the_decoded_pixels_lies_inside_the_photo():
    photo = see(jpeg(), name="x", sees_px=50)
    width, height = photo.pixels.size
    left, top, right, bottom = photo.in_full((0.0, 0.0, float(width), float(height)))
    assert (left, top) == (0, 0)
    assert (right, bottom) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("size", [(3, 2), (750, 1000), (2500, 2500)])
def test_the_memory_of_a_photo_is_seen_as_it_is_large_or_small(size: tuple[int, int]):
    photo = scene().resize(size)
    assert (images.rgbx_of(photo)[..., :3] == np.asarray(photo)).all()


def test_the_memory_of_a_photo_stays_while_somebody_looks_at_it():
    photo = scene()
    expected = np.asarray(photo)
    seen = images.rgbx_of(photo)
    del photo
    _ = [scene() for _ in range(3)]
    assert (seen[..., :3] == expected).all()


def test_a_box_that_leaves_the_photo_is_refused_in_pixels_of_the_photo():
    with pytest.raises(BadBox, match="1600 x 1200"):
        cut(seen(), (0, 0, 1601, 1200))
    with pytest.raises(BadBox, match="at least 8 pixels"):
        cut(seen(), (0, 0, 7, 1200))


def test_a_photo_that_is_cut_short_is_unreadable_at_any_size():
    with pytest.raises(UnreadablePhoto, match="Send a whole"):
        see(jpeg()[:-5000], name="x", sees_px=TOWER.image_px)
