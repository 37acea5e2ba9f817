"""Curation on small painted photos; the tower is a fake that sees and reads colours."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_market import (
    PARAMS,
    ColourTower,
    Market,
    curated,
    files,
    fill,
    jpeg,
    paint,
    png,
    reasons,
    score_of,
)

from photosearch.catalog import images
from photosearch.catalog.schemas import (
    Card,
    CuratedPhoto,
    Label,
    Pair,
    Rejected,
    Split,
)
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation import (
    expectations,
    looks,
    neighbours,
    noise,
    pair_sources,
    snapshot,
    splits,
)
from photosearch.curation.expectations import validate, validate_labels
from photosearch.curation.pairs import make_pairs, pair_id_of
from photosearch.curation.snapshot import CurationReport, curate
from photosearch.embedding.embedder import Vectors, unit
from photosearch.errors import BadData, BadTable, EmptySource, HomeNotReady
from photosearch.home import Home
from photosearch.settings import PairShares, PairsParams

# Great Expectations imports sre_constants and sre_parse, deprecated in Python 3.11
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

PAIRS = PairsParams(
    budget=60,
    gold=0,
    shares=PairShares(same_card=1, neighbours=1, threshold=1, disagreement=1, clicks=1),
)
NO_SHARES = dict.fromkeys(PairShares.model_fields, 0.0)


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path))


# --- rules


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


# --- hashes and vectors, without files


def test_margin_counts_the_own_title_and_the_generic_texts():
    x, y = unit(np.eye(2, dtype=np.float32))
    margins = noise.not_a_product_margins(
        np.stack([x, x, y]),
        np.stack([x, y, x]),
        product_texts=np.stack([(x + y) / np.sqrt(2)]).astype(np.float32),
        other_texts=y[None],
    )
    assert margins == pytest.approx([-1, -np.sqrt(0.5), 1 - np.sqrt(0.5)])


# --- splits


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


# --- the stage as a whole


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


# --- pairs


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


# --- expectations


@pytest.fixture(scope="module")
def good_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    market = Market(Home(tmp_path_factory.mktemp("good")))
    fill(market)
    market.curate(test_photo_share=0.3)
    make_pairs(market.home, params=PAIRS)
    return market.home


@pytest.fixture
def home(good_home: Home, tmp_path: Path) -> Home:
    """Good tables of its own, to be spoilt."""
    shutil.copytree(good_home.build, tmp_path / "build")
    return Home(tmp_path)


def test_good_tables_pass_and_have_pages(home: Home):
    report = validate(home)
    assert report.rows == {
        "cards": 6,
        "photos": 36,
        "pairs": len(read_rows(home.pairs, Pair)),
    }
    assert report.expectations == {"cards": 9, "photos": 10, "pairs": 12}
    assert "Great Expectations" in (home.data_docs / "index.html").read_text()
    summary = (home.data_docs / "summary.html").read_text()
    assert "All 31 expectations hold." in summary
    assert "http" not in summary  # readable without a network
    validate(home)
    assert (home.data_docs / "summary.html").read_text() == summary
    assert len(list(home.data_docs.glob("validations/photos/*/*"))) == 1  # old runs are gone
    assert [path.name for path in home.build.iterdir() if path.name.startswith(".")] == []


def edit_cards(home: Home, **changes: object) -> None:
    rows = read_rows(home.curated / "cards.parquet", Card)
    rows[0] = replace(rows[0], **changes)
    write_table(home.curated / "cards.parquet", Card, rows)


def edit_photos(home: Home, listed_as: str, **changes: object) -> None:
    rows = curated(home)
    rows[listed_as] = replace(rows[listed_as], **changes)
    write_table(home.curated / "photos.parquet", CuratedPhoto, rows.values())


def edit_pairs(home: Home, kind_now: str, **changes: object) -> str:
    rows = read_rows(home.pairs, Pair)
    at = next(row for row, pair in enumerate(rows) if pair.kind == kind_now)
    rows[at] = replace(rows[at], **changes)
    write_table(home.pairs, Pair, rows)
    return rows[at].pair_id


def message_of(home: Home) -> str:
    with pytest.raises(BadData) as error:
        validate(home)
    assert "bad" in (home.data_docs / "summary.html").read_text()
    assert (home.data_docs / "index.html").exists()
    assert f"See {home.data_docs / 'summary.html'}. Mend the source and pull again" in str(
        error.value
    )
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"card_id": "c1"}, "column card_id: expect_column_values_to_be_unique"),
        ({"title": ""}, "column title: expect_column_value_lengths_to_be_between"),
        ({"title": "  "}, "column title: expect_column_values_to_match_regex"),
        (
            {"title": "x" * 301},
            "(a title has 1 to 300 characters): 1 of 6 rows are bad, card_id c0",
        ),
        ({"price": 0.0}, "(a price is above zero, or not known): 1 of 6 rows are bad, card_id c0"),
    ],
)
def test_bad_cards_stop_the_pipeline(home: Home, changes: dict[str, object], told: str):
    edit_cards(home, **changes)
    message = message_of(home)
    assert f"{home.curated / 'cards.parquet'}: column" in message
    assert told in message


def test_an_unknown_price_is_fine(home: Home):
    edit_cards(home, price=None)
    validate(home)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"split": "holdout"}, "column split: expect_column_values_to_be_in_set"),
        ({"sha256": "12ab"}, "column sha256: expect_column_values_to_match_regex"),
        ({"kind": "video"}, "column kind: expect_column_values_to_be_in_set"),
        ({"card_id": "ghost"}, "(the photo's card is in cards.parquet): 1 of 36 rows are bad"),
        ({"is_card_seen": False}, "column is_seen_true"),
        ({"photo_id": "c0/gallery/0"}, "column photo_id: expect_column_values_to_be_unique"),
    ],
)
def test_bad_photos_stop_the_pipeline(home: Home, changes: dict[str, object], told: str):
    edit_photos(home, "c0/review/c0-r00/0", **changes)
    message = message_of(home)
    assert f"{home.curated / 'photos.parquet'}: column" in message
    assert told in message


def test_a_card_without_a_gallery_photo_stops_the_pipeline(home: Home):
    edit_photos(home, "c0/gallery/0", kind="review")
    assert "(a card has a gallery photo, or it cannot be found): 1 of 6 rows" in message_of(home)


def test_an_image_on_both_sides_of_a_split_stops_the_pipeline(home: Home):
    sha256 = curated(home)["c0/gallery/0"].sha256
    edit_photos(home, "c1/review/c1-r00/0", split="test", sha256=sha256)
    message = message_of(home)
    assert "(no image is in training and among the queries): 2 of 36 rows are bad" in message
    assert "c0/gallery/0, c1/review/c1-r00/0" in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cosine": 1.5}, "(a cosine is in [-1, 1])"),
        ({"cosine": float("nan")}, "(every pair was measured)"),
        ({"pair_id": "zz"}, "(a pair is named by its content hashes)"),
        ({"photo_a": "ghost"}, "column is_photo_a_known"),
        ({"sha256_b": "0" * 64}, "column is_photo_b_known"),
        ({"kind": "look_alike"}, "(same_card: one card; look_alike: two product groups)"),
    ],
)
def test_bad_pairs_stop_the_pipeline(home: Home, changes: dict[str, object], told: str):
    edited = edit_pairs(home, "same_card", **changes)
    message = message_of(home)
    assert f"{home.pairs}: column" in message
    assert told in message
    assert f"1 of {len(read_rows(home.pairs, Pair))} rows are bad, pair_id {edited}" in message


def test_a_pair_of_a_photo_with_itself_stops_the_pipeline(home: Home):
    one = next(pair for pair in read_rows(home.pairs, Pair) if pair.kind == "same_card")
    edit_pairs(home, "same_card", photo_b=one.photo_a, sha256_b=one.sha256_a)
    assert "(a photo is not compared with itself)" in message_of(home)


def test_a_pair_across_splits_stops_the_pipeline(home: Home):
    pair = next(pair for pair in read_rows(home.pairs, Pair) if "/review/" in pair.photo_a)
    edit_photos(home, pair.photo_a, split="test")
    assert "(both photos are of one split, or answers leak)" in message_of(home)


def test_an_empty_table_stops_the_pipeline_and_the_first_failures_are_told(home: Home):
    write_table(home.curated / "cards.parquet", Card, [])
    message = message_of(home)
    assert "expect_table_row_count_to_be_between (there is something to search): found 0" in message
    assert "36 of 36 rows are bad, photo_id c0/gallery/0, c0/review/c0-r00/0, " in message
    assert message.count("c0/") <= 5


def test_pages_do_not_run_what_a_seller_wrote(home: Home):
    edit_cards(home, card_id="<script>alert(1)</script>", price=-1.0)
    message_of(home)
    summary = (home.data_docs / "summary.html").read_text()
    assert "&lt;script&gt;" in summary
    assert "<script>" not in summary


def test_a_missing_table_names_the_way_out(home: Home):
    home.pairs.unlink()
    with pytest.raises(BadTable, match=r"pairs\.parquet does not exist\. Run the stage"):
        validate(home)


def a_label(n: int, **changes: object) -> Label:
    label = Label(
        str(n) * 32, "a", "b", "same", 0.75, 4, ["ann"], "simulated", "2026-01-01T00:00:00Z"
    )
    return replace(label, **changes)


def test_good_labels_pass(tmp_path: Path):
    home = Home(tmp_path)
    write_table(home.labels, Label, [a_label(1), a_label(2, answer="unclear")])
    assert validate_labels(home).rows == {"labels": 2}
    write_table(home.labels, Label, [])
    assert validate_labels(home).rows == {"labels": 0}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answer": "maybe"}, "column answer: expect_column_values_to_be_in_set"),
        ({"probability_same": 1.2}, "(a share is in [0, 1])"),
        ({"annotators": []}, "(someone answered)"),
        ({"photo_b": "a"}, "(a photo is not compared with itself)"),
        ({"pair_id": "2" * 32}, "column pair_id, project: expect_compound_columns_to_be_unique"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, changes: dict[str, object], told: str):
    home = Home(tmp_path)
    write_table(home.labels, Label, [a_label(1, **changes), a_label(2)])
    with pytest.raises(BadData) as error:
        validate_labels(home)
    assert told in str(error.value)
    assert "rows are bad, pair_id" in str(error.value)


def test_every_expectation_says_in_words_what_must_hold():
    suites = (
        expectations.cards_suite(),
        expectations.photos_suite(),
        expectations.pairs_suite(),
        expectations.labels_suite(),
    )
    assert all(one.notes for suite in suites for one in suite)
