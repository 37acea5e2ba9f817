"""Maps that show why: drawn where the weights are, and only there."""

import io

import numpy as np
import pytest
from PIL import Image

from photosearch.embedding.graph import Sight
from photosearch.embedding.layers import Layer
from photosearch.embedding.short_tokens import Projection, ProjectionManifest
from photosearch.errors import BadArtifact
from photosearch.search.explain import (
    GAP_PX,
    MATCHES,
    SIDE_PX,
    Match,
    attention,
    draw_map,
    draw_matches,
    matches,
)

GREY = Image.new("RGB", (300, 200), (120, 120, 120))
UPPER_LEFT, LOWER_RIGHT = np.array([1.0, 0, 0, 0]), np.array([0, 0, 0, 1.0])


def opened(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"), np.int64)


def sight(tokens: list, places: list, shares: list) -> Sight:
    made = (np.array([part], np.float32) for part in (tokens, places, shares))
    return Sight(np.zeros((1, 4), np.float32), *made)


def test_attention_is_that_of_the_tokens_weighed_by_the_pooling():
    seen = sight([[1, 0], [0, 1]], [UPPER_LEFT, [0, 0, 0.5, 0.5]], [0.75, 0.25])
    assert attention(seen) == pytest.approx([0.75, 0, 0.125, 0.125])


def test_matches_name_the_places_of_tokens_that_are_most_alike_and_add_up_to_max_sim():
    query = sight([[2, 0], [0, 3]], [UPPER_LEFT, LOWER_RIGHT], [0.5, 0.5])
    other = sight([[0.6, 0.8], [4, 0]], [[0, 1, 0, 0], [0, 0, 1, 0]], [0.5, 0.5])
    first, second = matches(query, other, None)
    assert first.query.tolist() == UPPER_LEFT.tolist()
    assert first.found.tolist() == [0, 0, 1, 0]
    assert second.found.tolist() == [0, 1, 0, 0]
    assert [first.worth, second.worth] == pytest.approx([0.5, 0.4])


def test_matches_are_those_of_the_short_tokens_where_the_search_uses_them():
    only_first = Layer(np.array([[1, 0]], np.float32), np.zeros(1, np.float32))
    projection = Projection(ProjectionManifest("m", "learned"), only_first)
    query = sight([[1, 0]], [UPPER_LEFT], [1])
    other = sight([[0, 1], [0.1, 5]], [[0, 1, 0, 0], LOWER_RIGHT], [0.5, 0.5])
    (match,) = matches(query, other, projection)
    assert match.found.tolist() == LOWER_RIGHT.tolist()
    assert match.worth == pytest.approx(1)


def test_a_map_colours_the_photo_where_the_weights_are():
    drawn = opened(draw_map(GREY, UPPER_LEFT))
    assert drawn.shape == (200, 300, 3)
    assert drawn[190, 290].tolist() == [120, 120, 120]
    red, green, blue = drawn[5, 5]
    assert min(red, green) > 180 > blue


def test_equal_weights_leave_the_photo_as_it_is():
    assert (opened(draw_map(GREY, np.full(9, 0.1))) == 120).all()


def test_a_large_photo_is_drawn_small():
    drawn = opened(draw_map(Image.new("RGB", (4000, 3000)), UPPER_LEFT))
    assert drawn.shape == (SIDE_PX * 3 // 4, SIDE_PX, 3)


def test_patches_that_are_no_square_have_no_map():
    with pytest.raises(BadArtifact, match="sees 6 patches, which are no square grid"):
        draw_map(GREY, np.arange(6.0))


def test_matches_stand_side_by_side_the_best_above():
    pairs = [Match(0.9 - n / 10, UPPER_LEFT, LOWER_RIGHT) for n in range(MATCHES + 2)]
    drawn = opened(draw_matches(GREY, Image.new("RGB", (100, 100), (120, 120, 120)), pairs))
    assert drawn.shape == (MATCHES * (200 + GAP_PX) - GAP_PX, 300 + GAP_PX + 100, 3)
    assert drawn[5, 5].tolist() != [120, 120, 120]
    assert drawn[5, 300 + GAP_PX + 5].tolist() == [120, 120, 120]
    assert drawn[95, 300 + GAP_PX + 95].tolist() != [120, 120, 120]
    assert drawn[150, 350].tolist() == [255, 255, 255]


def test_the_same_photo_and_weights_give_the_same_bytes():
    assert draw_map(GREY, LOWER_RIGHT) == draw_map(GREY, LOWER_RIGHT)
