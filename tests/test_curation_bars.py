"""The bars of curation on a simulated market and on real photos, for the rules without a tower."""

import json
from pathlib import Path

import pytest
from small_market import Market

from photosearch.catalog import images
from photosearch.catalog.schemas import Photo, Rejected
from photosearch.curation import quality, snapshot
from photosearch.curation.quality import CurationQuality, Truth
from photosearch.errors import BadPhoto
from photosearch.home import Home
from photosearch.settings import load_params
from simulator.photos import find_picture, reviews, truth
from simulator.pictures import render
from simulator.world import World, card_page

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "grocery"
UNSEEN_SEED = 223
"""Thresholds and rules were read off the worlds 7, 19, 31, 101 and 211."""
N_CARDS = 100
N_REAL = 400


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> CurationQuality:
    """A simulated market after the rules that need no tower."""
    market, world = Market(Home(tmp_path_factory.mktemp("market"))), World(UNSEEN_SEED, N_CARDS)
    known: dict[str, Truth] = {}
    for number in range(N_CARDS):
        page, told = card_page(world, number), truth(world, number)
        market.card(str(page["card_id"]), title=str(page["title"]), group=str(page["group_id"]))
        assert len(reviews(world, number)) > 0
        photo_of = {one["image"]: one["photo_id"] for one in told["pictures"]}
        for one in told["pictures"]:
            known[one["photo_id"]] = Truth(one["nature"], photo_of.get(one["of"]))
            content = render(world, find_picture(world, one["image"].removeprefix("/images/")))
            add(market, one["photo_id"], one["kind"], content)
    return quality.measure(left_out(market.write(), "simulator/params.yaml"), known)


def add(market: Market, photo_id: str, kind: str, content: bytes) -> None:
    card_id = photo_id.split("/", maxsplit=1)[0]
    try:
        width, height = images.open_photo(content, name=photo_id).size
    except BadPhoto:
        market.rejected.append(Rejected(photo_id, card_id, "unreadable", None))
        return
    review = photo_id.split("/")[2] if kind == "review" else None
    sha256 = images.store(market.home.images, content)
    market.photos.append(Photo(photo_id, card_id, kind, review, sha256, width, height, None))


def left_out(home: Home, params: str) -> list[Rejected]:
    raw = snapshot._read(home.catalog)
    _, rejected, _ = snapshot._sift_without_tower(home, raw, load_params(ROOT / params).curation)
    return raw.rejected + rejected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "recall", "precision"),
    [
        ("exact_duplicate", 1, 0.95),
        ("near_duplicate", 0.95, 0.98),
        ("too_dark", 0.95, 0.95),
        ("blurred", 0.95, 0.9),
        ("screenshot", 0.95, 0.9),
        ("banner", 0.95, 0.95),
        ("collage", 0.6, 0.9),
    ],
)
def test_a_rule_finds_what_was_injected_in_a_world_nobody_tuned_on(
    measured: CurationQuality, rule: str, recall: float, precision: float
):
    found = {one.rule: one for one in measured.rules}[rule]
    assert found.injected > 0
    assert found.recall is not None
    assert found.precision is not None
    assert found.recall >= recall, found
    assert found.precision >= precision, found


@pytest.mark.slow
def test_rules_by_pixels_lose_almost_no_clean_photo(measured: CurationQuality):
    assert measured.clean > 600
    assert measured.clean_lost / measured.clean <= 0.01


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is absent")
def test_at_most_one_in_twenty_real_photos_is_lost(tmp_path: Path):
    market = Market(Home(tmp_path))
    rows = [json.loads(line) for line in (REAL / "cards.jsonl").read_text().splitlines()]
    rows += [json.loads(line) for line in (REAL / "reviews.jsonl").read_text().splitlines()]
    cards = {row["card_id"] for row in rows}
    for card_id in sorted(cards):
        market.card(card_id)
    listed = [(row, number, path) for row in rows for number, path in enumerate(row["images"])]
    some = listed[: len(cards)] + listed[len(cards) :: max(1, len(listed) // N_REAL)]
    for place, (row, number, path) in enumerate(some):
        kind = "review" if "review_id" in row else "gallery"
        photo_id = f"{row['card_id']}/{kind}/{place}/{number}"
        add(market, photo_id, kind, (REAL / path).read_bytes())
    n_photos = len(market.photos)
    assert n_photos > N_REAL
    lost = [
        row for row in left_out(market.write(), "params.yaml") if row.reason != "exact_duplicate"
    ]
    assert len(lost) / n_photos <= 0.05, [(row.photo_id, row.reason) for row in lost]
