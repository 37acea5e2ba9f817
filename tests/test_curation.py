"""Rules of curation on small painted photos; the tower is a fake that sees and reads colours."""

from pathlib import Path

import numpy as np
import pytest
from small_market import (
    PARAMS,
    ColourTower,
    Market,
    curated,
    fill,
    jpeg,
    paint,
    png,
    reasons,
    score_of,
)

from photosearch.catalog.schemas import Card, Rejected
from photosearch.catalog.tables import read_rows
from photosearch.curation import noise
from photosearch.curation.snapshot import CurationReport, curate
from photosearch.embedding.embedder import unit
from photosearch.home import Home


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path))


def test_a_clean_card_keeps_every_photo(market: Market):
    market.card("a")
    kept = {
        market.photo("a", png(paint("red", seed=1))),
        market.review("a", png(paint("red", "green", seed=2))),
    }
    report = market.curate()
    assert set(curated(market.home)) == kept
    assert report == CurationReport(
        cards=1, cards_dropped=0, cards_never_seen=0, photos=2,
        photos_by_split={"train": 2}, rejected={},
    )  # fmt: skip


def test_a_photo_below_the_side_is_too_small_and_one_at_it_stays(market: Market):
    market.card("a")
    at_limit = market.photo("a", png(paint("red", seed=1, side_px=64)))
    small = market.review("a", png(paint("red", seed=2, side_px=63)))
    market.curate()
    assert reasons(market.home) == {small: "too_small"}
    assert score_of(market.home, small) == 63
    assert at_limit in curated(market.home)


def test_the_gallery_copy_of_the_same_bytes_stays(market: Market):
    market.card("a")
    same = png(paint("red", seed=1))
    copy = market.review("a", same)
    original = market.photo("a", same)
    market.curate()
    assert reasons(market.home) == {copy: "exact_duplicate"}
    assert list(curated(market.home)) == [original]


def test_the_same_bytes_on_two_products_stay_with_the_first(market: Market):
    same = png(paint("red", seed=1))
    for card_id in ("a", "b"):
        market.card(card_id)
        market.photo(card_id, png(paint("red", seed=ord(card_id))))
    first, second = market.review("a", same), market.review("b", same)
    market.curate()
    assert reasons(market.home) == {second: "exact_duplicate"}
    assert first in curated(market.home)


def test_an_image_that_many_products_share_stays_with_none(market: Market):
    banner = png(paint("white", "blue", seed=1))
    shared = set()
    for card_id in ("a", "b", "c"):
        market.card(card_id)
        market.photo(card_id, png(paint("red", seed=ord(card_id))))
        shared.add(market.photo(card_id, banner))
    market.curate()
    assert reasons(market.home) == dict.fromkeys(shared, "shared_by_cards")
    assert score_of(market.home, "a/gallery/1") == 3


def test_two_offers_of_one_product_may_share_their_gallery_picture(market: Market):
    same = png(paint("red", seed=1))
    for card_id in ("a", "b"):
        market.card(card_id, group="mug")
        market.photo(card_id, same)
    copy = market.review("b", same)
    report = market.curate()
    assert report.cards == 2
    assert reasons(market.home) == {copy: "exact_duplicate"}


def test_a_photo_saved_again_is_a_near_duplicate_and_another_look_is_not(market: Market):
    market.card("a")
    look = paint("red", "green", seed=1)
    market.photo("a", png(look))
    again = market.review("a", jpeg(look.resize((100, 100))))
    other = market.review("a", png(paint("red", "green", seed=2)))
    market.curate()
    assert reasons(market.home) == {again: "near_duplicate"}
    score = score_of(market.home, again)
    assert score is not None
    assert PARAMS.near_duplicate_likeness <= score <= 1
    assert other in curated(market.home)


def test_looks_are_not_compared_between_two_galleries(market: Market):
    # products that are alike are photographed alike, and each card needs its pictures
    for card_id, colour in (("a", "red"), ("b", "green")):
        market.card(card_id, title=f"{colour} mug")
        market.photo(card_id, png(paint(colour, seed=1)))
    assert market.curate().photos == 2


def test_a_photo_that_fits_not_a_product_better_goes(market: Market):
    market.card("a")
    good = market.photo("a", png(paint("red", seed=1)))
    bad = market.review("a", png(paint("dark", seed=2)))  # "a blank or completely dark picture"
    market.curate()
    assert reasons(market.home) == {bad: "not_a_product"}
    assert score_of(market.home, bad) == pytest.approx(1, abs=0.01)
    assert good in curated(market.home)


def test_a_dark_thing_is_a_product_if_its_title_says_so(market: Market):
    market.card("a", title="dark mug")
    market.photo("a", png(paint("dark", seed=1)))
    assert market.curate().rejected == {}


def two_colours(market: Market) -> None:
    """A red card and a blue one, three photos each."""
    for card_id, colour in (("a", "red"), ("b", "blue")):
        market.card(card_id, title=f"{colour} mug")
        market.photo(card_id, png(paint(colour, seed=ord(card_id))))
        market.review(card_id, png(paint(colour, colour, "green", seed=2 * ord(card_id))))
        market.review(card_id, png(paint(colour, colour, colour, "white", seed=5 * ord(card_id))))


def test_a_photo_that_resembles_another_product_is_at_the_wrong_card(market: Market):
    two_colours(market)
    stranger = market.review("a", png(paint("blue", seed=3)))
    market.curate(belonging_min=-0.4)
    assert reasons(market.home) == {stranger: "wrong_product"}
    score = score_of(market.home, stranger)
    assert score is not None
    assert score < -0.4


def test_with_one_product_there_are_no_strangers(market: Market):
    market.card("a")
    market.photo("a", png(paint("red", seed=1)))
    market.review("a", png(paint("blue", seed=3)))
    assert market.curate(belonging_min=2).rejected == {}


def test_the_tower_never_takes_the_last_gallery_photo(market: Market):
    market.card("a")
    worse = market.photo("a", png(paint("dark", seed=1)))
    milder = market.photo("a", png(paint("dark", "dark", "dark", "dark", "red", seed=2)))
    market.review("a", png(paint("red", seed=3)))
    market.review("a", png(paint("red", seed=4)))
    market.curate()
    assert reasons(market.home) == {worse: "not_a_product"}
    assert milder in curated(market.home)


def test_a_damaged_image_is_unreadable(market: Market):
    market.card("a")
    market.photo("a", png(paint("red", seed=1)))
    cut = market.review("a", png(paint("red", seed=2))[:900])
    market.curate()
    assert reasons(market.home) == {cut: "unreadable"}


def test_a_card_that_loses_its_gallery_is_dropped_with_its_photos(market: Market):
    market.card("a")
    small = market.photo("a", png(paint("red", seed=1, side_px=20)))
    orphan = market.review("a", png(paint("red", seed=2)))
    market.card("b")
    market.photo("b", png(paint("red", seed=3)))
    market.card("never-photographed")
    report = market.curate()
    assert (report.cards, report.cards_dropped) == (1, 2)
    assert reasons(market.home) == {small: "too_small", orphan: "card_without_photos"}
    assert [card.card_id for card in read_rows(market.home.curated / "cards.parquet", Card)] == [
        "b"
    ]


def test_a_photo_of_an_unknown_card_is_left_out(market: Market):
    market.card("a")
    market.photo("a", png(paint("red", seed=1)))
    lost = market.review("ghost", png(paint("red", seed=2)))
    market.curate()
    assert reasons(market.home) == {lost: "unknown_card"}


def test_the_first_rule_that_fits_names_the_reason(market: Market):
    market.card("a")
    tiny = png(paint("dark", seed=1, side_px=20))
    market.photo("a", png(paint("red", seed=5)))
    small_copies = {market.photo("a", tiny), market.review("a", tiny)}
    dark = png(paint("dark", seed=2))
    first, second = market.review("a", dark), market.review("a", dark)
    tower = ColourTower()
    curate(market.write(), tower, params=PARAMS)
    assert reasons(market.home) == dict.fromkeys(small_copies, "too_small") | {
        first: "not_a_product",
        second: "exact_duplicate",
    }
    assert tower.n_photos_seen == 2 * 2  # cheap rules come first; once for looks, once for words


def test_photos_the_pull_rejected_are_told_in_the_same_table(market: Market):
    fill(market, n_cards=1)
    market.rejected.append(Rejected("z/gallery/0", "z", "unreadable", None))
    report = market.curate()
    assert report.rejected == {"unreadable": 1}
    assert reasons(market.home) == {"z/gallery/0": "unreadable"}


def test_margin_counts_the_own_title_and_the_generic_texts():
    x, y = unit(np.eye(2, dtype=np.float32))
    margins = noise.not_a_product_margins(
        np.stack([x, x, y]),
        np.stack([x, y, x]),
        product_texts=np.stack([(x + y) / np.sqrt(2)]).astype(np.float32),
        other_texts=y[None],
    )
    assert margins == pytest.approx([-1, -np.sqrt(0.5), 1 - np.sqrt(0.5)])
