"""A trained ranker goes into a release and comes out of it; what of it is used."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from found_cards import hit, ids, scored
from small_ranker import PHOTOS, VECTORS, answered, small_ranker

from photosearch.errors import BadArtifact
from photosearch.search.boosted_ranker import BoostedRanker, Rankers, rank_by_photo
from photosearch.search.popularity import CardClicks
from photosearch.search.query import Query, SearchRequest
from photosearch.search.ranker_folder import (
    TREES,
    VERDICT,
    WORDS,
    WORDS_VERDICT,
    better_trees,
    open_rankers,
    ranker_id,
    save_ranker,
    write_ranker,
)
from training.ranker import TrainedRanker
from training.ranker_data import Answered, exact_index


@pytest.fixture(scope="module")
def trained() -> TrainedRanker:
    return small_ranker()


def write_release(folder: Path, trained: TrainedRanker, *used: str) -> Rankers:
    """Saves, releases and opens a ranker; its trees serve photos alone and with words."""
    trees = dict.fromkeys((TREES, WORDS), trained.trees)
    save_ranker(folder / "build", trained.manifest, trees=trees, clicks=trained.clicks)
    photo_ids = [photo.photo_id for photo in PHOTOS]
    write_ranker(
        folder / "release", folder / "build", used or (TREES, WORDS),
        photo_ids=photo_ids, vectors=VECTORS,
    )  # fmt: skip
    return open_rankers(folder / "release", model_id="m1")


def the_one_alone(rankers: Rankers) -> BoostedRanker:
    assert rankers.alone is not None
    return rankers.alone


def test_a_released_ranker_orders_as_the_trained_one(trained: TrainedRanker, tmp_path: Path):
    released, asked = the_one_alone(write_release(tmp_path, trained)), answered(0)
    by_release = released.rank(asked.found, asked.evidence)
    assert scored(by_release) == scored(trained.running().rank(asked.found, asked.evidence))
    assert released.popular["right"] == trained.running().popular["right"]


def test_a_released_ranker_knows_the_short_cosines(trained: TrainedRanker, tmp_path: Path):
    hits = exact_index(PHOTOS, VECTORS).nearest(VECTORS[1], limit=10)
    short = the_one_alone(write_release(tmp_path, trained)).short
    cosines = short.cosines(VECTORS[1], [*hits, hit("new", 0, 0.1)])
    assert "new/gallery/0" not in cosines
    assert cosines["mug/gallery/0"] == pytest.approx(2 / 5**0.5, abs=1e-3)


def query_of(asked: Answered, **wishes: object) -> Query:
    return Query(SearchRequest(**wishes), None, VECTORS[1], asked.evidence.hits, None)


def test_a_photo_and_words_are_ranked_by_their_own_trees(trained: TrainedRanker, tmp_path: Path):
    asked = answered(0)
    for used, alone_first, worded_first in ((TREES, "right", "wrong"), (WORDS, "wrong", "right")):
        rank = rank_by_photo(write_release(tmp_path / used, trained, used), 2, None)
        assert ids(rank(asked.found, query_of(asked)))[0] == alone_first
        worded = rank(asked.found, replace(query_of(asked, text="mug"), text_scores={}))
        assert ids(worded)[0] == worded_first
        assert all(card.features is None for card in worded)  # clicks on them teach nothing


@pytest.mark.parametrize(
    "wishes", [{"liked": ("far",)}, {"disliked": ("right",)}, {"text": "mug", "liked": ("far",)}]
)
def test_where_likes_take_part_cards_keep_their_order(
    trained: TrainedRanker, tmp_path: Path, wishes: dict[str, object]
):
    asked = answered(0)
    rank = rank_by_photo(write_release(tmp_path, trained), 2, None)
    assert ids(rank(asked.found, query_of(asked, **wishes))) == ["wrong", "right", "far"]


def test_a_ranker_of_another_model_is_refused(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    with pytest.raises(BadArtifact, match="trained on model m1, the release has m2"):
        open_rankers(tmp_path / "release", model_id="m2")


def test_a_damaged_ranker_says_what_to_do(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    folder = tmp_path / "release"
    (folder / "trees.txt").write_text("no trees")
    with pytest.raises(BadArtifact, match="cannot be read"):
        open_rankers(folder, model_id="m1")
    for name in (TREES, WORDS):
        (folder / name).unlink()
    with pytest.raises(BadArtifact, match=r"neither trees.txt nor words.txt is there"):
        open_rankers(folder, model_id="m1")
    (folder / "ranker.json").unlink()
    with pytest.raises(BadArtifact, match="is not a ranker"):
        open_rankers(folder, model_id="m1")


def test_a_ranker_of_other_features_is_refused(trained: TrainedRanker, tmp_path: Path):
    manifest = replace(trained.manifest, features=["cosine"])
    save_ranker(tmp_path, manifest, trees={TREES: trained.trees}, clicks=[])
    with pytest.raises(BadArtifact, match="trained on 1 features"):
        open_rankers(tmp_path, model_id="m1")


def test_a_release_has_the_id_of_the_trained_ranker(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    name = ranker_id(tmp_path / "build", [TREES, WORDS])
    assert ranker_id(tmp_path / "release", [TREES, WORDS]) == name
    assert ranker_id(tmp_path / "build", [TREES]) != name
    more = [*trained.clicks, CardClicks("x", 1.0, 1)]
    trees = dict.fromkeys((TREES, WORDS), trained.trees)
    save_ranker(tmp_path / "build", trained.manifest, trees=trees, clicks=more)
    assert ranker_id(tmp_path / "build", [TREES, WORDS]) != name


def test_trees_of_an_earlier_training_do_not_stay(trained: TrainedRanker, tmp_path: Path):
    write_release(tmp_path, trained)
    save_ranker(tmp_path / "build", trained.manifest, trees={TREES: trained.trees}, clicks=[])
    assert not (tmp_path / "build" / WORDS).exists()


def test_only_a_whole_verdict_is_believed(tmp_path: Path):
    assert better_trees(tmp_path) == []
    (tmp_path / VERDICT).write_text(json.dumps({"is_better": False}))
    (tmp_path / WORDS_VERDICT).write_text(json.dumps({"is_better": True}))
    assert better_trees(tmp_path) == [WORDS]
    (tmp_path / VERDICT).write_text(json.dumps({"is_better": True}))
    assert better_trees(tmp_path) == [TREES, WORDS]
    (tmp_path / VERDICT).write_text("{}")
    with pytest.raises(BadArtifact, match="is not a verdict"):
        better_trees(tmp_path)
