"""Expectations on the tables of small painted photos; bad tables stop the pipeline."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_market import PAIRS, Market, curated, fill
from test_tags import PARAMS

from photosearch.catalog.schemas import Card, CuratedPhoto, Label, Pair, Tag
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation import expectations
from photosearch.curation.expectations import validate, validate_labels
from photosearch.curation.pairs import make_pairs
from photosearch.errors import BadData, BadTable
from photosearch.home import Home
from photosearch.tagging.generate import TAGS, make_tags

# Great Expectations imports sre_constants and sre_parse, deprecated in Python 3.11
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(Home(tmp_path))


@pytest.fixture(scope="module")
def good_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    market = Market(Home(tmp_path_factory.mktemp("good")))
    fill(market)
    market.curate(test_photo_share=0.3)
    make_pairs(market.home, params=PAIRS)
    make_tags(market.home, PARAMS.model_copy(update={"cards_min": 1, "share_max": 1}))
    return market.home


@pytest.fixture
def home(good_home: Home, tmp_path: Path) -> Home:
    """Good tables of its own, to be spoilt."""
    shutil.copytree(good_home.build, tmp_path / "build")
    return Home(tmp_path)


def test_good_tables_pass_and_have_pages(home: Home):
    report = validate(home)
    assert report.rows == {
        "cards": 6,
        "photos": 36,
        "pairs": len(read_rows(home.pairs, Pair)),
        "tags": len(read_rows(home.tags / TAGS, Tag)),
    }
    assert report.expectations == {"cards": 9, "photos": 10, "pairs": 12, "tags": 7}
    assert "Great Expectations" in (home.data_docs / "index.html").read_text()
    summary = (home.data_docs / "summary.html").read_text()
    assert "All 38 expectations hold." in summary
    assert "http" not in summary  # readable without a network
    validate(home)
    assert (home.data_docs / "summary.html").read_text() == summary
    assert len(list(home.data_docs.glob("validations/photos/*/*"))) == 1  # old runs are gone
    assert [path.name for path in home.build.iterdir() if path.name.startswith(".")] == []


def edit_cards(home: Home, **changes: object) -> None:
    rows = read_rows(home.curated / "cards.parquet", Card)
    rows[0] = replace(rows[0], **changes)
    write_table(home.curated / "cards.parquet", Card, rows)


def edit_photos(home: Home, listed_as: str, **changes: object) -> None:
    rows = curated(home)
    rows[listed_as] = replace(rows[listed_as], **changes)
    write_table(home.curated / "photos.parquet", CuratedPhoto, rows.values())


def edit_pairs(home: Home, kind_now: str, **changes: object) -> str:
    rows = read_rows(home.pairs, Pair)
    at = next(row for row, pair in enumerate(rows) if pair.kind == kind_now)
    rows[at] = replace(rows[at], **changes)
    write_table(home.pairs, Pair, rows)
    return rows[at].pair_id


def message_of(home: Home) -> str:
    with pytest.raises(BadData) as error:
        validate(home)
    assert "bad" in (home.data_docs / "summary.html").read_text()
    assert (home.data_docs / "index.html").exists()
    assert f"See {home.data_docs / 'summary.html'}. Mend the source and pull again" in str(
        error.value
    )
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"card_id": "c1"}, "column card_id: expect_column_values_to_be_unique"),
        ({"title": ""}, "column title: expect_column_value_lengths_to_be_between"),
        ({"title": "  "}, "column title: expect_column_values_to_match_regex"),
        (
            {"title": "x" * 301},
            "(a title has 1 to 300 characters): 1 of 6 rows are bad, card_id c0",
        ),
        ({"price": 0.0}, "(a price is above zero, or not known): 1 of 6 rows are bad, card_id c0"),
    ],
)
def test_bad_cards_stop_the_pipeline(home: Home, changes: dict[str, object], told: str):
    edit_cards(home, **changes)
    message = message_of(home)
    assert f"{home.curated / 'cards.parquet'}: column" in message
    assert told in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"text": "красный mug"}, "(a tag is in one language): 1 of"),
        ({"n_cards": 0}, "(some card carries it): 1 of"),
    ],
)
def test_bad_tags_stop_the_pipeline(home: Home, changes: dict[str, object], told: str):
    first, *others = read_rows(home.tags / TAGS, Tag)
    write_table(home.tags / TAGS, Tag, [replace(first, **changes), *others])
    assert told in message_of(home)


def test_an_unknown_price_is_fine(home: Home):
    edit_cards(home, price=None)
    validate(home)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"split": "holdout"}, "column split: expect_column_values_to_be_in_set"),
        ({"sha256": "12ab"}, "column sha256: expect_column_values_to_match_regex"),
        ({"kind": "video"}, "column kind: expect_column_values_to_be_in_set"),
        ({"card_id": "ghost"}, "(the photo's card is in cards.parquet): 1 of 36 rows are bad"),
        ({"is_card_seen": False}, "column is_seen_true"),
        ({"photo_id": "c0/gallery/0"}, "column photo_id: expect_column_values_to_be_unique"),
    ],
)
def test_bad_photos_stop_the_pipeline(home: Home, changes: dict[str, object], told: str):
    edit_photos(home, "c0/review/c0-r00/0", **changes)
    message = message_of(home)
    assert f"{home.curated / 'photos.parquet'}: column" in message
    assert told in message


def test_a_card_without_a_gallery_photo_stops_the_pipeline(home: Home):
    edit_photos(home, "c0/gallery/0", kind="review")
    assert "(a card has a gallery photo, or it cannot be found): 1 of 6 rows" in message_of(home)


def test_an_image_on_both_sides_of_a_split_stops_the_pipeline(home: Home):
    sha256 = curated(home)["c0/gallery/0"].sha256
    edit_photos(home, "c1/review/c1-r00/0", split="test", sha256=sha256)
    message = message_of(home)
    assert "(no image is in training and among the queries): 2 of 36 rows are bad" in message
    assert "c0/gallery/0, c1/review/c1-r00/0" in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cosine": 1.5}, "(a cosine is in [-1, 1])"),
        ({"cosine": float("nan")}, "(every pair was measured)"),
        ({"pair_id": "zz"}, "(a pair is named by its content hashes)"),
        ({"photo_a": "ghost"}, "column is_photo_a_known"),
        ({"sha256_b": "0" * 64}, "column is_photo_b_known"),
        ({"kind": "look_alike"}, "(same_card: one card; look_alike: two product groups)"),
    ],
)
def test_bad_pairs_stop_the_pipeline(home: Home, changes: dict[str, object], told: str):
    edited = edit_pairs(home, "same_card", **changes)
    message = message_of(home)
    assert f"{home.pairs}: column" in message
    assert told in message
    assert f"1 of {len(read_rows(home.pairs, Pair))} rows are bad, pair_id {edited}" in message


def test_a_pair_of_a_photo_with_itself_stops_the_pipeline(home: Home):
    one = next(pair for pair in read_rows(home.pairs, Pair) if pair.kind == "same_card")
    edit_pairs(home, "same_card", photo_b=one.photo_a, sha256_b=one.sha256_a)
    assert "(a photo is not compared with itself)" in message_of(home)


def test_a_pair_across_splits_stops_the_pipeline(home: Home):
    pair = next(pair for pair in read_rows(home.pairs, Pair) if "/review/" in pair.photo_a)
    edit_photos(home, pair.photo_a, split="test")
    assert "(both photos are of one split, or answers leak)" in message_of(home)


def test_an_empty_table_stops_the_pipeline_and_the_first_failures_are_told(home: Home):
    write_table(home.curated / "cards.parquet", Card, [])
    message = message_of(home)
    assert "expect_table_row_count_to_be_between (there is something to search): found 0" in message
    assert "36 of 36 rows are bad, photo_id c0/gallery/0, c0/review/c0-r00/0, " in message
    assert message.count("c0/") <= 5


def test_pages_do_not_run_what_a_seller_wrote(home: Home):
    edit_cards(home, card_id="<script>alert(1)</script>", price=-1.0)
    message_of(home)
    summary = (home.data_docs / "summary.html").read_text()
    assert "&lt;script&gt;" in summary
    assert "<script>" not in summary


def test_a_missing_table_names_the_way_out(home: Home):
    home.pairs.unlink()
    with pytest.raises(BadTable, match=r"pairs\.parquet does not exist\. Run the stage"):
        validate(home)


def a_label(n: int, **changes: object) -> Label:
    label = Label(
        str(n) * 32, "a", "b", "same", 0.75, 4, ["ann"], "simulated", "2026-01-01T00:00:00Z"
    )
    return replace(label, **changes)


def test_good_labels_pass(tmp_path: Path):
    home = Home(tmp_path)
    write_table(home.labels, Label, [a_label(1), a_label(2, answer="unclear")])
    assert validate_labels(home).rows == {"labels": 2}
    write_table(home.labels, Label, [])
    assert validate_labels(home).rows == {"labels": 0}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answer": "maybe"}, "column answer: expect_column_values_to_be_in_set"),
        ({"probability_same": 1.2}, "(a share is in [0, 1])"),
        ({"annotators": []}, "(someone answered)"),
        ({"photo_b": "a"}, "(a photo is not compared with itself)"),
        ({"pair_id": "2" * 32}, "column pair_id, project: expect_compound_columns_to_be_unique"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, changes: dict[str, object], told: str):
    home = Home(tmp_path)
    write_table(home.labels, Label, [a_label(1, **changes), a_label(2)])
    with pytest.raises(BadData) as error:
        validate_labels(home)
    assert told in str(error.value)
    assert "rows are bad, pair_id" in str(error.value)


def test_every_expectation_says_in_words_what_must_hold():
    suites = (
        expectations.cards_suite(),
        expectations.photos_suite(),
        expectations.pairs_suite(),
        expectations.labels_suite(),
    )
    assert all(one.notes for suite in suites for one in suite)
