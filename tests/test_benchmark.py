"""`photosearch benchmark`: intervals, pairs, grades, every task on a small home, its page."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from painted_home import N_SEEN, ColourEmbedder, changes_of, held_out, make_home, write_home
from playwright.sync_api import Browser
from small_tower import untrained_tower
from test_text_stage import TEXT, encode, every_card

from photosearch.assembly_evaluation import NOBODY, benchmark_model
from photosearch.embedding.aligner import read_aligner
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.tokens import cache_tokens
from photosearch.evaluation.contender import Contender, TextSide
from photosearch.evaluation.photo_to_card import cached_vectors
from photosearch.evaluation.suite import Row, run_benchmark
from photosearch.evaluation.suite_files import save_benchmark
from photosearch.evaluation.suite_tables import as_markdown
from photosearch.evaluation.views import VIEWS
from photosearch.head_settings import TokensParams
from photosearch.home import Home
from photosearch.search.refine import read_refiner
from photosearch.settings import Settings, load_params, load_services
from training.text_side import learn_texts

ROOT = Path(__file__).parents[1]
PARAMS = load_params(ROOT / "simulator" / "params.yaml")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def contender(home: Home, name: str = "candidate", texts: TextSide | None = None) -> Contender:
    without = {} if texts else {"text -> card": "no text here"}
    vectors_of = cached_vectors(home, home.candidate)
    return Contender(name, "colours", [8, 4], vectors_of, ColourEmbedder(), texts, without)


def text_side(home: Home) -> TextSide:
    relaxed = TEXT.refiner.model_copy(update={"triplets_min": 1})
    learn_texts(home, TEXT.model_copy(update={"refiner": relaxed}), encode)
    model_id = read_model(home.candidate).model_id
    refiner = read_refiner(home.text, model_id=model_id)
    return TextSide(encode, read_aligner(home.text, model_id=model_id).align, refiner.refine)


def row(rows: Sequence[Row], task: str, way: str, part: str = "all", length: int = 8) -> Row:
    (found,) = [r for r in rows if (r.task, r.way, r.slice, r.length) == (task, way, part, length)]
    return found


def test_every_task_way_length_and_slice_is_in_the_report(home: Home):
    texts = text_side(home)
    report = run_benchmark(held_out(home), contender(home, texts=texts), None).report
    ways = {(row.task, row.way) for row in report.rows}
    assert ways == {
        *(("photo -> card", view) for view in VIEWS),
        ("text -> card", "English"), ("text -> card", "Russian"),
        ("photo+text -> card", "refined"), ("photo+text -> card", "added"),
        ("photo+text -> card", "photo alone"), ("same object", "pairs"),
    }  # fmt: skip
    for task, way in ways:
        assert {row.length for row in report.rows if (row.task, row.way) == (task, way)} == {8, 4}
    whole = row(report.rows, "photo -> card", "whole photo")
    assert whole.model["recall_at_1"].value > 0.8
    assert (whole.queries, whole.products) == (24, 12)
    parts = {r.slice: r.queries for r in report.rows if r.way == "whole photo" and r.length == 8}
    assert parts == {"all": 24, "seen": 10, "unseen": 14, "category Mugs": 24}
    assert row(report.rows, "text -> card", "Russian").queries == 12
    dark = row(report.rows, "photo -> card", "dark").model["recall_at_1"].value
    assert dark < whole.model["recall_at_1"].value
    assert {one.task for one in report.skipped} == {"graded relevance"}


def test_changes_lead_from_and_to_unseen_cards_and_hide_the_own_one(home: Home):
    benchmark = run_benchmark(held_out(home), contender(home, texts=text_side(home)), None)
    seen = {card.card_id for card in every_card()[:N_SEEN]}
    asked = benchmark.model.asked["photo+text -> card", "photo alone"]
    shown = benchmark.model.answers["photo+text -> card", "photo alone"][8].shown
    assert asked.cards
    for source, right, cards in zip(asked.cards, asked.right, shown, strict=True):
        assert source not in seen
        assert source not in cards
        assert right - seen


def test_what_cannot_be_measured_is_told_with_its_reason(home: Home):
    report = run_benchmark(held_out(home), contender(home), None).report
    assert not [row for row in report.rows if row.task == "text -> card"]
    assert "- Not measured: text -> card by candidate: no text here" in as_markdown(report)


def test_a_champion_is_compared_on_the_same_queries(home: Home):
    class Blind(ColourEmbedder):
        def embed(self, photos) -> Vectors:
            return unit(np.ones((len(photos), 8)))

    blind = replace(
        contender(home, "release old"), embedder=Blind(),
        vectors_of=lambda photos: unit(np.ones((len(photos), 8))),
    )  # fmt: skip
    benchmark = run_benchmark(held_out(home), contender(home), blind)
    whole = row(benchmark.report.rows, "photo -> card", "whole photo")
    assert whole.champion is not None
    assert whole.gain is not None
    assert whole.gain.value == pytest.approx(
        whole.model["recall_at_1"].value - whole.champion["recall_at_1"].value, abs=1e-3
    )
    assert whole.gain.low > 0.5


def test_grades_that_people_gave_are_measured(home: Home):
    queries = [photo for photo in held_out(home).queries if photo.card_id.startswith("Mugs red")]
    lines = [
        {"photo_id": photo.photo_id, "card_id": photo.card_id, "grade": 5} for photo in queries
    ]
    home.relevance.parent.mkdir(parents=True)
    home.relevance.write_text("\n".join(map(json.dumps, lines)))
    report = run_benchmark(held_out(home), contender(home), None).report
    graded = row(report.rows, "graded relevance", "whole photo")
    assert graded.queries == len(queries)
    assert 0.8 < graded.model["graded_ndcg_at_10"].value <= 1
    assert "Graded relevance, 0 to 5" in as_markdown(report)


def test_the_page_needs_no_other_file_and_shows_changed_queries(
    home: Home, browser: Browser, pictures: Path
):
    worse = replace(contender(home, "release old"), lengths=[4])
    rough = replace(
        worse,
        vectors_of=lambda photos: unit(
            np.round(cached_vectors(home, home.candidate)(photos)[:, :4], 0) + 0.1
        ),
    )
    held = held_out(home)
    save_benchmark(home.benchmark, held, run_benchmark(held, contender(home), rough))
    page = (home.benchmark / "report.html").read_text()
    assert "src='http" not in page
    assert "Changed for the better" in page
    assert {path.name for path in home.benchmark.iterdir()} == {
        ".gitignore", "report.json", "report.md", "report.html", "lengths.png", "roc.png",
        "reliability.png",
    }  # fmt: skip
    view = browser.new_page(viewport={"width": 1200, "height": 900})
    view.goto(f"file://{home.benchmark / 'report.html'}")
    view.screenshot(path=pictures / "benchmark.png", full_page=True)
    assert view.locator("figure.right img").count() > 8
    broken = "[...document.images].filter(one => !one.naturalWidth).length"
    assert view.evaluate(broken) == 0
    assert view.evaluate("document.documentElement.scrollWidth") <= 1200


def test_a_home_with_a_real_tower_is_measured_from_settings(tmp_path: Path):
    home = Home(tmp_path / "home")
    write_home(home)
    untrained_tower(home.tower)
    cache_tokens(
        home, OpenClipTower(home.tower), tokens=TokensParams(views=1, form="bf16", pool=1, seed=7)
    )
    width = OpenClipTower(home.tower).width
    shape = HeadShape("mean", width, 64, [64, 32])
    write_model(home.candidate, tower=home.tower, head=shape, lineage=Lineage("d1", 0))
    settings = Settings(home=home, params=PARAMS, services=load_services())
    measure = partial(benchmark_model, settings, release=None, changes_of=changes_of)
    report = measure(against=NOBODY)
    assert report.champion == ""
    assert report.model_id == read_model(home.candidate).model_id
    assert row(report.rows, "photo -> card", "whole photo", length=64).queries == 24
    assert [one.reason for one in report.skipped][:2] == [
        "build/text has no text side; run `photosearch text`"
    ] * 2
    first = (home.benchmark / "report.json").read_bytes()
    measure(against=NOBODY)
    assert (home.benchmark / "report.json").read_bytes() == first
