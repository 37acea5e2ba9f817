"""Checks of raw snapshots, drift between them, learned thresholds, and the pages about them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser
from small_market import PARAMS, Market, curated, fill, paint, png

from photosearch.catalog.schemas import Card, CuratedPhoto, Label, Photo, Review
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation import drift, known_truth, thresholds
from photosearch.curation.checkpoints import failures_of
from photosearch.curation.docs_site import docs_server, write_docs
from photosearch.curation.quality import Truth, measure
from photosearch.curation.raw_expectations import RAW, validate_raw
from photosearch.drift_settings import DriftParams
from photosearch.embedding.embedder import unit
from photosearch.errors import BadData, BadParams, HomeNotReady, SourceUnreachable
from photosearch.home import Home
from photosearch.report import save_report
from photosearch.settings import load_params
from simulator.marketplace import make_app
from simulator.world import World

# Great Expectations imports sre_constants and sre_parse, deprecated in Python 3.11
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

ROOT = Path(__file__).parents[1]
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


# --- the raw snapshot


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


# --- drift


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


# --- learned thresholds


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


# --- the simulator's truth


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
        reviews = httpx.get(f"{address}/v1/reviews?limit=1000").json()["reviews"]
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


# --- pages


def with_noise(market: Market) -> Home:
    fill(market)
    look = paint("red", "green", seed=1234)
    market.review("c0", png(look))
    market.review("c0", png(look.resize((120, 120))))
    market.review("c1", png(paint("red", seed=3, side_px=20)))
    market.curate()
    return market.home


@contextmanager
def served(home: Home) -> Iterator[str]:
    with docs_server(home, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_the_page_shows_each_rule_with_count_threshold_and_examples(
    market: Market, browser: Browser, pictures: Path
):
    home = with_noise(market)
    truth = {photo_id: Truth("product", None) for photo_id in curated(home)}
    validate_raw(home)
    write_docs(home, PARAMS, quality=measure([], truth))
    with served(home) as address:
        page = browser.new_page()
        page.goto(address)
        assert page.title() == "Data of this home"
        assert page.locator("a").all_inner_texts() == [
            "What curation left out", "Checks of the raw tables", "Data Docs of the raw tables",
        ]  # fmt: skip
        page.click("text=What curation left out")
        rows = page.locator("table tr").all_inner_texts()
        assert any("near_duplicate" in row and "0.87" in row for row in rows)
        assert any("too_small" in row and "min_side_px: 64" in row for row in rows)
        figure = page.locator("h2#near_duplicate + div figure").first
        loaded = figure.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
        assert loaded == [120, 120]  # the photo, and what its card keeps
        page.screenshot(path=pictures / "curation.png", full_page=True)
        page.close()


def test_only_pages_are_served(market: Market):
    home = with_noise(market)
    write_docs(home, PARAMS)
    with served(home) as address, httpx.Client(base_url=address) as client:
        assert client.get("/docs/curation.html").status_code == 200
        for path in ("/rejected.parquet", "/curated/photos.parquet", "/docs/../rejected.parquet",
                     "/docs/%2e%2e/rejected.parquet"):  # fmt: skip
            assert client.get(path).status_code == 404
        assert client.head("/docs/curation.html").status_code == 405


def test_a_seller_s_words_do_not_run_in_the_page(market: Market):
    market.card("<script>alert(1)</script>")
    market.photo("<script>alert(1)</script>", png(paint("red", seed=1)))
    market.review("<script>alert(1)</script>", png(paint("red", seed=2, side_px=9)))
    market.curate()
    write_docs(market.home, PARAMS)
    page = (market.home.build / "docs" / "curation.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_without_curated_tables_there_are_no_pages(tmp_path: Path):
    with pytest.raises(HomeNotReady, match=r"rejected\.parquet does not exist\. Run"):
        write_docs(Home(tmp_path), PARAMS)


def test_the_pages_are_the_same_bytes_each_time(market: Market):
    home = with_noise(market)
    write_docs(home, PARAMS)
    before = (home.build / "docs" / "curation.html").read_bytes()
    write_docs(home, PARAMS)
    assert (home.build / "docs" / "curation.html").read_bytes() == before
    assert len(read_rows(home.catalog / "photos.parquet", Photo)) == 39
    assert len(read_rows(home.catalog / "reviews.parquet", Review)) == 33
