"""Where pairs come from, on small painted photos."""

from pathlib import Path

import numpy as np
import pytest
from small_market import PAIRS, Market, curated, fill, paint, png

from photosearch.catalog.schemas import Pair
from photosearch.catalog.tables import read_rows
from photosearch.curation import neighbours, pair_sources, snapshot
from photosearch.curation.pairs import make_pairs, pair_id_of
from photosearch.embedding.embedder import unit
from photosearch.errors import BadTable
from photosearch.home import Home
from photosearch.settings import PairShares, PairsParams

NO_SHARES = dict.fromkeys(PairShares.model_fields, 0.0)


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path))


def only(source: str, *, budget: int) -> PairsParams:
    return PairsParams(budget=budget, gold=0, shares=PairShares(**NO_SHARES | {source: 1.0}))


def test_pairs_are_of_training_photos_and_none_comes_twice(market: Market):
    home = market.home
    fill(market)
    market.curate(test_card_share=0.3, test_photo_share=0.3)
    make_pairs(home, params=PAIRS)
    found, photos = read_rows(home.pairs, Pair), curated(home)
    assert found
    assert len({frozenset((pair.sha256_a, pair.sha256_b)) for pair in found}) == len(found)
    assert len({pair.pair_id for pair in found}) == len(found)
    for pair in found:
        assert {photos[pair.photo_a].split, photos[pair.photo_b].split} == {"train"}
        assert pair.pair_id == pair_id_of(pair.sha256_b, pair.sha256_a)
        assert (pair.card_a == pair.card_b) == (pair.kind == "same_card")


def test_a_card_is_asked_gallery_with_buyers_first_and_least_alike_first():
    # rows 0 and 1 are the seller's
    cosines = np.array(
        [
            [1.0, 0.9, 0.5, 0.2],
            [0.9, 1.0, 0.4, 0.8],
            [0.5, 0.4, 1.0, 0.1],
            [0.2, 0.8, 0.1, 1.0],
        ],
        np.float32,
    )
    is_gallery = [True, True, False, False]
    assert pair_sources.hardest_same(cosines, is_gallery, limit=9) == [(0, 3), (1, 2), (0, 1)]
    assert pair_sources.hardest_same(cosines, is_gallery, limit=1) == [(0, 3)]


def test_a_card_without_enough_pictures_is_asked_buyer_with_buyer():
    cosines = np.array([[1, 0.3, 0.6], [0.3, 1, 0.5], [0.6, 0.5, 1]], np.float32)
    assert pair_sources.hardest_same(cosines, [False] * 3, limit=3) == [(0, 1)]


@pytest.mark.parametrize("blocks", [(512, 4096), (3, 5), (1, 1)])
def test_blocked_neighbours_are_the_true_ones(
    blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", blocks[0])
    monkeypatch.setattr(neighbours, "BLOCK_COLUMNS", blocks[1])
    random = np.random.default_rng(0)
    vectors = unit(random.normal(size=(23, 4)))
    groups = [f"g{n}" for n in random.integers(0, 5, 23)]
    rows, cosines = neighbours.neighbours_of_others(vectors, groups, k=3)
    every = vectors @ vectors.T
    every[np.equal.outer(groups, groups)] = -np.inf
    expected = np.argsort(-every, axis=1)[:, :3]
    assert (rows == expected).all()
    assert cosines == pytest.approx(np.take_along_axis(every, expected, axis=1), abs=1e-6)


def test_look_alikes_are_the_nearest_of_other_products(market: Market):
    fill(market, n_cards=4, n_reviews=0)  # red, yellow, red, yellow
    market.curate()
    report = make_pairs(market.home, params=only("neighbours", budget=2))
    found = read_rows(market.home.pairs, Pair)
    assert report.look_alikes == 2
    assert {frozenset((pair.card_a, pair.card_b)) for pair in found} == {
        frozenset(("c0", "c2")),
        frozenset(("c1", "c3")),
    }
    assert [pair.cosine for pair in found] == pytest.approx([1, 1])


def test_no_card_takes_all_the_look_alike_questions(market: Market):
    fill(market, n_cards=20, n_reviews=6)
    market.curate()
    make_pairs(market.home, params=only("neighbours", budget=20))
    found = read_rows(market.home.pairs, Pair)
    times = [card for pair in found for card in (pair.card_a, pair.card_b)]
    assert len(found) == 20
    assert max(times.count(card) for card in set(times)) <= pair_sources.MIN_LOOK_ALIKES_A_CARD


def test_offers_of_one_product_are_no_look_alikes(market: Market):
    for card_id in ("a", "b"):
        market.card(card_id, group="mug")
        market.photo(card_id, png(paint("red", seed=ord(card_id))))
    market.curate()
    report = make_pairs(market.home, params=PAIRS)
    assert (report.pairs, report.train_photos) == (0, 2)


def test_vectors_of_other_photos_are_refused(market: Market):
    home = market.home
    fill(market)
    market.curate()
    np.save(home.curated / snapshot.VECTORS_NAME, np.zeros((3, 6), np.float32))
    with pytest.raises(BadTable, match=r"holds 3 vectors, photos\.parquet 36 rows.*curate"):
        make_pairs(home, params=PAIRS)
    (home.curated / snapshot.VECTORS_NAME).unlink()
    with pytest.raises(BadTable, match=r"vectors\.npy cannot be read"):
        make_pairs(home, params=PAIRS)
