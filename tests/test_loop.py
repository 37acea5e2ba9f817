"""The whole loop by its own commands, as small as it gets: source, model, release, live page."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from page_pictures import take_pictures
from page_windows import window
from playwright.sync_api import Browser, expect
from processes import BIN, ROOT, environment_of, free_port, run
from small_source import review, write_folder

from photosearch.catalog import images
from photosearch.catalog.pull import load_snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto, Label, Photo, Rejected
from photosearch.catalog.tables import read_rows, read_table
from photosearch.home import Home
from photosearch.release import Release, list_releases, live_release
from photosearch.search.schemas import SearchResponse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LENGTHS = ["512", "256", "128", "64"]
METRICS = {"recall_at_1", "recall_at_5", "mrr", "map_at_10", "ndcg_at_10"}
SMALL = {
    "simulator": {"cards": 24},
    "tower": {"image_px": 64},
    "pretraining": {"samples_seen": 1500, "px_schedule": [32]},
    "head": {"epochs": 2},
    "tokens": {"views": 2},
}


@dataclass(frozen=True)
class Loop:
    folder: Path
    """Where the commands run."""
    home: Home
    port: int
    done: subprocess.CompletedProcess[str]
    """The first `photosearch demo`."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def live(self) -> Release:
        return live_release(self.home.releases)

    def photo(self, sha256: str) -> Path:
        return images.path_of(self.home.images, sha256)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    home, port = Home(folder / "shop"), free_port()
    params = yaml.safe_load((ROOT / "simulator" / "params.yaml").read_text())
    home.root.mkdir()
    (home.root / "params.yaml").write_text(
        yaml.safe_dump({part: values | SMALL.get(part, {}) for part, values in params.items()})
    )
    try:
        done = demo(folder, home, port)
        assert done.returncode == 0, done.stderr[-4000:]
        yield Loop(folder, home, port, done)
    finally:
        run("stop", "--home", home.root, folder=folder)


def demo(folder: Path, home: Home, port: int) -> subprocess.CompletedProcess[str]:
    arguments = ("demo", "--home", home.root, "--port", str(port))
    return run(*arguments, folder=folder, timeout_s=600)


def git_log(home: Home) -> str:
    command = ["git", "log", "--format=%H %s"]
    return subprocess.run(command, cwd=home.root, check=True, capture_output=True, text=True).stdout


def test_the_demo_tells_address_metrics_verdict_and_times(loop: Loop):
    assert f"page     {loop.address}" in loop.done.stdout
    assert "| all (" in loop.done.stdout
    assert "**PROMOTED**" in loop.done.stdout or "**REFUSED**" in loop.done.stdout
    assert " s  in all" in loop.done.stdout
    assert "Traceback" not in loop.done.stderr
    assert (loop.folder / "home" / "current").resolve() == loop.home.root


def test_data_is_pulled_and_tracked(loop: Loop):
    snapshot = load_snapshot(loop.home.catalog)
    assert snapshot.source == "simulator"
    assert snapshot.cards == 24
    assert (loop.home.root / "data.dvc").is_file()
    assert f"Pull {snapshot.data_version} from simulator" in git_log(loop.home)


def test_every_rejected_photo_keeps_its_reason(loop: Loop):
    rejected = read_table(loop.home.rejected, Rejected)
    assert rejected.column_names == ["photo_id", "card_id", "reason", "score"]
    assert rejected.num_rows > 0
    assert all(rejected["reason"].to_pylist())


def test_expectations_wrote_their_pages(loop: Loop):
    assert "<html" in (loop.home.data_docs / "index.html").read_text().lower()


def test_labels_say_that_annotators_were_simulated(loop: Loop):
    labels = read_rows(loop.home.labels, Label)
    assert {label.project for label in labels} == {"simulated"}
    assert {"same", "different"} <= {label.answer for label in labels}


def test_the_report_measures_each_length_and_slice_beside_the_baseline(loop: Loop):
    report = json.loads((loop.home.evaluation / "report.json").read_text())
    assert list(report["slices"]) == ["seen", "unseen"]
    for part in (report, *report["slices"].values()):
        assert list(part["lengths"]) == list(part["baseline"]) == LENGTHS
        for values in (*part["lengths"].values(), *part["baseline"].values()):
            assert values.keys() >= METRICS
            assert all(0 <= value <= 1 for value in values.values())
    assert sum(part["queries"] for part in report["slices"].values()) == report["queries"]
    assert (loop.home.evaluation / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_the_verdict_and_its_reasons_are_kept(loop: Loop):
    verdict = json.loads((loop.home.evaluation / "verdict.json").read_text())
    assert verdict["reasons"]
    assert verdict["metric"] == "recall_at_1"
    assert verdict["is_promoted"] == (verdict["candidate_id"] == loop.live.manifest.model_id)


def test_a_live_candidate_whose_verdict_was_lost_is_judged_again(loop: Loop, tmp_path: Path):
    home = Home(tmp_path / "home")
    not_judged = shutil.ignore_patterns(".git", "bentoml", "resume")
    shutil.copytree(loop.home.root, home.root, symlinks=True, ignore=not_judged)
    shutil.rmtree(home.candidate)
    shutil.copytree(loop.live.model, home.candidate)
    (home.evaluation / "verdict.json").write_text('{"is_promoted": true}')
    done = run("gate", "--home", home.root, folder=loop.folder)
    assert done.returncode == 0, done.stderr
    assert "is live and judged anew" in done.stderr
    verdict = json.loads((home.evaluation / "verdict.json").read_text())
    assert verdict["candidate_id"] == loop.live.manifest.model_id


def test_what_is_live_holds_the_curated_photos(loop: Loop):
    manifest = loop.live.manifest
    assert manifest.index_kind == "qdrant_edge"
    assert manifest.dim == 256
    assert manifest.data_version == load_snapshot(loop.home.catalog).data_version
    assert manifest.n_photos == len(read_rows(loop.live.photos, CuratedPhoto)) > 0


def test_the_bento_is_built_of_the_live_release(loop: Loop):
    bento = loop.home.root / "bentoml" / "bentos" / "search" / loop.live.manifest.release.lower()
    packed = bento / "src" / "release" / "release.json"
    assert json.loads(packed.read_text()) == asdict(loop.live.manifest)


def test_a_photo_posted_to_the_bento_finds_its_card(loop: Loop):
    """By its nearest photo: this model is too raw for the votes of other photos to agree."""
    manifest = loop.live.manifest
    for photo in findable(loop)[:5]:
        content = loop.photo(photo.sha256).read_bytes()
        width, height = images.open_photo(content, name=photo.sha256).size
        response = httpx.post(
            f"{loop.address}/v1/search",
            files={"photo": ("photo.jpg", content)},
            data={"box": f"0,0,{width},{height}", "limit": "100"},
            timeout=60,
        )
        answer = SearchResponse.model_validate(response.raise_for_status().json())
        nearest = max(answer.cards, key=lambda found: found.cosine)
        assert nearest.card.card_id == photo.card_id
        assert nearest.cosine == pytest.approx(1, abs=0.001)
        assert answer.release.model_dump() == {
            "release": manifest.release,
            "model_id": manifest.model_id,
            "index_id": manifest.index_id,
            "data_version": manifest.data_version,
        }


def findable(loop: Loop) -> list[CuratedPhoto]:
    """Gallery pictures, one a card that is sold alone and on sale, that no other card shows."""
    cards = read_rows(loop.live.cards, Card)
    groups = [card.group_id for card in cards]
    on_sale = {
        card.card_id
        for card in cards
        if card.status == "on_sale" and groups.count(card.group_id) == 1
    }
    photos = [p for p in read_rows(loop.live.photos, CuratedPhoto) if p.card_id in on_sale]
    owners = {photo.sha256: {p.card_id for p in photos if p.sha256 == photo.sha256}
              for photo in photos if photo.kind == "gallery"}  # fmt: skip
    of_card = {p.card_id: p for p in photos if len(owners.get(p.sha256, ())) == 1}
    return list(of_card.values())


def test_a_shopper_sees_results_on_the_served_page(loop: Loop, browser: Browser, pictures: Path):
    photo = findable(loop)[0]
    with window(browser, loop.address) as page:
        page.set_input_files("#file", loop.photo(photo.sha256))
        expect(page.get_by_role("status")).to_contain_text("products like")
        found = page.locator(f".card[data-card-id={photo.card_id}]")
        expect(found).to_have_count(1)
        assert found.locator("img").evaluate("image => image.decode().then(() => true)")
        expect(page.locator("footer")).to_contain_text(f"release {loop.live.manifest.release}")
    taken = take_pictures(browser, loop.address, loop.photo(photo.sha256), folder=pictures)
    assert [path.name for path in taken] == ["page.png", "engineers.png", "phone.png"]


@pytest.mark.parametrize("gallery", ["source", "index"])
def test_the_release_is_measured_on_a_folder_of_photos(loop: Loop, tmp_path: Path, gallery: str):
    source, kept = small_folder(loop, tmp_path / "shelf"), tmp_path / "report.json"
    arguments = ("evaluate", "--source", source, "--split", "val", "--gallery", gallery)
    done = run(*arguments, "--json", kept, folder=loop.folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(kept.read_text())
    assert report["queries"] == 4
    assert report["cards"] == (loop.live.manifest.n_cards if gallery == "index" else 4)
    assert report["gallery"] == gallery
    assert report["release"] == loop.live.manifest.release
    assert report["data_version"] == loop.live.manifest.data_version
    for by_length in (report["lengths"], report["baseline"]):
        assert list(by_length) == (LENGTHS if gallery == "source" else LENGTHS[1:])  # it holds 256
        assert all(values.keys() >= METRICS for values in by_length.values())
    assert "mean pooling" in done.stdout


def small_folder(loop: Loop, root: Path) -> Path:
    """Four cards of the marketplace, a picture and two buyers' photos each, one of them `val`."""
    stored = read_rows(loop.home.catalog / "photos.parquet", Photo)
    indexed = {photo.card_id for photo in read_rows(loop.live.photos, CuratedPhoto)}
    cards, reviews, files = [], [], {}
    for card in read_rows(loop.home.catalog / "cards.parquet", Card):
        pictures = [p for p in stored if p.card_id == card.card_id and p.kind == "gallery"]
        taken = [p for p in stored if p.card_id == card.card_id and p.kind == "review"]
        if len(cards) == 4 or len(taken) < 2 or not pictures or card.card_id not in indexed:
            continue
        name = f"card{len(cards)}"
        for part, photo in (("", pictures[0]), ("-a", taken[0]), ("-b", taken[1])):
            files[name + part] = loop.photo(photo.sha256).read_bytes()
        row = {"card_id": card.card_id, "title": card.title, "group_id": card.group_id}
        cards.append(row | {"images": [f"{name}.jpg"]})
        for part, split in (("-a", "train"), ("-b", "val")):
            address = f"{name}{part}.jpg"
            reviews.append(review(name + part, card.card_id, address, split=split))
    return write_folder(root, cards, reviews, **files)


def test_a_second_repro_runs_no_stage(loop: Loop):
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=loop.home.root, env=environment_of(loop.folder), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout
    assert done.stdout.count("didn't change, skipping") >= 7


def test_running_the_demo_again_changes_nothing(loop: Loop):
    def state() -> tuple[str, list[str], str, str, set[str]]:
        releases = [release.manifest.release for release in list_releases(loop.home.releases)]
        bentos = {
            path.name for path in (loop.home.root / "bentoml" / "bentos" / "search").iterdir()
        }
        data_version = load_snapshot(loop.home.catalog).data_version
        return git_log(loop.home), releases, loop.live.manifest.release, data_version, bentos

    before = state()
    done = demo(loop.folder, loop.home, loop.port)
    assert done.returncode == 0, done.stderr[-4000:]
    assert state() == before
    assert "Running stage" not in done.stdout + done.stderr
    answer = httpx.get(f"{loop.address}/v1/release", timeout=60).json()
    assert answer["release"] == loop.live.manifest.release


def test_a_demo_that_is_terminated_takes_its_children_along(tmp_path: Path):
    command = [str(BIN / "photosearch"), "demo", "--home", str(tmp_path), "--no-serve"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment_of(tmp_path), text=True, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr
    for line in process.stderr:
        if "Beginning flow run" in line:  # simulator and Prefect are up
            break
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_stop_stops_the_page(loop: Loop):
    assert run("stop", folder=loop.folder).stdout == "stopped\n"
    with pytest.raises(httpx.ConnectError):
        httpx.get(loop.address)
    assert run("stop", folder=loop.folder).stdout == "was not running\n"
