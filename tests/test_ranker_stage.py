"""`photosearch ranker` over a small home: what it learns from, when it is used."""

from pathlib import Path

import numpy as np
import pytest

from photosearch.assembly_parts import ranker_to_release
from photosearch.catalog.schemas import Card, CuratedPhoto, Impression
from photosearch.catalog.tables import write_table
from photosearch.embedding.embedder import Vectors, unit
from photosearch.errors import HomeNotReady
from photosearch.home import Home
from photosearch.search.boosted_ranker import ranker_id, read_manifest
from photosearch.search.features import FEATURES
from photosearch.settings import Services, Settings, load_params
from training.ranker import ask_home, train_home_ranker, train_ranker

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
RANKING = PARAMS.ranking
INDEX = PARAMS.index.model_copy(update={"dim": 64})
CARDS = 30


def make_home(folder: Path, *, n_cards: int = CARDS) -> Home:
    """Cards with two gallery pictures, a review in training and one held out."""
    home = Home(folder)
    cards = [
        Card(f"c{n}", "mug", None, None, ["Home"], None, None, 10.0 + n, f"g{n}")
        for n in range(n_cards)
    ]
    photos = [
        CuratedPhoto(f"{card.card_id}/{place}", card.card_id, kind, f"{n}-{place}", split, True)
        for n, card in enumerate(cards)
        for place, kind, split in (
            ("gallery/0", "gallery", "train"), ("gallery/1", "gallery", "train"),
            ("review/a/0", "review", "train"), ("review/b/0", "review", "test"),
        )
    ]  # fmt: skip
    write_table(home.curated / "cards.parquet", Card, cards)
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    return home


def vectors_of(photos: list[CuratedPhoto]) -> Vectors:
    """Near its card's own direction; each photo elsewhere by its id."""
    rows = []
    for photo in photos:
        number = int(photo.card_id[1:])
        noise = np.random.default_rng(list(photo.photo_id.encode())).normal(size=64)
        rows.append(np.random.default_rng(number).normal(size=64) + 1.5 * noise)
    return unit(np.array(rows))


def settings_of(home: Home, *, use: bool = True) -> Settings:
    ranker = RANKING.ranker.model_copy(update={"use": use})
    params = PARAMS.model_copy(update={"ranking": RANKING.model_copy(update={"ranker": ranker})})
    return Settings(home=home, params=params, services=Services())


def test_training_photos_ask_twice_and_held_out_ones_judge(tmp_path: Path):
    home = make_home(tmp_path)
    report = train_home_ranker(home, "m1", vectors_of, RANKING, INDEX)
    assert (report.lessons_of_labels, report.lessons_of_clicks) == (2 * CARDS, 0)
    assert (report.trial.queries, report.trial.products) == (CARDS, CARDS)
    assert read_manifest(home.ranker).model_id == "m1"


def clicks_on_the_second() -> list[Impression]:
    features = dict.fromkeys(FEATURES, 0.5)
    return [
        Impression(f"q{n}", f"c{rank}", rank, rank == 2, features)
        for n in range(7) for rank in (1, 2, 3)
    ]  # fmt: skip


def test_clicks_are_lessons_where_there_are_any(tmp_path: Path):
    learned, _ = ask_home(make_home(tmp_path), vectors_of, RANKING.ranker, INDEX)
    trained = train_ranker(learned, clicks_on_the_second(), RANKING, model_id="m1")
    assert (trained.lessons_of_labels, trained.lessons_of_clicks) == (len(learned), 7)


def test_clicks_that_fail_the_trial_give_way_to_labels_alone(tmp_path: Path):
    plain, clicked = make_home(tmp_path / "plain"), make_home(tmp_path / "clicked")
    by_labels = train_home_ranker(plain, "m1", vectors_of, RANKING, INDEX)
    write_table(clicked.impressions, Impression, clicks_on_the_second())
    report = train_home_ranker(clicked, "m1", vectors_of, RANKING, INDEX)
    assert "2 held-out answers with clicks are too few to judge, 100 are needed" in report.refused
    assert (report.lessons_of_clicks, report.trial) == (0, by_labels.trial)
    assert ranker_id(clicked.ranker) == ranker_id(plain.ranker)


def test_too_few_photos_are_told(tmp_path: Path):
    home = make_home(tmp_path, n_cards=3)
    with pytest.raises(HomeNotReady, match="3 buyers' photos of training and 3 held-out ones"):
        train_home_ranker(home, "m1", vectors_of, RANKING, INDEX)


def test_a_release_gets_a_ranker_of_its_own_model_that_is_better_and_wanted(tmp_path: Path):
    home = make_home(tmp_path)
    assert ranker_to_release(settings_of(home), "m1") is None
    report = train_home_ranker(home, "m1", vectors_of, RANKING, INDEX)
    verdict = home.ranker / "verdict.json"
    told = str(report.trial.is_better).lower()
    assert f'"is_better": {told}' in verdict.read_text()
    verdict.write_text(verdict.read_text().replace(f'"is_better": {told}', '"is_better": true'))
    assert ranker_to_release(settings_of(home), "m1") == home.ranker
    assert ranker_to_release(settings_of(home), "m2") is None
    assert ranker_to_release(settings_of(home, use=False), "m1") is None
    verdict.write_text(verdict.read_text().replace('"is_better": true', '"is_better": false'))
    assert ranker_to_release(settings_of(home), "m1") is None
