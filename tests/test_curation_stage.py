"""The stage `curate` as a whole: the same bytes, its progress, and what leaves the old tables."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_market import (
    PAIRS,
    PARAMS,
    ColourTower,
    Market,
    curated,
    files,
    fill,
    paint,
    png,
)

from photosearch.catalog import images
from photosearch.curation import snapshot
from photosearch.curation.pairs import make_pairs
from photosearch.curation.snapshot import curate
from photosearch.embedding.embedder import Vectors
from photosearch.errors import BadData, EmptySource, HomeNotReady
from photosearch.home import Home


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path))


def test_the_same_input_gives_the_same_bytes(market: Market, tmp_path: Path):
    fill(market)
    again = Market(Home(tmp_path / "again"))
    fill(again)
    again.photos.reverse()  # the order of the source does not matter
    again.cards.reverse()
    reports = [market.curate(test_photo_share=0.3), again.curate(test_photo_share=0.3)]
    assert reports[0] == reports[1]
    assert make_pairs(market.home, params=PAIRS) == make_pairs(again.home, params=PAIRS)
    assert files(market.home.build) == files(again.home.build)


def test_vectors_are_kept_in_the_order_of_the_photos(market: Market):
    fill(market, n_cards=2)
    market.curate()
    vectors = np.load(market.home.curated / snapshot.VECTORS_NAME)
    tower = ColourTower()
    for row, photo in enumerate(curated(market.home).values()):
        opened = images.load(market.home.images, photo.sha256)
        assert vectors[row] == pytest.approx(tower.embed_photos([opened])[0])
    assert vectors.dtype == np.float32


class DyingTower(ColourTower):
    def embed_photos(self, photos: Sequence[Image.Image]) -> Vectors:
        raise KeyboardInterrupt(len(photos))


def test_a_run_that_dies_leaves_the_old_tables(market: Market, monkeypatch: pytest.MonkeyPatch):
    fill(market, n_cards=2)
    market.curate()
    before = files(market.home.build)
    fill_more = Market(market.home, *(list(rows) for rows in (market.cards, market.photos)))
    fill_more.card("new")
    fill_more.photo("new", png(paint("red", seed=999)))
    with pytest.raises(KeyboardInterrupt):
        curate(fill_more.write(), DyingTower(), params=PARAMS)
    assert files(market.home.build) == before

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot.np, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        fill_more.curate()
    assert files(market.home.build) == before


def test_progress_is_told(market: Market, caplog: pytest.LogCaptureFixture):
    fill(market, n_cards=2)
    with caplog.at_level(logging.INFO):
        market.curate()
    assert "curated 12 photos of 2 cards" in caplog.text


def test_a_snapshot_without_pictures_is_an_empty_source(market: Market):
    market.card("a")
    market.review("a", png(paint("red", seed=1)))
    with pytest.raises(
        EmptySource, match=r"No card keeps a gallery photo.*card_without_photos.: 1"
    ):
        market.curate()


def test_an_id_listed_twice_stops_the_stage(market: Market):
    market.card("a")
    market.photo("a", png(paint("red", seed=1)))
    market.photos.append(market.photos[0])
    with pytest.raises(BadData, match=r"photos\.parquet lists 1 ids more than once: a/gallery/0\."):
        market.curate()


def test_an_image_that_is_gone_is_a_broken_home_not_a_bad_photo(market: Market):
    market.card("a")
    market.photo("a", png(paint("red", seed=1)))
    images.path_of(market.home.images, market.photos[0].sha256).unlink()
    with pytest.raises(HomeNotReady, match=r"photo a/gallery/0 is gone\. Run `dvc checkout`"):
        market.curate()
