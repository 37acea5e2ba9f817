"""Splits of small painted photos into training and queries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_market import Market, curated, fill, jpeg, paint, png, reasons

from photosearch.catalog import images
from photosearch.catalog.schemas import Split
from photosearch.curation import looks, splits
from photosearch.home import Home


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path))


def test_without_splits_groups_are_seen_whole_or_never(market: Market):
    fill(market, n_cards=30, n_reviews=4)
    report = market.curate(test_card_share=0.3, test_photo_share=0.4)
    rows = list(curated(market.home).values())
    never = [row for row in rows if not row.is_card_seen]
    seen = [row for row in rows if row.is_card_seen]
    assert 3 <= report.cards_never_seen <= 15
    assert {row.split for row in never} == {"test"}
    assert {row.kind for row in never} == {"gallery", "review"}
    assert {row.split for row in seen if row.kind == "gallery"} == {"train"}
    of_reviews = [row.split for row in seen if row.kind == "review"]
    assert 0.25 < of_reviews.count("test") / len(of_reviews) < 0.55


def test_the_split_of_a_photo_does_not_depend_on_the_other_cards(market: Market, tmp_path: Path):
    fill(market, n_cards=12)
    market.curate(test_card_share=0.3, test_photo_share=0.3)
    fewer = Market(Home(tmp_path / "fewer"))
    fill(fewer, n_cards=6)
    fewer.curate(test_card_share=0.3, test_photo_share=0.3)
    every = curated(market.home)
    assert all(every[photo_id] == row for photo_id, row in curated(fewer.home).items())


def test_cards_of_one_group_are_on_one_side(market: Market):
    for n in range(20):
        market.card(f"c{n}", group=f"g{n // 2}")
        market.photo(f"c{n}", png(paint("red", seed=n)))
    market.curate(test_card_share=0.5)
    sides: dict[str, set[tuple[Split, bool]]] = {}
    for row in curated(market.home).values():
        side = sides.setdefault(f"g{int(row.card_id[1:]) // 2}", set())
        side.add((row.split, row.is_card_seen))
    assert all(len(side) == 1 for side in sides.values())
    assert {("train", True), ("test", False)} == {one for side in sides.values() for one in side}


def test_photos_of_one_review_share_a_split(market: Market):
    market.card("a")
    market.photo("a", png(paint("red", seed=0)))
    for n in range(40):
        content = png(paint("red", "green", seed=n + 1))
        market.photo("a", content, kind="review", review=f"r{n // 4}")
    market.curate(test_photo_share=0.5)
    sides: dict[str, set[Split]] = {}
    for row in curated(market.home).values():
        if row.kind == "review":
            sides.setdefault(row.photo_id.split("/")[2], set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values())
    assert {split for side in sides.values() for split in side} == {"train", "test"}


def test_splits_of_the_source_are_honoured(market: Market):
    market.card("a")
    gallery = market.photo("a", png(paint("red", seed=1)))
    train = market.review("a", png(paint("red", "green", seed=2)), split="train")
    val = market.review("a", png(paint("red", "blue", seed=3)), split="val")
    by_review = market.review("a", png(paint("red", "yellow", seed=4)), split="test")
    market.photos[-1] = replace(market.photos[-1], split=None)  # only its review says so
    market.curate(test_card_share=0.99, test_photo_share=0.99)
    found = {photo_id: row.split for photo_id, row in curated(market.home).items()}
    assert found == {gallery: "train", train: "train", val: "val", by_review: "test"}


def test_a_query_stays_and_its_near_duplicate_leaves_training(market: Market):
    market.card("a")
    market.photo("a", png(paint("red", seed=1)))
    look = paint("red", "green", seed=2)
    trained = market.review("a", png(look), split="train")
    query = market.review("a", jpeg(look), split="val")
    market.curate()
    assert reasons(market.home) == {trained: "near_duplicate"}
    assert curated(market.home)[query].split == "val"


def test_the_tower_drops_no_query_of_the_source(market: Market):
    market.card("a")
    market.card("b", title="blue mug")
    market.photo("a", png(paint("red", seed=1)))
    market.photo("b", png(paint("blue", seed=2)))
    stranger = market.review("a", png(paint("blue", seed=3)), split="val")
    alike = market.review("a", png(paint("red", seed=4)), split="test")
    copy = market.review("a", png(paint("red", seed=5)), split="train")
    market.curate(belonging_min=-0.5, semantic_duplicate_cosine=0.999)
    assert {stranger, alike} <= curated(market.home).keys()
    assert reasons(market.home) == {copy: "semantic_duplicate"}


def test_no_look_is_on_both_sides_of_a_split(market: Market):
    for card_id in ("a", "b"):
        market.card(card_id, group="mug")
        market.photo(card_id, png(paint("red", seed=ord(card_id))))
    for n in range(20):  # one buyer's photo, posted at two offers of the same product
        look = paint("red", "green", seed=n)
        market.review("a", png(look))
        market.review("b", jpeg(look))
    market.curate(test_photo_share=0.5)
    hashes: dict[Split, list[int]] = {"train": [], "test": []}
    for row in curated(market.home).values():
        plain, _ = looks.look_hashes(images.load(market.home.images, row.sha256))
        hashes[row.split].append(plain)
    assert len(hashes["test"]) > 3
    assert min((a ^ b).bit_count() for a in hashes["train"] for b in hashes["test"]) > 4


def test_points_are_spread_evenly():
    points = [splits.share_point(f"group-{n}") for n in range(5000)]
    assert np.histogram(points, bins=5, range=(0, 1))[0] == pytest.approx(1000, rel=0.1)
