"""One suite for every index; ExactIndex is the reference. Filters: test_index_filters.py."""

import every_index
import numpy as np
import pytest
from every_index import IndexOfDim
from photo_vectors import BLUE, PINK, RED, clustered, names, of_cards, photo_ids

from photosearch.embedding.embedder import Vectors
from photosearch.errors import DimensionMismatch
from photosearch.index.filters import Listing
from photosearch.index.lifecycle import fill, verify
from photosearch.index.vector_index import ExactIndex

pytestmark = every_index.IN_MEMORY
index_of = every_index.index_of

FP16 = 2e-3
"""A number below 1 kept in fp16 is off by 0.0005 at most; a cosine by no more than this."""


# Every index


def test_an_empty_index_finds_nothing(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.optimize()
    assert index.nearest(RED, limit=10) == []
    assert list(index.scroll()) == []
    assert index.count() == 0


def test_nearest_come_first_with_card_and_cosine(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add(
        ["blue-1", "red-1", "pink-1"], of_cards("blue", "red", "pink"), np.stack([BLUE, RED, PINK])
    )
    hits = index.nearest(RED, limit=3)
    assert [(hit.photo_id, hit.card_id) for hit in hits] == [
        ("red-1", "red"),
        ("pink-1", "pink"),
        ("blue-1", "blue"),
    ]
    assert [hit.cosine for hit in hits] == pytest.approx([1, 1 / 1.16**0.5, 0], abs=FP16)


def test_photos_of_cards_come_back_in_order(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add(["b-2", "a-1", "b-1"], of_cards("b", "a", "b"), np.stack([BLUE, RED, PINK]))
    theirs = index.vectors_of(["b", "unknown", "a"])
    assert {card: photos for card, (photos, _) in theirs.items()} == {
        "a": ["a-1"],
        "b": ["b-1", "b-2"],
    }
    assert theirs["b"][1] == pytest.approx(np.stack([PINK, BLUE]), abs=FP16)
    assert index.vectors_of([]) == {}


def test_cosines_never_exceed_one(index_of: IndexOfDim) -> None:
    index, vectors = index_of(8), clustered(200, 8)
    index.add(*names(200), vectors)
    assert max(index.nearest(vector, limit=1)[0].cosine for vector in vectors) <= 1 + 1e-6


def test_equal_cosines_come_in_order_of_photo_id(index_of: IndexOfDim) -> None:
    index = index_of(2)
    ids = ["d", "a", "c", "b"]
    index.add(ids, of_cards(*ids), np.stack([RED] * 4))
    index.add(["far"], of_cards("far"), BLUE[None])
    assert photo_ids(index.nearest(PINK, limit=5)) == ["a", "b", "c", "d", "far"]


def test_adding_a_photo_twice_keeps_one(index_of: IndexOfDim) -> None:
    index = index_of(2)
    for _ in range(2):
        index.add(["red-1"], of_cards("red"), RED[None])
    index.add(["red-2", "red-2"], of_cards("old", "red"), np.stack([BLUE, RED]))
    assert index.count() == 2
    assert [hit.card_id for hit in index.nearest(RED, limit=10)] == ["red", "red"]
    assert photo_ids(index.nearest(RED, limit=10)) == ["red-1", "red-2"]


def test_adding_a_photo_again_replaces_vector_and_card(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add(["x", "y"], of_cards("old", "y"), np.stack([RED, PINK]))
    index.add(["x"], of_cards("new"), BLUE[None])
    assert index.nearest(BLUE, limit=1)[0].card_id == "new"
    assert photo_ids(index.nearest(RED, limit=2)) == ["y", "x"]


def test_removed_photos_are_not_found(index_of: IndexOfDim) -> None:
    index, vectors = index_of(16), clustered(300, 16)
    ids, cards = names(300)
    index.add(ids, cards, vectors)
    index.optimize()
    index.remove(ids[:150])
    assert index.count() == 150
    assert set(photo_ids(index.nearest(vectors[0], limit=300))) == set(ids[150:])
    found = index.nearest(vectors[200], limit=1)[0]
    assert (found.photo_id, found.card_id) == (ids[200], cards[200].card_id)


def test_removing_unknown_photos_is_no_error(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add(["red-1"], of_cards("red"), RED[None])
    index.remove(["nobody", "red-1", "red-1"])
    index.remove([])
    assert index.count() == 0


def test_adding_nothing_is_no_error(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add([], [], np.empty((0, 2), np.float32))
    assert index.count() == 0


@pytest.mark.parametrize(("limit", "expected"), [(-1, 0), (0, 0), (1, 1), (2, 2), (50, 2)])
def test_a_limit_bounds_the_hits(index_of: IndexOfDim, limit: int, expected: int) -> None:
    index = index_of(2)
    index.add(["red-1", "blue-1"], of_cards("red", "blue"), np.stack([RED, BLUE]))
    assert len(index.nearest(RED, limit=limit)) == expected


def test_a_wrong_width_is_refused(index_of: IndexOfDim) -> None:
    index = index_of(2)
    with pytest.raises(
        DimensionMismatch, match=r"holds 2-d vectors, the model made 3-d ones\. Reb"
    ):
        index.add(["x"], of_cards("x"), np.ones((1, 3), np.float32))
    with pytest.raises(DimensionMismatch, match="holds 2-d vectors, the model made 4-d ones"):
        index.nearest(np.ones(4, np.float32), limit=1)


def test_rows_that_cannot_be_stored_are_refused(index_of: IndexOfDim) -> None:
    index = index_of(2)
    with pytest.raises(ValueError, match=r"1 photo ids, 2 listings and vectors of shape \(1, 2\)"):
        index.add(["x"], of_cards("x", "y"), RED[None])
    with pytest.raises(ValueError, match="vector of photo y holds NaN or infinity"):
        index.add(["x", "y"], of_cards("x", "y"), np.array([[1, 0], [np.nan, 0]], np.float32))
    assert index.count() == 0


def test_scroll_gives_everything_back(index_of: IndexOfDim) -> None:
    index, vectors = index_of(16), clustered(2500, 16)
    ids, cards = names(2500)
    index.add(ids, cards, vectors)
    seen: dict[str, tuple[Listing, Vectors]] = {}
    for some_ids, some_cards, some_vectors in index.scroll(batch=400):
        assert len(some_ids) <= 400
        assert some_vectors.dtype == np.float32
        seen |= dict(zip(some_ids, zip(some_cards, some_vectors, strict=True), strict=True))
    assert {photo_id: listing for photo_id, (listing, _) in seen.items()} == dict(
        zip(ids, cards, strict=True)
    )
    stored = np.stack([seen[photo_id][1] for photo_id in ids])
    np.testing.assert_allclose(stored, vectors, atol=FP16)


def test_closing_twice_is_no_error(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.close()
    index.close()


def test_ten_nearest_are_those_of_exact_search(index_of: IndexOfDim) -> None:
    vectors, queries = clustered(5000, 64), clustered(5200, 64)[-200:]
    exact, index = ExactIndex(64), index_of(64)
    for one in (exact, index):
        assert fill(one, [(*names(5000), vectors)], 5000) == 5000
    right = sum(
        len(
            set(photo_ids(index.nearest(query, limit=10)))
            & set(photo_ids(exact.nearest(query, limit=10)))
        )
        for query in queries
    )
    assert right / 2000 >= 0.98
    assert verify(index, n_queries=100) >= 0.98
    for query in queries[:20]:
        true = photo_ids(exact.nearest(query, limit=10))
        assert photo_ids(index.nearest_exactly(query, limit=10)) == true


# ExactIndex


def test_exact_order_holds_among_many_equal_photos() -> None:
    # A matrix product sums equal rows in different orders: without care they come out unequal.
    index, vectors = ExactIndex(96), np.repeat(clustered(40, 96), 25, axis=0)
    ids, cards = names(1000)
    shuffled = np.random.default_rng(7).permutation(1000)
    index.add([ids[row] for row in shuffled], cards, vectors[shuffled])
    for start in range(0, 1000, 25):
        assert photo_ids(index.nearest(vectors[start], limit=10)) == ids[start : start + 10]


def test_exact_search_agrees_with_sorting_everything() -> None:
    index, vectors = ExactIndex(32), clustered(700, 32)
    ids, cards = names(700)
    for start in range(0, 700, 70):
        index.add(ids[start : start + 70], cards[start : start + 70], vectors[start : start + 70])
    index.remove(ids[::3])
    kept = [row for row in range(700) if row % 3]
    query = clustered(1, 32, seed=8)[0]
    order = sorted(kept, key=lambda row: -float(vectors[row] @ query))
    assert photo_ids(index.nearest(query, limit=40)) == [ids[row] for row in order[:40]]
