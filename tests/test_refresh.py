"""The live index is brought up to date, or left as it was: whatever happens to the run."""

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import refreshed_home
from refresh_runs import (
    RECIPE,
    SHADES,
    Colours,
    live_name,
    model_of,
    set_catalogue,
)
from refreshed_home import STEPS, assert_is_up_to_date, contents, stamps
from small_shop import PAINTS, ColourEmbedder, colour, painted

from photosearch.assembly_serving import open_index
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import arrow_schema, as_dict, read_rows
from photosearch.errors import IndexUnavailable
from photosearch.home import Home
from photosearch.index.filters import CardFilter, Listing
from photosearch.index.vector_index import ExactIndex, Hit, Vectors
from photosearch.release import Release, live_release, roll_back, switch_live
from photosearch.report import save_report
from photosearch.search.canaries import read_canaries
from photosearch.search.release_changes import changes_between
from photosearch.search.release_folder import build_release
from photosearch.search.release_recipe import ReleaseReport, prove
from photosearch.search.release_refresh import refresh_release
from photosearch.search.shown_cards import indexed_rows, is_indexed
from photosearch.search.thumbnails import Thumbnail
from photosearch.settings import Services

first = refreshed_home.first
home = refreshed_home.home


def refresh(home: Home, vectors_of: Colours | None = None, recipe=RECIPE) -> ReleaseReport:
    next_second()
    report = refresh_release(home, vectors_of or Colours(home), recipe)
    switch_live(home.releases, report.release)
    return report


def next_second() -> None:
    """Names of releases tell the second."""
    time.sleep(1 - time.time() % 1)


def first_card(release: Release, *colours: tuple[int, int, int]) -> str:
    (query,) = ColourEmbedder().embed([painted(*colours)])
    index = open_index(release, Services())
    try:
        return index.nearest(query, limit=1)[0].card_id
    finally:
        index.close()


def test_only_new_photos_are_embedded_and_the_release_is_that_of_a_whole_build(home: Home):
    vectors_of, before = Colours(home), live_release(home.releases)
    untouched = stamps(before.folder)
    report = refresh(home, vectors_of)
    new = [f"red-blue/gallery/{n}" for n in range(SHADES)]
    assert sorted(vectors_of.asked) == sorted(["green/gallery/1", *new])
    assert (report.embedded, report.removed, report.relisted) == (5, SHADES, 1)
    assert report.built_anew_because is None
    assert list(report.seconds) == list(STEPS)
    assert_is_up_to_date(home)
    assert stamps(before.folder) == untouched
    live = live_release(home.releases)
    assert first_card(live, colour("red"), colour("blue"), (9, 9, 0)) == "red-blue"
    whole = build_release(home, home.candidate, Colours(home), RECIPE)
    assert whole.release == report.release  # the same ids: there is nothing to build


def test_thumbnails_of_the_release_before_can_still_be_asked_for(home: Home):
    before = live_release(home.releases)
    refresh(home)
    live = live_release(home.releases)
    shown = {path.name for path in live.thumbnails.iterdir()}
    assert {path.name for path in before.thumbnails.iterdir()} < shown
    named = {row.card_id for row in read_rows(live.thumbnail_table, Thumbnail)}
    assert named == {card.card_id for card in read_rows(live.cards, Card)}


def test_a_refresh_without_changes_makes_nothing(home: Home):
    first_report = refresh(home)
    vectors_of = Colours(home)
    again = refresh(home, vectors_of)
    assert (again.release, again.is_new, vectors_of.asked) == (first_report.release, False, [])


def test_prices_alone_embed_nothing(home: Home):
    set_catalogue(home, "d3", {name: 1.0 for name in PAINTS})
    vectors_of = Colours(home)
    report = refresh(home, vectors_of)
    assert (report.embedded, report.removed, report.relisted) == (0, 0, len(PAINTS))
    assert vectors_of.asked == []
    assert {one.price for one, _ in contents(live_release(home.releases)).values()} == {1.0}


def test_known_photos_stay_the_same_while_they_are_there(home: Home):
    before = {canary.photo_id for canary in read_canaries(live_release(home.releases).folder)}
    assert len(before) == SHADES * len(PAINTS)
    refresh(home)
    after = {canary.photo_id for canary in read_canaries(live_release(home.releases).folder)}
    assert before - after == {f"red/gallery/{n}" for n in range(SHADES)}
    assert after - before == {f"red-blue/gallery/{n}" for n in range(SHADES)}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"index": RECIPE.index.model_copy(update={"quantisation": "none"})},
            "made by other settings",
        ),
        (
            {"index": RECIPE.index.model_copy(update={"hits_per_query": 30})},
            "hits_per_query was 20, is 30",
        ),
    ],
)
def test_other_settings_build_the_index_anew_and_say_why(home: Home, changed: dict, reason: str):
    vectors_of = Colours(home)
    report = refresh(home, vectors_of, replace(RECIPE, **changed))
    assert reason in report.built_anew_because
    assert report.embedded == report.photos == len(set(vectors_of.asked))
    assert_is_up_to_date(home)


def test_a_catalogue_that_is_another_builds_the_index_anew(home: Home):
    set_catalogue(home, "d2", {"blue": 7.0, "red-green": 1.0, "red-violet": 1.0})
    assert "% of its photos changed" in refresh(home).built_anew_because
    assert_is_up_to_date(home)


def test_a_new_model_is_built_beside_the_live_index_which_goes_on(home: Home):
    """The gate's candidate: see flows/release_model.py."""
    searched = live_release(home.releases)
    index = open_index(searched, Services())
    save_report(home.candidate / "model.json", model_of("brighter colours"))
    next_second()
    report = build_release(home, home.candidate, Colours(home), RECIPE)
    assert live_name(home) == searched.manifest.release
    assert index.nearest(index_vector("violet"), limit=1)[0].card_id == "violet"
    index.close()
    switch_live(home.releases, report.release)
    assert live_release(home.releases).manifest.model_id == "brighter colours"
    assert roll_back(home.releases, to=None, because="").manifest == searched.manifest


def index_vector(card_id: str) -> np.ndarray:
    (vector,) = ColourEmbedder().embed([painted(colour(card_id))])
    return vector


def test_a_release_that_was_rolled_back_does_not_come_back_with_the_same_data(
    home: Home, caplog: pytest.LogCaptureFixture
):
    before = live_name(home)
    made = refresh(home).release
    roll_back(home.releases, to=None, because="wrong lamps")
    assert refresh(home).release == before == live_name(home)
    assert f"release {made} is of this very data and was rolled back" in caplog.text
    assert "(wrong lamps)" in caplog.text


def test_a_release_that_went_live_again_is_the_one_of_its_data(home: Home):
    before, made = live_name(home), refresh(home).release
    roll_back(home.releases, to=None, because="wrong lamps")
    switch_live(home.releases, made)  # the lamps were right
    switch_live(home.releases, before)
    assert refresh(home).release == made


def test_an_index_that_lost_a_photo_a_card_or_its_sight_stays_out(home: Home):
    live = live_release(home.releases)
    canaries = read_canaries(live.folder)
    photo_ids = [canary.photo_id for canary in canaries]
    vectors = np.array([canary.vector for canary in canaries], np.float32)
    index = ExactIndex(64)
    index.add(photo_ids, [Listing(canary.card_id) for canary in canaries], vectors)
    assert prove(index, live.manifest, canaries, min_recall=0.98) == 1
    index.remove(photo_ids[:1])
    with pytest.raises(IndexUnavailable, match=r"holds 19 photos, the catalogue 20. It stays out"):
        prove(index, live.manifest, canaries, min_recall=0.98)
    index.add(photo_ids[:1], [Listing("nobody")], vectors[:1])
    index.add(photo_ids, [Listing("nobody")] * 20, vectors)
    with pytest.raises(IndexUnavailable, match=r"cards of 20 of 20 known photos, first \w+/gal"):
        prove(index, live.manifest, canaries, min_recall=0.98)


class OnlyTheNearest(ExactIndex):
    """Finds the nearest photo and misses all others: what a torn graph does."""

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        return super().nearest(vector, limit=min(limit, 1), where=where)

    def nearest_exactly(self, vector: Vectors, *, limit: int) -> list[Hit]:
        return super().nearest(vector, limit=limit)


@pytest.mark.parametrize("knows_vectors", [True, False])
def test_an_index_that_finds_too_few_of_the_true_nearest_stays_out(home: Home, knows_vectors: bool):
    live = live_release(home.releases)
    canaries = read_canaries(live.folder)
    vectors = np.array([canary.vector for canary in canaries], np.float32)
    index = OnlyTheNearest(64)
    index.add(
        [canary.photo_id for canary in canaries],
        [Listing(canary.card_id) for canary in canaries],
        vectors,
    )
    said = r"finds 0\.000 of the true 10 nearest photos, less than the 0\.98 .* It stays out"
    with pytest.raises(IndexUnavailable, match=said):
        prove(
            index, live.manifest, canaries,
            min_recall=0.98, photos=vectors if knows_vectors else None,
        )  # fmt: skip


def test_changes_are_told_by_photo_bytes_and_by_what_an_index_knows_of_a_card():
    def table(row_type, rows):
        return pa.Table.from_pylist([as_dict(row) for row in rows], schema=arrow_schema(row_type))

    def photo(photo_id, sha256, split="train"):
        return CuratedPhoto(photo_id, photo_id[0], "review", sha256, split, True)

    def card(card_id, price, title="t", category=("x",)):
        return Card(card_id, title, None, None, list(category), None, None, price, card_id)

    before = [photo("a1", "1"), photo("a2", "2"), photo("b1", "3")]
    now = [photo("a1", "1"), photo("a2", "9"), photo("c1", "4")]
    cards = [card("a", 1.0), card("b", None), card("d", 5.0), card("e", None)]
    later = [
        card("a", 2.0),
        card("c", 1.0),
        card("d", 5.0, title="new"),
        card("e", None, category=("x", "y")),
    ]
    changes = changes_between(
        (table(CuratedPhoto, before), table(CuratedPhoto, now)),
        (table(Card, cards), table(Card, later)),
    )
    assert [p.photo_id for p in changes.new] == ["a2", "c1"]
    assert changes.gone == ["b1"]
    assert [c.card_id for c in changes.cards] == ["a", "e"]  # c is new, of d only the title
    mixed = [photo("a1", "1"), photo("a2", "2", "test"), photo("b1", "3", "val")]
    rows = indexed_rows(table(CuratedPhoto, mixed))["photo_id"].to_pylist()
    assert rows == [p.photo_id for p in mixed if is_indexed(p)]
