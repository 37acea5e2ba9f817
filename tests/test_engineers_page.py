"""The page for engineers, and what it asks: model card, verdict, switches, experiments, times."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from page_windows import best_match, window
from playwright.sync_api import Browser, expect
from small_shop import SmallShop, colour, jpeg, open_shop, painted, served

from photosearch.home import Home
from photosearch.release import switch_live
from photosearch.report import write_text

CARD = {
    "release": "r1",
    "model": {"model_id": "colours", "lengths": [64, 16]},
    "made_of": {
        "data": {"source": "shop", "products": 5, "photos": 10},
        "labels": {"answers": {"same": 3}, "annotators": 2},
        "settings": {"secret": "an address that nobody else needs"},
        "metrics": {
            "queries": 9, "gallery": "source", "data_version": "d1", "slices": {},
            "lengths": {"64": {"recall_at_1": 0.75}}, "baseline": {"64": {"recall_at_1": 0.5}},
        },
        "verdict": {
            "is_promoted": True, "reasons": ["ok: gain +0.25"], "metric": "recall_at_1",
            "length": 64, "candidate_id": "colours", "champion_id": "mean", "n_queries": 9,
            "champion_mean": 0.5, "candidate_mean": 0.75,
        },
    },
    "index": {}, "calibration": None, "lineage": {"indexed": "d1"},
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> SmallShop:
    """A shop whose release lies in a home, with a model card."""
    releases = Home(tmp_path).releases
    shop = open_shop(releases)
    shop.release.model_card.write_text(json.dumps(CARD))
    switch_live(releases, "release")
    return shop


@pytest.fixture
def address(shop: SmallShop) -> Iterator[str]:
    with served(shop) as address:
        yield address


def test_the_report_tells_verdict_metrics_and_switches_but_no_settings(address: str):
    report = httpx.get(f"{address}/v1/release/report", timeout=60).raise_for_status().json()
    assert report["verdict"]["is_promoted"]
    assert report["metrics"]["lengths"]["64"] == {"recall_at_1": 0.75}
    assert [switch["release"] for switch in report["switches"]] == ["release"]
    assert "secret" not in json.dumps(report)


def test_a_packed_release_without_a_card_says_what_it_does_not_know(tmp_path: Path):
    shop = open_shop(tmp_path)
    with served(shop) as address:
        report = httpx.get(f"{address}/v1/release/report", timeout=60).raise_for_status().json()
    assert report == {
        "release": "r1", "model": None, "data": None, "labels": None, "metrics": None,
        "verdict": None, "refused": None, "calibration": None, "lineage": None, "switches": None,
    }  # fmt: skip


@pytest.mark.parametrize("is_promoted", [True, False])
def test_the_report_tells_the_last_candidate_where_the_gate_kept_it_out(
    tmp_path: Path, address: str, is_promoted: bool
):
    verdict = CARD["made_of"]["verdict"] | {"is_promoted": is_promoted, "reasons": ["TOO LITTLE"]}
    write_text(Home(tmp_path).evaluation / "verdict.json", json.dumps(verdict))
    report = httpx.get(f"{address}/v1/release/report", timeout=60).raise_for_status().json()
    assert report["refused"] == (None if is_promoted else verdict)
    assert report["verdict"]["is_promoted"]


@pytest.mark.slow
def test_engineers_see_what_is_live_and_how_long_searches_took(
    browser: Browser, address: str, tmp_path: Path
):
    refused = CARD["made_of"]["verdict"] | {"is_promoted": False, "reasons": ["TOO LITTLE: +0.01"]}
    write_text(Home(tmp_path).evaluation / "verdict.json", json.dumps(refused))
    photo = tmp_path / "red.jpg"
    photo.write_bytes(jpeg(painted(colour("red"))))
    with window(browser, address) as page:
        page.set_input_files("#file", photo)
        expect(best_match(page)).to_have_attribute("data-card-id", "red")
        page.get_by_role("link", name="For engineers").click()
        expect(page.get_by_text("Promoted")).to_be_visible()
        expect(page.get_by_text("ok: gain +0.25")).to_be_visible()
        expect(page.get_by_role("heading", name="Last candidate")).to_be_visible()
        expect(page.get_by_text("TOO LITTLE: +0.01")).to_be_visible()
        expect(page.get_by_role("cell", name="0.750")).to_be_visible()
        expect(page.get_by_role("cell", name="went live")).to_be_visible()
        times = page.get_by_role("heading", name="Time by stage, last 1 searches")
        expect(times).to_be_visible()
        expect(page.locator(".stages")).to_contain_text("candidates")
        page.get_by_role("button", name="Forget").click()
        expect(page.get_by_text("None yet: search for something.")).to_be_visible()


@pytest.mark.slow
def test_a_tower_as_it_came_has_no_verdict_and_nothing_it_was_trained_on(
    browser: Browser, address: str
):
    with window(browser, address) as page:
        told = httpx.get(f"{address}/v1/release/report", timeout=60).json()
        told |= {"model": {"pooling": "mean"}, "verdict": None, "data": None, "labels": None}
        page.route("**/v1/release/report", lambda route: route.fulfill(json=told))
        page.goto(f"{address}/engineers.html")
        expect(page.get_by_text("None: this is the tower as it came.")).to_be_visible()
        expect(page.get_by_text("Trained on")).to_have_count(0)


@pytest.mark.slow
def test_an_experiment_is_shown_with_its_verdict(browser: Browser, address: str):
    told = {
        "experiments": [
            {
                "name": "shorter", "share": 0.5, "is_served": True, "stopped_at": None,
                "started_at": "2026-11-22T10:00:00Z",
                "arms": [{"name": "control", "weight": 1.0, "release": "", "ranker": True},
                         {"name": "plain", "weight": 1.0, "release": "", "ranker": False}],
                "readout": {
                    "experiment": "shorter", "read_at": "2026-11-23T10:00:00Z", "mismatch_p": 0.41,
                    "verdict": "plain has less ctr than control.",
                    "arms": [{"arm": "plain", "counted": 812, "metrics": [
                        {"metric": "ctr", "value": 0.1, "difference": -0.02, "low": -0.03,
                         "high": -0.01}]}],
                },
            }
        ]
    }  # fmt: skip
    with window(browser, address) as page:
        page.route("**/v1/experiments", lambda route: route.fulfill(json=told))
        page.goto(f"{address}/engineers.html")
        expect(page.get_by_text("plain has less ctr than control.")).to_be_visible()
        expect(page.get_by_role("cell", name="ranker false")).to_be_visible()
        expect(page.get_by_role("cell", name="-0.0200 (-0.0300 to -0.0100)")).to_be_visible()
