"""The life of an index: filled, verified, named, told of."""

import logging

import numpy as np
import pytest
from photo_vectors import clustered, names

from photosearch.embedding.embedder import Vectors
from photosearch.index.filters import CardFilter
from photosearch.index.lifecycle import fill, index_id, recall_of, verify
from photosearch.index.vector_index import ExactIndex, Hit


class ForgetfulIndex(ExactIndex):
    """Searches well, and never finds photos whose number ends in 0: what a bad graph does."""

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        hits = super().nearest(vector, limit=self.count(), where=where)
        return [hit for hit in hits if not hit.photo_id.endswith("0")][:limit]

    def nearest_exactly(self, vector: Vectors, *, limit: int) -> list[Hit]:
        return super().nearest(vector, limit=limit)


def test_verify_gives_the_recall_of_a_bad_index() -> None:
    vectors = clustered(2000, 32)
    good, bad = ExactIndex(32), ForgetfulIndex(32)
    for index in (good, bad):
        index.add(*names(2000), vectors)
    assert verify(good, n_queries=300) == recall_of(good, vectors[:300]) == 1
    assert verify(bad, n_queries=300) == pytest.approx(0.9, abs=0.03)
    assert recall_of(bad, vectors[:300]) == pytest.approx(0.9, abs=0.03)


def test_verify_takes_either_of_two_equal_photos() -> None:
    index = ExactIndex(8)
    index.add(*names(400), np.repeat(clustered(4, 8), 100, axis=0))
    assert verify(index) == 1


@pytest.mark.parametrize("n_photos", [0, 1, 2, 5])
def test_verify_has_nothing_to_miss_in_a_tiny_index(n_photos: int) -> None:
    index = ExactIndex(8)
    index.add(
        *names(n_photos), clustered(n_photos, 8) if n_photos else np.empty((0, 8), np.float32)
    )
    assert verify(index) == 1


def test_filling_tells_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    class SlowIndex(ExactIndex):
        def add(self, *rows: object) -> None:
            now.append(now[-1] + 11)
            super().add(*rows)  # type: ignore[arg-type]

    now = [0.0]
    vectors = clustered(30, 8)
    ids, cards = names(30)
    batches = [
        (ids[at : at + 10], cards[at : at + 10], vectors[at : at + 10]) for at in (0, 10, 20)
    ]
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr("photosearch.progress.time.monotonic", lambda: now[-1])
        assert fill(SlowIndex(8), batches, 30) == 30
    assert caplog.messages[0] == "adding photos to the index 10/30, 1/s, 22 s left"


def test_equal_content_has_an_equal_id() -> None:
    first = index_id("m", dim=64, photo_ids=["a", "b"])
    assert first == index_id("m", dim=64, photo_ids=["b", "a"])
    others = {
        index_id("n", dim=64, photo_ids=["a", "b"]),
        index_id("m", dim=32, photo_ids=["a", "b"]),
        index_id("m", dim=64, photo_ids=["ab"]),
        index_id("m", dim=64, photo_ids=["a"]),
    }
    assert first not in others
    assert len(others) == 4
