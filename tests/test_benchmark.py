"""`photosearch benchmark`: intervals, pairs, grades, every task on a small home, its page."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from sklearn.metrics import roc_auc_score
from small_tower import ColourTower, png, quarters, untrained_tower
from test_text_stage import COLOURS, PATTERNS, TEXT, encode, every_card
from test_views import STRENGTH

from photosearch.assembly_evaluation import NOBODY, benchmark_model
from photosearch.catalog import images
from photosearch.catalog.pull import Snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import write_table
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.text import read_aligner
from photosearch.embedding.tokens import cache_tokens
from photosearch.embedding.tower import CONFIG, WEIGHTS
from photosearch.errors import BadSource
from photosearch.evaluation.contender import Contender, TextSide
from photosearch.evaluation.grades import graded_ndcg, read_grades
from photosearch.evaluation.held_out import HeldOut, read_held_out
from photosearch.evaluation.intervals import draw, mean_interval, ratio_interval
from photosearch.evaluation.metrics import graded_ndcg_at_k
from photosearch.evaluation.photo_to_card import cached_vectors
from photosearch.evaluation.suite import Row, run_benchmark
from photosearch.evaluation.suite_files import save_benchmark
from photosearch.evaluation.suite_tables import as_markdown
from photosearch.evaluation.verification import (
    auc_samples,
    best_threshold,
    judge_pairs,
    pair_metrics,
    pairs_of,
)
from photosearch.evaluation.views import VIEWS
from photosearch.home import Home
from photosearch.report import save_report
from photosearch.search.refine import read_refiner
from photosearch.settings import Settings, TokensParams, load_params, load_services
from training.text_side import learn_texts
from training.triplets import triplets_from_cards

ROOT = Path(__file__).parents[1]
PARAMS = load_params(ROOT / "simulator" / "params.yaml")
N_SEEN = 5
"""Cards with photos in training; the other seven have none."""


class ColourEmbedder:
    """The mean of the colour tower's tokens, straight from the photo."""

    model_id, lengths = "colours", (8, 4)

    def embed(self, photos) -> Vectors:
        return unit(ColourTower().tokens(photos).mean(axis=1))


def write_home(home: Home, side: int = 1) -> None:
    """Twelve cards with one picture and two reviews each; what buyers show is a little darker."""
    photos = []
    for number, card in enumerate(every_card()):
        colour, pattern = COLOURS[card.attributes["Colour"]], PATTERNS[card.attributes["Pattern"]]
        is_seen = number < N_SEEN
        for kind, light in (("gallery/0", 0), ("review/1/0", 40), ("review/2/0", 60)):
            shown = quarters(colour, colour, pattern, (light,) * 3)
            is_query = kind != "gallery/0"
            photos.append(
                CuratedPhoto(
                    f"{card.card_id}/{kind}", card.card_id, "review" if is_query else "gallery",
                    images.store(home.images, png(shown.resize((64 * side, 64 * side)))),
                    "train" if is_seen and not is_query else "test", is_seen,
                )
            )  # fmt: skip
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    write_table(home.curated / "cards.parquet", Card, every_card())
    save_report(home.catalog / "snapshot.json", Snapshot("folder", 12, 36, 24, {}, "d1"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With mean pooling of the colour tower as the candidate, and the text side of it."""
    made = Home(tmp_path / "home")
    write_home(made)
    cache_tokens(made, ColourTower(), tokens=TokensParams(views=1, seed=7))
    made.tower.mkdir(parents=True)
    for name in (CONFIG, WEIGHTS):
        (made.tower / name).write_bytes(b"copied and hashed, never opened here")
    shape = HeadShape("mean", 8, 8, [8, 4])
    write_model(made.candidate, tower=made.tower, head=shape, lineage=Lineage("d1", 0))
    return made


def changes_of(cards: Sequence[Card]):
    return triplets_from_cards(cards, changed_most=2, targets_a_card=20, seed=7)


def held_out(home: Home) -> HeldOut:
    return read_held_out(home, STRENGTH, changes=changes_of(every_card()))


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


def test_intervals_draw_products_and_not_photos():
    """A hundred photos of two products tell as little as two photos of them would."""
    values = np.array([1.0] * 50 + [0.0] * 50)
    few = mean_interval(values, draw(["a"] * 50 + ["b"] * 50))
    assert (few.value, few.low, few.high) == (0.5, 0.0, 1.0)
    many = mean_interval(values, draw([f"p{n}" for n in range(100)]))
    assert many.low == pytest.approx(0.4, abs=0.03)
    assert many.high == pytest.approx(0.6, abs=0.03)


def test_one_product_has_a_value_and_no_interval():
    only = mean_interval(np.array([1.0, 0.0]), draw(["a", "a"]))
    assert (only.value, only.low, only.high) == (0.5, None, None)
    assert str(only) == "0.500"


def test_a_share_of_nothing_is_zero():
    assert ratio_interval(np.zeros(3), np.zeros(3), draw(["a", "b", "c"])).value == 0


def test_graded_ndcg_by_hand():
    grades = {"a": 5, "b": 2, "c": 1}
    shown = [["b", "x", "a"], ["a", "b", "c"], []]
    best = 31 + 3 / np.log2(3) + 1 / np.log2(4)
    by_hand = [(3 + 31 / np.log2(4)) / best, 1, 0]
    assert graded_ndcg(shown, [grades] * 3) == pytest.approx(by_hand)
    assert graded_ndcg([["a"]], [{}]).tolist() == [0]


def test_graded_ndcg_beyond_its_ranks_is_refused():
    with pytest.raises(ValueError, match="k is 3, but there are 2 ranks and 4 best grades"):
        graded_ndcg_at_k(np.zeros((1, 2)), np.zeros((1, 4)), 3)


def test_grades_are_read_and_the_last_of_a_pair_counts(tmp_path: Path):
    path = tmp_path / "relevance.jsonl"
    assert read_grades(path) == {}
    line = {"photo_id": "p", "card_id": "c", "grade": 1}
    path.write_text("\n".join(json.dumps(line | {"grade": grade}) for grade in (1, 4)) + "\n\n")
    assert read_grades(path) == {"p": {"c": 4}}


@pytest.mark.parametrize(
    "line", ["{", '{"photo_id": "p", "card_id": "c", "grade": 6}', '{"grade": 1}', "[]"]
)
def test_a_line_that_is_no_grade_is_told_with_its_number(tmp_path: Path, line: str):
    path = tmp_path / "relevance.jsonl"
    path.write_text('{"photo_id": "p", "card_id": "c", "grade": 0}\n' + line)
    with pytest.raises(BadSource, match="line 2 is no grade"):
        read_grades(path)


def test_pairs_are_of_held_out_photos_and_hard_ones_share_category_and_attributes(home: Home):
    held = held_out(home)
    ids = [photo.photo_id for photo in held.pool]
    assert not {photo.split for photo in held.pool} & {"train"}
    pairs = held.pairs
    for first, second, is_same in zip(pairs.first, pairs.second, pairs.is_same, strict=True):
        one, other = held.pool[first], held.pool[second]
        assert is_same == (one.card_id == other.card_id)  # a product is one card here
        assert one.photo_id != other.photo_id
    for row_, hard in zip(pairs.first[pairs.is_hard], pairs.second[pairs.is_hard], strict=True):
        mine, theirs = (held.cards[ids[n].split("/")[0]].attributes for n in (row_, hard))
        assert len(mine.items() & theirs.items()) == 1  # no two cards here agree in both
    again = pairs_of(held.pool, held.cards, seed=STRENGTH.seed)
    assert again.second.tolist() == pairs.second.tolist()


def test_photos_of_one_review_are_no_pair(home: Home):
    held = held_out(home)
    twin = replace(held.pool[0], photo_id=held.pool[0].photo_id[:-1] + "1")
    pairs = pairs_of([held.pool[0], twin, *held.pool[1:]], held.cards, seed=1)
    assert (0, 1) not in set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def test_the_best_threshold_parts_what_can_be_parted():
    is_same = np.array([False, False, True, True])
    assert best_threshold(np.array([0.1, 0.2, 0.6, 0.9]), is_same) == 0.6


def test_auc_of_samples_is_that_of_scikit_learn_with_weights():
    random = np.random.default_rng(5)
    cosines, is_same = random.integers(8, size=60) / 8, random.random(60) < 0.4  # many ties
    drawn = draw([f"p{n % 9}" for n in range(60)])
    samples = auc_samples(is_same, cosines, drawn)
    for sample in range(0, 1000, 97):
        weights = drawn.times[sample, drawn.product]
        by_library = roc_auc_score(is_same, cosines, sample_weight=weights)
        assert samples[sample] == pytest.approx(by_library)


def test_a_model_that_knows_the_product_verifies_perfectly_and_chance_does_not(home: Home):
    pairs = held_out(home).pairs
    names = [photo.card_id for photo in held_out(home).pool]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    knows = np.eye(len(numbers), dtype=np.float32)[[numbers[name] for name in names]]
    guesses = unit(np.random.default_rng(1).standard_normal((len(names), 16)))
    everything, drawn = np.ones(len(pairs.first), np.bool_), draw(pairs.products)
    sure = pair_metrics(pairs, judge_pairs(pairs, knows), everything, drawn)
    assert (sure["roc_auc"].value, sure["f1"].value, sure["precision"].low) == (1, 1, 1)
    assert sure["calibration_error"].value < 0.01
    chance = pair_metrics(pairs, judge_pairs(pairs, guesses), everything, drawn)
    assert chance["roc_auc"].low < 0.5 < chance["roc_auc"].high


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
    cache_tokens(home, OpenClipTower(home.tower), tokens=TokensParams(views=1, seed=7))
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
