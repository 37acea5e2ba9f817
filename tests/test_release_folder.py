"""What a release carries beside model and index: its calibration and its model card."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lightgbm import Dataset, train
from small_shop import PAINTS, ColourEmbedder, colour, jpeg, painted

from photosearch.assembly_index import index_engine
from photosearch.catalog import images
from photosearch.catalog.pull import Snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto, Label
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.catalog_vectors import catalog_vectors
from photosearch.embedding.model import HeadShape, Lineage, ModelManifest
from photosearch.errors import BadArtifact
from photosearch.evaluation.calibration import Calibration, read_calibration
from photosearch.evaluation.promotion import Override, Verdict
from photosearch.home import Home
from photosearch.index.filters import Listing
from photosearch.index.vector_index import ExactIndex, VectorIndex
from photosearch.index_settings import IndexParams
from photosearch.judging_settings import CalibrationParams
from photosearch.release import (
    Release,
    graph_of,
    live_release,
    open_release,
    seal,
    switch_live,
)
from photosearch.report import save_report, write_text
from photosearch.search.boosted_ranker import RankerManifest
from photosearch.search.features import FEATURES
from photosearch.search.model_card import UNKNOWN
from photosearch.search.ranker_folder import TREES, save_ranker, write_ranker
from photosearch.search.release_folder import build_release
from photosearch.search.release_recipe import IndexEngine, Part, Recipe
from photosearch.search.release_refresh import refresh_release
from photosearch.search.shown_cards import ask_held_out, joined_groups
from photosearch.search.trial_search import search_of
from photosearch.settings import Services

RECIPE = Recipe(
    IndexEngine(
        "exact",
        create=lambda _folder, _name, dim, _model_id: ExactIndex(dim),
        copy=lambda _release, _folder, _name: pytest.fail("this index lives in memory alone"),
        discard=lambda _name: None,
    ),
    IndexParams(dim=64, quantisation="int8", hits_per_query=20, min_recall_vs_exact=0.9),
    CalibrationParams(precision=0.9, queries_max=2000),
    {"head": {"epochs": 10}},
    lambda _model, graph, photos: write_text(graph / "photos", str(len(photos))),
)
VERDICT = Verdict(
    True, ["NOT ENOUGH: gain"], "old", "mean", "colours", "recall_at_1", 64, 0.5, 0.5, 0, 0.5, 9,
    override=Override("Olga", "sale tomorrow", "2026-11-21T12:00:00+00:00"),
)  # fmt: skip


def label(photo_a: str, photo_b: str, answer: str) -> Label:
    return Label("p", photo_a, photo_b, answer, 0.9, 2, ["ann", "bob"], "shop", "2026-11-21")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Five cards of one colour each, one picture in the gallery, twelve photos to ask with."""
    home, photos = Home(tmp_path / "home"), []
    for name in PAINTS:
        mixed = [
            painted(*[colour(name)] * (n + 4), (9 * n, 9 * n, 9 * n), size=(64, 48))
            for n in range(12)
        ]
        shown = [("gallery/0", "train", painted(colour(name), size=(64, 48)))]
        shown += [(f"review/{n}/0", "test", photo) for n, photo in enumerate(mixed)]
        for kind, split, photo in shown:
            sha256 = images.store(home.images, jpeg(photo))
            photos.append(
                CuratedPhoto(f"{name}/{kind}", name, kind.split("/")[0], sha256, split, True)
            )
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    cards = [Card(name, name, None, None, [], None, None, None, name) for name in PAINTS]
    write_table(home.curated / "cards.parquet", Card, cards)
    write_table(home.labels, Label, [label("red/gallery/0", "red/review/1/0", "same")])
    save_report(home.catalog / "snapshot.json", Snapshot("folder paint", 5, 65, 60, {}, "d1"))
    shape = HeadShape("mean", 64, 64, [64, 16])
    model = ModelManifest("colours", "t1", shape, Lineage("d1", 1))
    save_report(home.candidate / "model.json", model)
    save_report(home.evaluation / "verdict.json", VERDICT)
    report = {"model_id": "colours", "lengths": {"64": {"recall_at_1": 0.98}}}
    (home.evaluation / "report.json").write_text(json.dumps(report))
    return home


def release(home: Home, recipe: Recipe = RECIPE, *, model: Path | None = None) -> Release:
    model = model or home.candidate
    made = build_release(home, model, catalog_vectors(home, model, ColourEmbedder()), recipe)
    return open_release(home.releases / made.release)


def next_second() -> None:
    """Names of releases tell the second."""
    time.sleep(1 - time.time() % 1)


def card_of(made: Release) -> dict:
    return json.loads(made.model_card.read_text())


def test_a_release_says_how_sure_it_is_by_asking_itself(home: Home):
    made = release(home)
    calibration = read_calibration(made.calibration)
    assert (calibration.queries, calibration.pairs, calibration.same) == (60, 300, 60)
    assert calibration.index_id == made.manifest.index_id
    assert calibration.brier < calibration.brier_of_base_rate
    assert calibration.abstention.precision == made.manifest.abstain_precision == 0.9
    near, far = calibration.curve(read_scores(home, made))
    assert near > 0.9
    assert far < 0.1
    assert (made.folder / "reliability.png").read_bytes().startswith(b"\x89PNG")


def read_scores(home: Home, made: Release):
    """Of the nearest and the farthest card that is shown to the first query."""
    index = ExactIndex(64)
    photos = [p for p in read_rows(home.curated / "photos.parquet", CuratedPhoto)]
    indexed = [p for p in photos if p.kind == "gallery"]
    vectors = ColourEmbedder().embed([images.load(home.images, p.sha256) for p in indexed])
    index.add([p.photo_id for p in indexed], [Listing(p.card_id) for p in indexed], vectors)
    vectors_of = catalog_vectors(home, home.candidate, ColourEmbedder())
    search = search_of(made.folder, made.manifest, index)
    shown = ask_held_out(home, vectors_of, search, queries_max=7)
    assert len(shown.products) == 7
    return shown.scores[0, [0, 4]]


def test_a_refresh_with_another_ranker_is_calibrated_anew_and_without_it_is_not(home: Home):
    plain = replace(RECIPE, engine=index_engine(Services(), "int8"))
    vectors_of = catalog_vectors(home, home.candidate, ColourEmbedder())

    def refreshed(data_version: str, recipe: Recipe) -> Calibration:
        save_report(home.catalog / "snapshot.json", Snapshot("paint", 5, 65, 60, {}, data_version))
        next_second()
        report = refresh_release(home, vectors_of, recipe)
        assert report.built_anew_because is None
        switch_live(home.releases, report.release)
        return read_calibration(live_release(home.releases).calibration)

    first = release(home, plain)
    switch_live(home.releases, first.manifest.release)
    assert refreshed("d2", plain) == read_calibration(first.calibration)
    by_ranker = refreshed("d3", replace(plain, parts=(Part("ranker", "r1", write_any_ranker),)))
    assert by_ranker.slope != read_calibration(first.calibration).slope
    assert by_ranker.index_id == first.manifest.index_id


def write_any_ranker(folder: Path, index: VectorIndex, _: Path | None) -> None:
    """Trees by chance: they move cards, whatever for."""
    dice = np.random.default_rng(7)
    table, wanted = dice.normal(size=(500, len(FEATURES))), dice.normal(size=500)
    trees = train({"verbose": -1, "num_leaves": 4}, Dataset(table, wanted), num_boost_round=9)
    trained = folder / "trained"
    manifest = RankerManifest("colours", list(FEATURES), 10.0, -8.0, 10, 16)
    save_ranker(trained, manifest, trees={TREES: trees.model_to_string()}, clicks=[])
    (photo_ids, _listings, vectors) = next(index.scroll())
    write_ranker(folder / "ranker", trained, [TREES], photo_ids=photo_ids, vectors=vectors)


def test_the_model_card_tells_data_labels_settings_metrics_verdict_and_lineage(home: Home):
    made = release(home)
    card = card_of(made)
    told = card["made_of"]
    assert told["data"]["source"] == "folder paint"
    assert told["data"]["curated_photos_by_split"] == {"train": 5, "test": 60}
    assert told["labels"]["answers"] == {"same": 1}
    assert (told["labels"]["annotators"], told["labels"]["votes"]) == (2, 2)
    assert told["settings"] == {"head": {"epochs": 10}}
    assert told["metrics"]["lengths"]["64"]["recall_at_1"] == 0.98
    assert told["verdict"]["override"]["by"] == "Olga"
    assert card["calibration"]["queries"] == 60
    assert card["lineage"]["trained_on"] == card["lineage"]["indexed"] == "d1"
    text = (made.folder / "MODEL_CARD.md").read_text()
    assert text.startswith(f"# Model card of release {made.manifest.release}\n")
    for part in ("Data", "Labels", "Settings", "Metrics", "Verdict", "Calibration", "Lineage"):
        assert f"\n## {part}\n" in text
    assert '  - because: "sale tomorrow"\n' in text
    assert "    - recall_at_1: 0.98\n" in text


def test_a_live_model_keeps_its_story_when_it_is_released_over_new_photos(home: Home):
    first = release(home)
    switch_live(home.releases, first.manifest.release)
    shutil.rmtree(home.candidate)  # another candidate was trained since
    save_report(home.catalog / "snapshot.json", Snapshot("folder paint", 5, 66, 60, {}, "d2"))
    next_second()
    second = release(home, model=live_release(home.releases).model)
    assert card_of(second)["made_of"] == card_of(first)["made_of"]
    lineage = card_of(second)["lineage"]
    assert (lineage["trained_on"], lineage["indexed"]) == ("d1", "d2")
    assert lineage["release_before"] == first.manifest.release


def test_a_model_without_a_story_says_so(home: Home, tmp_path: Path):
    model = shutil.copytree(home.candidate, tmp_path / "old")
    shutil.rmtree(home.candidate)
    made = release(home, model=model)
    assert card_of(made)["made_of"] is None
    assert UNKNOWN in (made.folder / "MODEL_CARD.md").read_text()


def test_too_few_photos_to_ask_with_leave_a_release_without_probabilities(
    home: Home, caplog: pytest.LogCaptureFixture
):
    few = replace(RECIPE, calibration=CalibrationParams(precision=0.9, queries_max=9))
    made = release(home, few)
    assert not made.calibration.exists()
    assert card_of(made)["calibration"] is None
    assert "9 held-out queries are too few to calibrate on" in caplog.text


def test_the_same_model_and_photos_are_released_once_until_the_precision_changes(home: Home):
    first = release(home)
    assert release(home) == first
    other = replace(RECIPE, calibration=CalibrationParams(precision=0.8, queries_max=2000))
    next_second()
    assert release(home, other).manifest.release != first.manifest.release


def test_a_release_of_before_there_were_graphs_says_what_to_do_and_is_made_anew(home: Home):
    old = release(home)
    assert (graph_of(old) / "photos").read_text() == "5"  # no more than the index holds
    seal(old.folder, replace(old.manifest, has_graph=False))
    with pytest.raises(BadArtifact, match=r"has no graph to serve with.*`photosearch index`"):
        graph_of(open_release(old.folder))
    next_second()
    assert release(home).manifest.release != old.manifest.release


def test_groups_that_people_called_one_product_are_one():
    labels = [
        label("a/gallery/0", "b/gallery/0", "same"),
        label("a/gallery/0", "c/gallery/0", "different"),
        label("a/gallery/0", "gone/gallery/0", "same"),
    ]
    groups = {"a/gallery/0": "A", "b/gallery/0": "B", "c/gallery/0": "C"}
    assert joined_groups(labels, groups) == {frozenset(("A", "B"))}
