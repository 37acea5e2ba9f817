"""Thresholds that labels teach, kept with their evidence."""

from pathlib import Path

import numpy as np
import pytest
from small_market import Market

from photosearch.catalog.schemas import Card, CuratedPhoto, Label
from photosearch.catalog.tables import write_table
from photosearch.curation import thresholds
from photosearch.embedding.embedder import unit
from photosearch.errors import BadParams
from photosearch.home import Home
from photosearch.settings import load_params

ROOT = Path(__file__).parents[1]


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path / "shop"))


def test_the_lowest_cosine_with_the_asked_precision_is_learned():
    cosines = np.linspace(1, 0.5, 101, dtype=np.float32)
    is_same = np.arange(101) < 40
    is_same[60] = True
    found = thresholds.lowest_precise(cosines, is_same, precision_min=0.98)
    assert found is not None
    assert found.cosine == pytest.approx(0.805)
    assert (found.precision, found.recall, found.labels) == (1.0, 40 / 41, 101)


def test_labels_that_are_never_precise_teach_nothing():
    cosines = np.linspace(1, 0.5, 100, dtype=np.float32)
    assert thresholds.lowest_precise(cosines, np.arange(100) % 2 == 0, precision_min=0.98) is None


def labelled_home(market: Market) -> Home:
    """Forty cards on a line of angles; people call the nearer pairs one product."""
    home = market.home
    angles = np.cumsum(np.linspace(0.01, 0.5, 40))
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    cards = [Card(f"c{n}", "mug", None, None, [], None, None, None, f"g{n}") for n in range(40)]
    photos = [
        CuratedPhoto(f"c{n}/gallery/0", f"c{n}", "gallery", f"{n:064x}", "train", True)
        for n in range(40)
    ]
    write_table(home.curated / "cards.parquet", Card, cards)
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    np.save(home.curated / "vectors.npy", vectors)
    labels = [
        Label(f"{n:032x}", f"c{n}/gallery/0", f"c{n + 1}/gallery/0", answer, 0.9, 3, ["ann"], "p",
              "2026-01-01T00:00:00Z")
        for n, answer in enumerate(["same"] * 15 + ["different"] * 24)
    ]  # fmt: skip
    write_table(home.labels, Label, labels)
    return home


def test_a_threshold_is_learned_from_labels_and_kept_with_its_evidence(market: Market):
    home = labelled_home(market)
    in_use, learned = thresholds.learn(home, labels_min=30, now=0.998)
    assert learned is not None
    assert (learned.precision, learned.recall, learned.labels) == (1.0, 1.0, 39)
    assert learned.cosine < in_use.cosine
    assert in_use.recall < 1
    params = home.root / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text())
    before = params.read_text().splitlines()
    thresholds.write_param(params, learned)
    changed = [
        (a, b) for a, b in zip(before, params.read_text().splitlines(), strict=True) if a != b
    ]
    assert len(changed) == 1
    assert "# learned from 39 labels: precision 1.000, recall 1.000" in changed[0][1]
    assert load_params(params).curation.semantic_across_cosine >= learned.cosine
    assert thresholds.learn(home, labels_min=40, now=0.998)[1] is None
    assert thresholds.learn(home, labels_min=0, now=0.998)[1] is None


def test_before_there_are_labels_nothing_is_learned(market: Market):
    in_use, learned = thresholds.learn(market.home, labels_min=1, now=0.998)
    assert (in_use.labels, learned) == (0, None)


def test_params_without_the_line_are_refused(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("curation: {}\n")
    with pytest.raises(BadParams, match="has 0 lines `semantic_across_cosine: NUMBER`"):
        thresholds.write_param(tmp_path / "params.yaml", thresholds.Threshold(0.9, 1, 1, 10))
