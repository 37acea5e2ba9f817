"""Which pairs of photos people are asked about, and why: sources, budget, splits, gold."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photosearch.catalog.schemas import Card, ClickedPair, CuratedPhoto, Label, Pair, Split
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation.pair_budget import quotas, split_budget
from photosearch.curation.pairs import make_pairs, pair_id_of
from photosearch.curation.same_probability import MIN_LABELS, fit_probability
from photosearch.curation.snapshot import VECTORS_NAME
from photosearch.home import Home
from photosearch.settings import PairShares, PairsParams

SOURCES = tuple(PairShares.model_fields)


def shares(**of: float) -> PairShares:
    return PairShares(**dict.fromkeys(SOURCES, 0.0) | of)


def params(budget: int, gold: int = 0, **of: float) -> PairsParams:
    return PairsParams(budget=budget, gold=gold, shares=shares(**of))


EVEN = dict.fromkeys(SOURCES, 1.0)


class Shop:
    """A curated home: cards of three photos round a centre of their own, every 5th one a query."""

    def __init__(self, root: Path, n_cards: int = 12) -> None:
        self.home = Home(root)
        self.chance = np.random.default_rng(3)
        self.cards: list[Card] = []
        self.photos: list[CuratedPhoto] = []
        self.vectors: list[np.ndarray] = []
        for n in range(n_cards):
            self.card(f"c{n}", category=["Home"] if n % 2 else ["Worn"])

    def card(self, card_id: str, *, category: list[str], group: str | None = None) -> None:
        self.cards.append(
            Card(card_id, "t", None, None, category, None, None, None, group or card_id)
        )
        centre = self.chance.normal(size=8)
        split: Split = "test" if len(self.cards) % 5 == 0 else "train"
        for place in ("gallery/0", "gallery/1", "review/r/0"):
            spread = 0.7 if "review" in place else 0.3
            self.photo(f"{card_id}/{place}", centre + spread * self.chance.normal(size=8), split)

    def photo(self, photo_id: str, vector: np.ndarray, split: Split) -> None:
        card_id, kind = photo_id.split("/")[:2]
        sha256 = hashlib.sha256(photo_id.encode()).hexdigest()
        self.photos.append(CuratedPhoto(photo_id, card_id, kind, sha256, split, True))  # type: ignore[arg-type]
        self.vectors.append(vector / np.linalg.norm(vector))

    def write(self) -> "Shop":
        write_table(self.home.curated / "cards.parquet", Card, self.cards)
        write_table(self.home.curated / "photos.parquet", CuratedPhoto, self.photos)
        np.save(self.home.curated / VECTORS_NAME, np.array(self.vectors, np.float32))
        return self

    def pairs(self, wanted: PairsParams, **more: object) -> list[Pair]:
        make_pairs(self.home, params=wanted, **more)  # type: ignore[arg-type]
        return read_rows(self.home.pairs, Pair)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path).write()


def ids(pairs: Sequence[Pair]) -> set[str]:
    return {pair.pair_id for pair in pairs}


# --- the budget


def test_shares_become_whole_numbers_that_add_up():
    assert quotas({"a": 0.5, "b": 0.25, "c": 0.25}, 10) == {"a": 5, "b": 3, "c": 2}
    assert quotas({"a": 0.0}, 10) == {"a": 0}


@given(
    offered=st.dictionaries(
        st.sampled_from("abc"), st.lists(st.integers(0, 30), unique=True), min_size=1
    ),
    budget=st.integers(0, 40),
)
def test_no_pair_comes_twice_and_the_budget_is_used_as_far_as_pairs_go(offered, budget):
    chosen = list(
        split_budget(offered, dict.fromkeys("abc", 1.0), budget=budget, key=str, taken={"7"})
    )
    candidates = {str(one) for queue in offered.values() for one in queue} - {"7"}
    assert len({one for one, _, _ in chosen}) == len(chosen) == min(budget, len(candidates))
    assert all(0 < worth <= 1 and one in offered[name] for one, name, worth in chosen)


def test_what_a_source_cannot_fill_goes_to_the_others():
    offered = {"a": range(100), "b": [900], "c": range(200, 300)}
    chosen = split_budget(offered, {"a": 1, "b": 1, "c": 0}, budget=30, key=str, taken=())
    assert Counter(name for _, name, _ in chosen) == {"a": 29, "b": 1}


def test_in_order_of_worth_every_reason_comes_in_its_share_from_the_start():
    offered = {"a": range(100), "b": range(200, 300)}
    chosen = list(split_budget(offered, {"a": 3, "b": 1}, budget=80, key=str, taken=()))
    first = sorted(chosen, key=lambda one: -one[2])[:20]
    assert Counter(name for _, name, _ in first) == {"a": 15, "b": 5}


# --- the stage


def test_pairs_are_of_training_photos_with_a_reason_and_a_belief(shop: Shop):
    pairs = shop.pairs(params(30, gold=6, **EVEN))
    splits = {photo.photo_id: photo.split for photo in shop.photos}
    assert Counter(pair.source == "gold" for pair in pairs) == {False: 30, True: 6}
    assert len(ids(pairs)) == 36
    for pair in pairs:
        assert {splits[pair.photo_a], splits[pair.photo_b]} == {"train"}
        assert pair.pair_id == pair_id_of(pair.sha256_b, pair.sha256_a)
        assert 0 <= pair.probability_same <= 1
        assert 0 < pair.worth <= 1
        assert (pair.card_a == pair.card_b) == (pair.kind == "same_card")


def test_a_second_run_gives_the_same_bytes(shop: Shop):
    shop.pairs(params(30, gold=4, **EVEN))
    before = shop.home.pairs.read_bytes()
    shop.pairs(params(30, gold=4, **EVEN))
    assert shop.home.pairs.read_bytes() == before


def test_a_larger_budget_keeps_the_pairs_of_one_source_and_adds_some(shop: Shop):
    few, many = (ids(shop.pairs(params(budget, same_card=1))) for budget in (5, 10))
    assert few < many


def test_gold_pairs_are_half_same_half_different_and_easy(shop: Shop):
    gold = [pair for pair in shop.pairs(params(0, gold=8, **EVEN)) if pair.gold]
    assert Counter(pair.gold for pair in gold) == {"same": 4, "different": 4}
    for pair in gold:
        assert (pair.gold == "same") == (pair.card_a == pair.card_b)
    lowest_same = min(pair.cosine for pair in gold if pair.gold == "same")
    assert lowest_same > max(pair.cosine for pair in gold if pair.gold == "different")


def test_the_model_is_least_sure_near_the_threshold(shop: Shop):
    unsure = shop.pairs(params(6, threshold=1))
    assert all(abs(pair.probability_same - 0.5) < 0.4 for pair in unsure)
    neighbours = shop.pairs(params(6, neighbours=1))
    assert all(pair.card_a != pair.card_b for pair in neighbours)


def test_photos_that_two_models_see_differently_are_asked(shop: Shop):
    opinions = {
        photo.photo_id: vector.astype(np.float32)
        for photo, vector in zip(shop.photos, shop.vectors, strict=True)
    }
    assert shop.pairs(params(10, disagreement=1), opinions=opinions) == []
    opinions["c0/review/r/0"] = -opinions["c0/review/r/0"]
    disputed = shop.pairs(params(10, disagreement=1), opinions=opinions)
    worst = max(disputed, key=lambda pair: pair.worth)
    assert "c0/review/r/0" in (worst.photo_a, worst.photo_b)


def test_clicks_that_contradict_the_model_are_asked_and_without_clicks_none(shop: Shop):
    assert make_pairs(shop.home, params=params(10, clicks=1)).offered["clicks"] == 0
    same, other = ("c0/gallery/0", "c0/gallery/1"), ("c0/gallery/0", "c1/gallery/0")
    clicks = [
        ClickedPair(*same, shown=100, clicked=0),
        ClickedPair(*other, shown=100, clicked=40),
        ClickedPair("c0/gallery/0", "c2/gallery/0", shown=2, clicked=2),  # too few to tell
        ClickedPair("c0/gallery/0", "gone", shown=100, clicked=9),
    ]
    write_table(shop.home.data / "events" / "clicked_pairs.parquet", ClickedPair, clicks)
    found = {frozenset((pair.photo_a, pair.photo_b)) for pair in shop.pairs(params(10, clicks=1))}
    assert found <= {frozenset(same), frozenset(other)}
    assert frozenset(other) in found


def test_cards_that_share_a_picture_are_not_asked_about_it(tmp_path: Path):
    shop = Shop(tmp_path, n_cards=4)
    first = shop.photos[0]
    shop.card("twin", category=["Home"])
    shop.photos[-3] = CuratedPhoto("twin/gallery/0", "twin", "gallery", first.sha256, "train", True)
    shop.vectors[-3] = shop.vectors[0]
    pairs = shop.write().pairs(params(100, **EVEN))
    assert pairs
    assert all(pair.sha256_a != pair.sha256_b for pair in pairs)


# --- from cosine to probability


def test_the_curve_rises_and_is_a_half_at_its_threshold():
    chance = np.random.default_rng(1)
    cosines = np.concatenate([chance.normal(0.8, 0.1, 90), chance.normal(0.4, 0.1, 900)])
    curve = fit_probability(cosines.astype(np.float32), np.arange(990) < 90)
    assert curve.threshold == pytest.approx(0.6, abs=0.06)
    at = curve(np.array([0.4, curve.threshold, 0.8], np.float32))
    assert at[0] < 0.05
    assert at[1] == pytest.approx(0.5, abs=1e-3)
    assert at[2] > 0.95


@pytest.mark.parametrize("answers", [[True, True], [False, False], [True, False]])
def test_where_cosines_tell_nothing_every_pair_is_a_half(answers):
    curve = fit_probability(np.array([0.2, 0.9], np.float32), np.array(answers))
    assert curve(np.array([-1.0, 1.0], np.float32)).tolist() == [0.5, 0.5]


def test_enough_labels_outweigh_what_cards_say(tmp_path: Path):
    shop = Shop(tmp_path, n_cards=2 * MIN_LABELS + 40).write()
    asked = shop.pairs(params(4 * MIN_LABELS, same_card=1, neighbours=1))
    before = make_pairs(shop.home, params=params(5, **EVEN))
    cut = float(np.median([pair.cosine for pair in asked]))
    labels = [
        Label(pair.pair_id, pair.photo_a, pair.photo_b,
              "same" if pair.cosine > cut else "different", 0.9, 2, ["ann"], "here", "")
        for pair in asked
    ]  # fmt: skip
    write_table(shop.home.labels, Label, labels)
    after = make_pairs(shop.home, params=params(5, **EVEN))
    assert (before.is_threshold_from_labels, after.is_threshold_from_labels) == (False, True)
    assert after.threshold_cosine == pytest.approx(cut, abs=0.03)
