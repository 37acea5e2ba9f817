"""Checks of raw snapshots, drift between them, and what the simulator knows to be true."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from small_market import Market, fill

from photosearch.curation import drift, known_truth
from photosearch.curation.checkpoints import failures_of
from photosearch.curation.raw_expectations import RAW, validate_raw
from photosearch.drift_settings import DriftParams
from photosearch.errors import BadData, SourceUnreachable
from photosearch.home import Home
from photosearch.report import save_report
from simulator.marketplace import make_app
from simulator.world import World

# Great Expectations imports sre_constants and sre_parse, deprecated in Python 3.11
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
LIMITS = DriftParams(
    blocks=True,
    categories_max=0.3,
    languages_max=0.2,
    prices_max=0.5,
    photo_sizes_max=0.5,
    duplicate_rate_max=0.1,
)


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path / "shop"))


def test_a_good_snapshot_passes_and_has_pages(market: Market):
    fill(market)
    report = validate_raw(market.write())
    assert report.rows == {"raw_cards": 6, "raw_reviews": 30, "raw_photos": 36}
    summary = (market.home.build / "checks" / "raw" / "summary.html").read_text()
    assert f"All {sum(report.expectations.values())} expectations hold." in summary
    assert failures_of(RAW, market.home.reports) == []


def spoil_card(market: Market) -> None:
    market.cards[2] = replace(market.cards[2], price=-5.0)


def spoil_photo(market: Market) -> None:
    market.photos[3] = replace(market.photos[3], sha256="not-a-hash")


def spoil_review(market: Market) -> None:
    market.reviews[4] = replace(market.reviews[4], rating=9)


def lose_cards(market: Market) -> None:
    del market.cards[3:]


@pytest.mark.parametrize(
    ("spoil", "told", "named"),
    [
        (spoil_card, "cards.parquet: column price: expect_column_values_to_be_between", "c2"),
        (spoil_photo, "photos.parquet: column sha256: expect_column_values_to_match", "c0/review/"),
        (spoil_review, "(a rating is 1 to 5 stars, or unknown): 1 of 30 rows are bad", "c0/c0-r04"),
        (
            lose_cards,
            "a photo is of a card in cards.parquet, but for 2%): 18 of 36",
            "c3/gallery/0",
        ),
    ],
)
def test_a_broken_snapshot_is_refused_by_rows(market: Market, spoil, told: str, named: str):
    fill(market)
    spoil(market)
    with pytest.raises(BadData) as error:
        validate_raw(market.write())
    assert told in str(error.value)
    assert "Mend the source and pull again" in str(error.value)
    failures = failures_of(RAW, market.home.reports)
    assert any(named in value for row in failures for value in row.values())
    assert "bad" in (market.home.build / "checks" / "raw" / "summary.html").read_text()


def test_failures_are_forgotten_when_the_snapshot_is_mended(market: Market):
    fill(market)
    good = list(market.cards)
    spoil_card(market)
    with pytest.raises(BadData):
        validate_raw(market.write())
    market.cards = good
    validate_raw(market.write())
    assert failures_of(RAW, market.home.reports) == []


def facts(**changes: object) -> drift.SnapshotFacts:
    usual = drift.SnapshotFacts(
        cards=100, photos=700, categories={"Bags": 0.5, "Mugs": 0.5}, languages={"latin": 1.0},
        price_median=900.0, photo_side_median=480.0, duplicate_rate=0.05,
    )  # fmt: skip
    return replace(usual, **changes)


@pytest.mark.parametrize(
    ("changes", "what", "amount"),
    [
        ({"categories": {"Bags": 0.1, "Mugs": 0.5, "Toys": 0.4}}, "categories", 0.4),
        ({"languages": {"latin": 0.4, "cyrillic": 0.6}}, "languages", 0.6),
        ({"price_median": 9.0}, "prices", 99),
        ({"photo_side_median": 160.0}, "photo sizes", 2),
        ({"duplicate_rate": 0.3}, "duplicate rate", 0.25),
    ],
)
def test_each_drift_is_seen_and_can_block(changes: dict[str, object], what: str, amount: float):
    found = drift.drifts(facts(), facts(**changes), LIMITS)
    assert [one.what for one in found if one.is_too_far] == [what]
    assert {one.what: one.amount for one in found}[what] == pytest.approx(amount)
    with pytest.raises(BadData, match=f"drifted from the last one that was built: {what}"):
        drift.check_drift(found, blocks=True)
    drift.check_drift(found, blocks=False)


def test_small_changes_and_small_snapshots_do_not_drift():
    near = facts(price_median=1000.0, duplicate_rate=0.1, categories={"Bags": 0.4, "Mugs": 0.6})
    assert not any(one.is_too_far for one in drift.drifts(facts(), near, LIMITS))
    assert drift.drifts(facts(cards=5), facts(categories={"Toys": 1.0}), LIMITS) == []


def test_facts_are_read_from_the_tables_and_kept(market: Market, tmp_path: Path):
    fill(market, n_cards=24, n_reviews=1)
    market.cards[0] = replace(market.cards[0], title="Красная кружка")
    market.photos.append(replace(market.photos[0], photo_id="copy"))
    found = drift.facts_of(market.write().catalog)
    assert found.categories == {"Home": 1.0}
    assert found.languages == {"cyrillic": pytest.approx(1 / 48), "latin": pytest.approx(47 / 48)}
    assert found.price_median == 9.5
    assert found.photo_side_median == 128
    assert found.duplicate_rate == pytest.approx(1 / 49)
    save_report(tmp_path / "facts.json", found)
    assert drift.read_facts(tmp_path / "facts.json") == found
    assert drift.read_facts(tmp_path / "none.json") is None
    (tmp_path / "facts.json").write_text("{}")
    with pytest.raises(BadData, match=r"holds no facts of a snapshot .* Delete it"):
        drift.read_facts(tmp_path / "facts.json")


@contextmanager
def open_simulator(world: World) -> Iterator[str]:
    """The simulator over real HTTP, on a free port; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(world), ws="none", log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def test_the_simulator_tells_what_every_photo_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_truth, "PAGE", 25)
    with open_simulator(World(seed=7, n_cards=60)) as address:
        reviews = httpx.get(f"{address}/v1/reviews?limit=1000", timeout=60).json()["reviews"]
        found = known_truth.known_truth(address)
    ids = {
        f"{row['card_id']}/review/{row['review_id']}/{place}"
        for row in reviews
        for place in range(len(row["images"]))
    }
    assert {photo_id for photo_id in found if "/review/" in photo_id} == ids
    assert len(found) == len(ids) + 3 * 60
    natures = {true.nature for true in found.values()}
    assert {"product", "near_duplicate", "screenshot", "dark", "wrong_product"} <= natures
    for photo_id, true in found.items():
        if true.nature in {"near_duplicate", "exact_duplicate", "repeated"}:
            assert true.of is not None
            assert true.of.split("/")[:2] == photo_id.split("/")[:2]
            assert found[true.of].nature == "product"


def test_a_simulator_that_is_gone_is_told():
    with pytest.raises(SourceUnreachable, match=r"does not tell the truth .*Start the simulator"):
        known_truth.known_truth("http://127.0.0.1:9")
