"""Near duplicates: hashes, photos laid over each other, vectors; who is whose neighbour."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted_scenes import on_white, scene
from PIL import Image, ImageDraw, ImageEnhance

from photosearch.catalog.schemas import Photo, Rejected
from photosearch.curation import alike, duplicates
from photosearch.curation.looks import look_at
from photosearch.curation.overlay import OVERLAY_PX, likeness
from photosearch.embedding.embedder import unit


def resaved(image: Image.Image, quality: int = 45) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    cut = round(image.width * share)
    return image.crop((cut, cut // 2, image.width - cut // 3, image.height - cut))


COPIES = {
    "recompressed": resaved,
    "resized": lambda image: resaved(image.resize((200, 200)), 60),
    "cropped": lambda image: resaved(cropped(image, 0.035)),
    "relit": lambda image: resaved(ImageEnhance.Brightness(image).enhance(0.75)),
}


def small(image: Image.Image) -> np.ndarray:
    resized = image.resize((OVERLAY_PX, OVERLAY_PX), Image.Resampling.BOX)
    return np.asarray(resized, np.float32)


def bits(a: Image.Image, b: Image.Image) -> int:
    """Distance as the search measures it."""
    ours, theirs = look_at(a), look_at(b)
    return min(
        (ours.hash ^ theirs.hash).bit_count(),
        (ours.inner_hash ^ theirs.hash).bit_count(),
        (ours.hash ^ theirs.inner_hash).bit_count(),
    )


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_near_by_hash_and_alike_when_laid_over(change: str):
    for seed in range(4):
        image = scene(seed)
        copy = COPIES[change](image)
        assert bits(image, copy) <= 8
        assert likeness(small(image)[None], small(copy)[None])[0] > 0.87


def test_other_photos_are_not_alike_when_laid_over():
    ours = np.stack([small(scene(seed)) for seed in range(8)])
    assert likeness(ours, np.roll(ours, 1, axis=0)).max() < 0.6


def test_likeness_sees_the_colour_of_a_thing_that_has_one_outline():
    red, green = on_white(3), on_white(3)
    ImageDraw.Draw(red).ellipse((90, 80, 230, 260), fill=(200, 40, 40))
    ImageDraw.Draw(green).ellipse((90, 80, 230, 260), fill=(40, 160, 60))
    assert likeness(small(red)[None], small(green)[None])[0] < 0.87


def by_all_pairs(hashes: list[int], inner: list[int], max_bits: int) -> list[list[int]]:
    n = range(len(hashes))
    return [
        [a, b]
        for a in n
        for b in n
        if a < b
        and min(
            (hashes[a] ^ hashes[b]).bit_count(),
            (hashes[a] ^ inner[b]).bit_count(),
            (inner[a] ^ hashes[b]).bit_count(),
        )
        <= max_bits
    ]


@st.composite
def hashes_with_neighbours(draw: st.DrawFn) -> list[int]:
    base = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6))
    flips = st.tuples(st.sampled_from(base), st.lists(st.integers(0, 63), max_size=12))
    near = [
        value ^ sum(1 << bit for bit in set(turned))
        for value, turned in draw(st.lists(flips, max_size=12))
    ]
    return draw(st.permutations(base + near))


@settings(deadline=None, max_examples=40)
@given(hashes_with_neighbours(), st.data(), st.sampled_from([0, 1, 4, 8]))
def test_the_hash_index_finds_what_comparing_all_pairs_finds(
    hashes: list[int], data: st.DataObject, max_bits: int
):
    inner = data.draw(st.permutations(hashes))
    found = alike.near_hashes(
        np.array(hashes, np.uint64), np.array(inner, np.uint64), max_bits=max_bits
    )
    assert found.tolist() == by_all_pairs(hashes, inner, max_bits)


def test_no_photos_have_no_neighbours():
    empty = np.empty(0, np.uint64)
    assert alike.near_hashes(empty, empty, max_bits=8).shape == (0, 2)


def test_near_vectors_are_found_exactly_among_few_and_mostly_among_many(
    monkeypatch: pytest.MonkeyPatch,
):
    dice = np.random.default_rng(0)
    vectors = unit(dice.normal(size=(3000, 32)))
    vectors[1000:1100] = unit(vectors[:100] + 0.01 * dice.normal(size=(100, 32)))
    pairs, cosines = alike.near_vectors(vectors, cosine_min=0.98)
    assert pairs.tolist() == [[row, 1000 + row] for row in range(100)]
    assert cosines.min() >= 0.98
    monkeypatch.setattr(alike, "EXACT_ROWS", 100)
    some, _ = alike.near_vectors(vectors, cosine_min=0.98)
    assert len(some) >= 95
    assert set(map(tuple, some.tolist())) <= set(map(tuple, pairs.tolist()))


def test_a_chain_of_alikes_keeps_both_ends():
    photos = [
        Photo(f"a/review/r/{n}", "a", "review", "r", str(n) * 64, 9, 9, None) for n in (0, 1, 2)
    ]
    gone = duplicates.later_alikes(photos, [(0, 1, 0.9), (1, 2, 0.95)], "near_duplicate")
    assert gone == [Rejected("a/review/r/1", "a", "near_duplicate", 0.9)]
