"""`photosearch ranker` over a small home: what it learns from, when it is used."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from small_ranker import answered

from photosearch.assembly_parts import trees_to_release
from photosearch.catalog.schemas import Card, CardTags, CuratedPhoto, Impression, Review, Tag
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.catalog_vectors import ModelVectors, VectorsOf
from photosearch.embedding.embedder import Vectors, unit
from photosearch.errors import BadTable, HomeHeld, HomeNotReady
from photosearch.home import Home
from photosearch.release import SWITCHES, Switch
from photosearch.release_lock import alone
from photosearch.report import write_text
from photosearch.search.features import FEATURES
from photosearch.search.ranker_folder import TREES, WORDS, ranker_id, read_manifest
from photosearch.settings import Services, Settings, load_params
from training.ranker import (
    RankerReport,
    is_up_to_date,
    shown_by,
    train_home_ranker,
    train_ranker,
)
from training.ranker_home import ask_home
from training.ranker_words import ask_with_words, changes_on, wishes_of, words_on

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
RANKING = PARAMS.ranking
INDEX = PARAMS.index.model_copy(update={"dim": 64})
CARDS = 30
COLOURS = ("red", "green", "blue")


def make_home(folder: Path, *, n_cards: int = CARDS) -> Home:
    """Cards with two gallery pictures, a review in training and one held out; mugs of 3 colours."""
    home = Home(folder)
    cards = [
        Card(f"c{n}", f"{COLOURS[n % 3]} mug", None, None, ["Home", f"Set {n // 3}"], None, None,
             10.0 + n, f"g{n}", attributes={"Colour": COLOURS[n % 3]})
        for n in range(n_cards)
    ]  # fmt: skip
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
    write_table(home.catalog / "reviews.parquet", Review, [])
    return home


def tag_colours(home: Home) -> None:
    """Each card carries its colour."""
    tags = [Tag(colour, "en", 10, "title") for colour in COLOURS]
    write_table(home.tags / "tags.parquet", Tag, tags)
    cards = read_rows(home.curated / "cards.parquet", Card)
    carried = [CardTags(card.card_id, [n % 3]) for n, card in enumerate(cards)]
    write_table(home.tags / "carried.parquet", CardTags, carried)


def vectors_of(photos: list[CuratedPhoto]) -> Vectors:
    """Near its card's own direction; each photo elsewhere by its id."""
    assert photos, "a model makes no vectors of nothing"
    rows = []
    for photo in photos:
        number = int(photo.card_id[1:])
        noise = np.random.default_rng(list(photo.photo_id.encode())).normal(size=64)
        rows.append(np.random.default_rng(number).normal(size=64) + 1.5 * noise)
    return unit(np.array(rows))


def train(home: Home, of: VectorsOf = vectors_of) -> RankerReport:
    model = ModelVectors("m1", of)
    return train_home_ranker(home, model, RANKING, INDEX, PARAMS.text_search)


def settings_of(home: Home, *, use: bool = True) -> Settings:
    ranker = RANKING.ranker.model_copy(update={"use": use})
    params = PARAMS.model_copy(update={"ranking": RANKING.model_copy(update={"ranker": ranker})})
    return Settings(home=home, params=params, services=Services())


def test_training_photos_ask_twice_and_held_out_ones_judge(tmp_path: Path):
    home = make_home(tmp_path)
    report = train(home)
    assert (report.lessons_of_labels, report.lessons_of_clicks) == (2 * CARDS, 0)
    assert (report.trial.queries, report.trial.products) == (CARDS, CARDS)
    assert read_manifest(home.ranker).model_id == "m1"


def clicks_on_the_second(*, release: str = "r1") -> list[Impression]:
    features = dict.fromkeys(FEATURES, 0.5)
    return [
        Impression(f"q{n}", f"c{rank}", rank, rank == 2, features, release)
        for n in range(7) for rank in (1, 2, 3)
    ]  # fmt: skip


def test_clicks_are_lessons_where_there_are_any(tmp_path: Path):
    learned = ask_home(make_home(tmp_path), vectors_of, RANKING.ranker, INDEX).learned
    trained = train_ranker(learned, clicks_on_the_second(), RANKING, model_id="m1")
    assert (trained.lessons_of_labels, trained.lessons_of_clicks) == (len(learned), 7)


def test_clicks_that_fail_the_trial_give_way_to_labels_alone(tmp_path: Path):
    plain, clicked = make_home(tmp_path / "plain"), make_home(tmp_path / "clicked")
    by_labels = train(plain)
    were_live(clicked, r1="m1")
    write_table(clicked.impressions, Impression, clicks_on_the_second())
    report = train(clicked)
    assert "2 held-out answers with clicks are too few to judge, 100 are needed" in report.refused
    assert (report.lessons_of_clicks, report.trial) == (0, by_labels.trial)
    assert ranker_id(clicked.ranker, [TREES]) == ranker_id(plain.ranker, [TREES])


def were_live(home: Home, **model_of: str) -> None:
    """Releases of these models, since pruned."""
    lines = [
        json.dumps(asdict(Switch("2026-11-22T12:00:00+00:00", release, model, None, None, None)))
        for release, model in model_of.items()
    ]
    write_text(home.releases / SWITCHES, "\n".join(lines))


def test_clicks_on_answers_of_another_model_teach_nothing_and_judge_nothing(tmp_path: Path):
    home = make_home(tmp_path)
    were_live(home, r1="m1", old="m0")
    shown = [*clicks_on_the_second(release="old"), *clicks_on_the_second(release="gone")]
    write_table(home.impressions, Impression, shown)
    assert shown_by(home, "m1") == []
    assert train(home).refused == ""
    write_table(home.impressions, Impression, [*shown, *clicks_on_the_second()])
    assert shown_by(home, "m1") == clicks_on_the_second()


def test_too_few_photos_are_told(tmp_path: Path):
    home = make_home(tmp_path, n_cards=3)
    with pytest.raises(HomeNotReady, match="3 buyers' photos of training and 3 held-out ones"):
        train(home)


def test_cosines_that_tell_no_product_from_another_are_told():
    farthest = np.array([False, False, True])
    learned = [replace(answered(n), is_right=farthest) for n in range(5)]
    with pytest.raises(HomeNotReady, match="Of 15 found cards those of the photo"):
        train_ranker(learned, [], RANKING, model_id="m1")


def test_a_release_gets_a_ranker_of_its_own_model_that_is_better_and_wanted(tmp_path: Path):
    home = make_home(tmp_path)
    assert trees_to_release(settings_of(home), "m1") == []
    report = train(home)
    verdict = home.ranker / "verdict.json"
    told = str(report.trial.is_better).lower()
    assert f'"is_better": {told}' in verdict.read_text()
    verdict.write_text(verdict.read_text().replace(f'"is_better": {told}', '"is_better": true'))
    assert trees_to_release(settings_of(home), "m1") == [TREES]
    assert trees_to_release(settings_of(home), "m2") == []
    assert trees_to_release(settings_of(home, use=False), "m1") == []
    verdict.write_text(verdict.read_text().replace('"is_better": true', '"is_better": false'))
    assert trees_to_release(settings_of(home), "m1") == []


def test_releases_may_be_switched_while_a_ranker_is_trained_but_no_other_is_trained(tmp_path: Path):
    home, done = make_home(tmp_path), []

    def others_come(photos: list[CuratedPhoto]) -> Vectors:
        with alone(home.releases, doing="rolling back"):
            done.append("rolled back")
        with pytest.raises(HomeHeld, match="Another process is training a ranker in"):
            train(home)
        return vectors_of(photos)

    train(home, others_come)
    assert done
    assert trees_to_release(settings_of(home), "m1") in ([], [TREES])


def test_a_release_being_made_sees_one_ranker_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = make_home(tmp_path)
    train(home)
    before = {path.name: path.read_bytes() for path in home.ranker.iterdir()}
    tag_colours(home)
    monkeypatch.setattr("training.ranker.RELEASES_WAIT_S", 0.3)
    with (
        alone(home.releases, doing="releasing a model"),
        pytest.raises(HomeHeld, match=r"is held by process .*, releasing a model since"),
    ):
        train(home)
    assert {path.name: path.read_bytes() for path in home.ranker.iterdir()} == before
    train(home)
    assert (home.ranker / WORDS).exists()


def test_a_ranker_waits_for_the_release_that_is_being_made(tmp_path: Path):
    home, is_held = make_home(tmp_path), Event()

    def release() -> None:
        with alone(home.releases, doing="releasing a model"):
            is_held.set()
            time.sleep(1.0)
            assert not home.ranker.exists()

    with ThreadPoolExecutor(1) as beside:
        released = beside.submit(release)
        assert is_held.wait(10)
        train(home)
        released.result()
    assert read_manifest(home.ranker).model_id == "m1"


def test_a_ranker_that_a_kill_took_away_between_two_names_comes_back(tmp_path: Path):
    home = make_home(tmp_path)
    train(home)
    home.ranker.rename(home.ranker_work / "old")
    (home.curated / "photos.parquet").unlink()
    with pytest.raises(BadTable):
        train(home)
    assert read_manifest(home.ranker).model_id == "m1"


def test_a_ranker_is_not_trained_on_tables_of_two_days(tmp_path: Path):
    home = make_home(tmp_path)

    def curated_meanwhile(photos: list[CuratedPhoto]) -> Vectors:
        tag_colours(home)
        return vectors_of(photos)

    with pytest.raises(HomeNotReady, match="changed while a training read them"):
        train(home, curated_meanwhile)
    assert not home.ranker.exists()


def test_photos_ask_with_a_tag_of_their_card_and_for_cards_of_another_colour(tmp_path: Path):
    home = make_home(tmp_path)
    tag_colours(home)
    asked = ask_home(home, vectors_of, RANKING.ranker, INDEX)
    tags = read_rows(home.tags / "tags.parquet", Tag)
    ways = changes_on(asked.shelf, seed=1)
    wishes = wishes_of(asked.asked, asked.shelf, tags, ways, seed=1)
    assert wishes == wishes_of(asked.asked, asked.shelf, tags, ways, seed=1)
    of_tags = [wish for wish in wishes if wish.kind == "tag"]
    assert len(of_tags) == CARDS
    assert all(wish.text == COLOURS[int(wish.photo.card_id[1:]) % 3] for wish in of_tags)
    assert all(wish.right == {wish.photo.card_id} for wish in of_tags)
    changes = [wish for wish in wishes if wish.kind == "change"]
    assert len(changes) == 2 * CARDS
    for wish in changes:
        (wanted,) = wish.right
        number = int(wanted[1:])
        assert number // 3 == int(wish.photo.card_id[1:]) // 3  # of the same set ...
        assert COLOURS[number % 3] in wish.text  # ... of the colour that the words say
        assert wanted != wish.photo.card_id


def test_what_a_photo_with_words_finds_is_not_its_own_review(tmp_path: Path):
    home = make_home(tmp_path)
    asked = ask_home(home, vectors_of, RANKING.ranker, INDEX)
    wishes = wishes_of(asked.asked, asked.shelf, [], changes_on(asked.shelf, seed=1), seed=1)
    with words_on(asked.shelf, home, PARAMS.text_search, model_id="m1") as side:
        answers = ask_with_words(asked.shelf, side, wishes, vectors_of=vectors_of)
        as_new = ask_with_words(asked.shelf, side, wishes, vectors_of=vectors_of, as_new=True)
    for wish, known, new in zip(wishes, answers, as_new, strict=True):
        own, (wanted,) = wish.photo.photo_id, wish.right
        for one in (known, new):
            assert own not in {hit.photo_id for hit in one.evidence.hits}
            assert own not in {card.photo_id for card in one.found}
            assert one.evidence.text_scores is not None
            assert one.evidence.text_scores[wanted] > 0.5
        assert sum(known.is_right) == 1
        assert all("/review/" not in card.photo_id
                   for card in new.found if card.traits.card_id == wanted)  # fmt: skip


def test_words_have_trees_and_a_verdict_of_their_own(tmp_path: Path):
    home = make_home(tmp_path)
    tag_colours(home)
    report = train(home)
    assert report.words is not None
    assert report.words.queries == 3 * CARDS
    told = [compared.metric for compared in report.words.metrics]
    assert told == [f"{kind} {metric}" for kind in ("tag", "change")
                    for metric in ("recall_at_1", "ndcg_at_10", "mrr")]  # fmt: skip
    assert (WORDS in trees_to_release(settings_of(home), "m1")) == report.words.is_better
    assert (home.ranker / TREES).read_text() != (home.ranker / WORDS).read_text()


def test_without_words_for_both_kinds_photos_alone_are_ranked(tmp_path: Path):
    home = make_home(tmp_path)  # attributes tell what may change, no tag tells what is there
    train(home)
    tag_colours(home)
    train(home)
    (home.tags / "tags.parquet").unlink()
    (home.tags / "carried.parquet").unlink()
    home.tags.rmdir()
    report = train(home)
    assert report.words is None
    assert not (home.ranker / WORDS).exists()
    assert not (home.ranker / "words_verdict.json").exists()
    assert read_manifest(home.ranker).model_id == "m1"


def test_new_tags_and_new_reviews_are_a_reason_to_train_again(tmp_path: Path):
    home, made_by = make_home(tmp_path), (RANKING, INDEX, PARAMS.text_search)
    train(home)
    assert is_up_to_date(home, "m1", *made_by)
    tag_colours(home)
    assert not is_up_to_date(home, "m1", *made_by)
    train(home)
    write_table(home.catalog / "reviews.parquet", Review, [Review("r", "c0", "nice", 5, None)])
    assert not is_up_to_date(home, "m1", *made_by)
