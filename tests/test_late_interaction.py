"""Late interaction as a step: tokens lie beside an index, and are compared with a query's."""

import logging
from pathlib import Path

import numpy as np
import pytest

from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.embedder import unit
from photosearch.embedding.layers import Layer
from photosearch.embedding.short_tokens import (
    Projection,
    ProjectionManifest,
    pack,
    unpack,
)
from photosearch.errors import BadArtifact
from photosearch.release import Manifest, Release
from photosearch.search.found import FoundCard, Traits
from photosearch.search.late_interaction import compare_tokens, max_sim
from photosearch.search.photo_tokens import (
    FOLDER,
    PhotoTokens,
    TokensManifest,
    open_photo_tokens,
    tokens_of_release,
    write_photo_tokens,
)
from photosearch.search.schemas import Reason

AS_THEY_ARE = Projection(
    ProjectionManifest("m", "none"), Layer(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
)
X, Y, Z = np.eye(4, dtype=np.float32)[:3]
TOKENS_OF_PHOTO = {"a/0": [X, Y], "b/0": [X, X], "c/0": [Z, Z], "д/0": [Y, Z]}


def photo(photo_id: str) -> CuratedPhoto:
    return CuratedPhoto(photo_id, photo_id[0], "gallery", "", "train", is_card_seen=True)


def found(card_id: str, score: float) -> FoundCard:
    return FoundCard(Traits(card_id), f"{card_id}/0", score, score)


@pytest.fixture
def photo_tokens(tmp_path: Path) -> PhotoTokens:
    return stored(tmp_path, cards=3)


def stored(folder: Path, *, cards: int) -> PhotoTokens:
    write_photo_tokens(
        folder / FOLDER,
        [photo(photo_id) for photo_id in reversed(TOKENS_OF_PHOTO)],
        lambda photos: np.array([TOKENS_OF_PHOTO[p.photo_id] for p in photos], np.float32),
        projection=AS_THEY_ARE,
        manifest=TokensManifest("m", len(TOKENS_OF_PHOTO), cards, 0.5),
    )
    return open_photo_tokens(folder / FOLDER, model_id="m", n_photos=4)


def test_max_sim_is_the_mean_over_the_querys_tokens_of_their_best_cosine():
    query = unit(np.array([[1, 0, 0, 0], [1, 1, 0, 0]]))
    others = np.array([[X, Y], [Z, Z], [Y, Y]])
    assert max_sim(query, others) == pytest.approx(
        [(1 + 0.5**0.5) / 2, 0, (0 + 0.5**0.5) / 2], abs=1e-6
    )


def test_tokens_of_a_photo_come_back_by_its_id_whatever_their_order(photo_tokens: PhotoTokens):
    tokens = photo_tokens.of(["д/0", "a/0", "д/0"])
    assert tokens == pytest.approx(np.array([[Y, Z], [X, Y], [Y, Z]]))


def test_the_best_cards_are_ordered_by_score_and_tokens_and_say_why(photo_tokens: PhotoTokens):
    cards = [found("c", 0.8), found("b", 0.7), found("a", 0.6)]
    answer = compare_tokens(cards, np.array([X, Y]), photo_tokens)
    assert [card.traits.card_id for card in answer] == ["a", "b", "c"]
    assert [card.score for card in answer] == pytest.approx([1.1, 0.95, 0.8])
    assert answer[0].reasons == (Reason(step="late_interaction", what="max_sim", value=0.5),)
    assert cards[2].score == 0.6  # what went in stays as it was


def test_cards_beyond_the_best_stay_behind_them_whatever_their_tokens(tmp_path: Path):
    cards = [found("a", 0.1), found("c", 0.9), found("b", 0.8)]
    answer = compare_tokens(cards, np.array([X, Y]), stored(tmp_path, cards=2))
    assert [card.traits.card_id for card in answer] == ["b", "c", "a"]
    assert answer[2] == cards[0]  # not compared: same score, no reason


def test_no_cards_are_no_answer(photo_tokens: PhotoTokens):
    assert compare_tokens([], np.array([X, Y]), photo_tokens) == []


def test_a_photo_without_tokens_is_told_of(photo_tokens: PhotoTokens):
    told = r"1 of 2 photos have no tokens, the first is 'zz/0'.*photosearch index"
    with pytest.raises(BadArtifact, match=told):
        photo_tokens.of(["a/0", "zz/0"])


def test_packed_numbers_are_off_by_less_than_half_a_step():
    numbers = unit(np.random.default_rng(1).standard_normal((50, 8, 64)))
    assert np.abs(unpack(pack(numbers)) - numbers).max() <= 1 / 254 + 1e-6


def test_tokens_of_another_model_or_index_are_refused(photo_tokens: PhotoTokens, tmp_path: Path):
    assert photo_tokens.manifest.n_photos == 4
    with pytest.raises(BadArtifact, match="tokens of 4 photos, 5 are in the index"):
        open_photo_tokens(tmp_path / FOLDER, model_id="m", n_photos=5)
    with pytest.raises(BadArtifact, match="shortens tokens of model m, not of other"):
        open_photo_tokens(tmp_path / FOLDER, model_id="other", n_photos=4)
    (tmp_path / FOLDER / "tokens.npy").write_bytes(b"cut off")
    with pytest.raises(BadArtifact, match=r"no whole photo tokens .*photosearch index"):
        open_photo_tokens(tmp_path / FOLDER, model_id="m", n_photos=4)


def test_a_release_without_tokens_is_searched_without_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    manifest = Manifest("r1", "m", "", "", "exact", 64, [64], 4, 4, "", 1.0)
    with caplog.at_level(logging.INFO):
        assert tokens_of_release(Release(tmp_path, manifest)) is None
        assert "late interaction off: release r1 was made without it" in caplog.text
        stored(tmp_path, cards=2)
        assert tokens_of_release(Release(tmp_path, manifest)) is not None
        assert "late interaction on: 2 cards, weight 0.5, none tokens" in caplog.text
