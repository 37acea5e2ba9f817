"""The nearest cards, block by block: the same as all at once, whatever the blocks cut."""

from pathlib import Path

import numpy as np
import pytest
from photo_vectors import clustered

from photosearch.embedding.embedder import Vectors, shorten
from photosearch.evaluation import nearest
from photosearch.evaluation.nearest import nearest_cards, numbered


def all_at_once(queries: Vectors, photos: Vectors, cards: np.ndarray, length: int, k: int):
    cosines = shorten(queries, length) @ shorten(photos, length).T
    by_card = np.stack([cosines[:, cards == card].max(1) for card in np.unique(cards)], 1)
    best = np.argsort(-by_card, axis=1, kind="stable")[:, :k]
    return np.unique(cards)[best], np.take_along_axis(by_card, best, 1)


@pytest.fixture(params=[5, 64, 4096])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(nearest, "PHOTOS_A_BLOCK", request.param)
    monkeypatch.setattr(nearest, "QUERIES_A_BLOCK", 7)
    return request.param


@pytest.mark.usefixtures("block")
def test_blocks_answer_as_all_photos_at_once_do():
    vectors = clustered(500, 32)
    photos, queries = vectors[:450], vectors[450:]
    cards = np.random.default_rng(1).integers(90, size=450)
    cards[:30] = 3  # a card of more photos than a small block
    for length in (32, 8):
        found = nearest_cards(queries, photos, cards, length=length, k=10)
        expected, cosines = all_at_once(queries, photos, cards, length, 10)
        assert found.cards.tolist() == expected.tolist()
        assert found.cosines == pytest.approx(cosines, abs=1e-6)


@pytest.mark.usefixtures("block")
def test_of_equally_near_cards_the_lower_number_comes_first_across_blocks():
    photos = np.tile(np.eye(1, 4, dtype=np.float32), (40, 1))
    cards = np.random.default_rng(2).permutation(40)
    assert nearest_cards(photos[:1], photos, cards, length=4, k=5).cards[0].tolist() == list(
        range(5)
    )


@pytest.mark.usefixtures("block")
def test_a_gallery_of_fewer_cards_than_asked_for_says_so():
    photos = clustered(6, 8)
    found = nearest_cards(photos[:2], photos, np.array([1, 1, 0, 0, 1, 0]), length=8, k=4)
    assert (found.cards[:, 2:] == -1).all()
    assert np.isneginf(found.cosines[:, 2:]).all()


def test_a_memory_map_in_half_precision_answers_as_the_numbers_it_holds(tmp_path: Path):
    vectors = clustered(200, 16)
    stored = np.memmap(tmp_path / "photos.f16", np.float16, "w+", shape=vectors.shape)
    stored[:] = vectors
    cards = np.arange(200) // 3
    found = nearest_cards(vectors[:20], stored, cards, length=16, k=5)
    expected, _ = all_at_once(vectors[:20], np.asarray(stored, np.float32), cards, 16, 5)
    assert found.cards.tolist() == expected.tolist()


def test_ids_are_numbered_in_their_order():
    names, numbers = numbered(["b", "a", "b", "c"])
    assert names == ["a", "b", "c"]
    assert numbers.tolist() == [1, 0, 1, 2]
