"""What must hold of curated tables and tags: Great Expectations suites that stop the pipeline.

Great Expectations sees one table at a time, so what spans tables (a photo's card exists, a pair
stays in one split) is first joined into a column of the frame, and then expected of that column.
"""

from typing import TYPE_CHECKING, Any, get_args

from photosearch.catalog.schemas import (
    Answer,
    Card,
    CuratedPhoto,
    Label,
    Pair,
    PhotoKind,
    Split,
    Tag,
)
from photosearch.catalog.tables import read_table
from photosearch.curation.checkpoints import Table, ValidationReport, checks_folder, run_checkpoint
from photosearch.home import Home
from photosearch.tagging.clean import CHARS_MAX, LETTERS_MIN
from photosearch.tagging.generate import TAGS
from photosearch.tagging.words import LANGUAGES

if TYPE_CHECKING:
    import pandas as pd

MAX_TITLE_CHARS = 300
"""Longer ones are descriptions in the wrong column; marketplaces cut at 60 to 250."""
SHA256 = r"^[0-9a-f]{64}\Z"
PAIR_ID = r"^[0-9a-f]{32}\Z"
ONE_ALPHABET = r"^(?:[^a-z]+|[^а-яё]+)\Z"


def validate(home: Home) -> ValidationReport:
    """Checks cards, photos, pairs and tags, and writes the findings as pages to build/data_docs.

    The pages are written also when something is wrong. index.html is that of Great Expectations
    and takes its styles from the internet; summary.html needs nothing but itself.

    Raises:
        BadData: Something that must hold does not; names table, column, expectation and rows.
        BadTable: A table is missing or has other columns.
    """
    cards, photos, pairs = _joined(
        read_table(home.curated / "cards.parquet", Card).to_pandas(),
        read_table(home.curated / "photos.parquet", CuratedPhoto).to_pandas(),
        read_table(home.pairs, Pair).to_pandas(),
    )
    tags = read_table(home.tags / TAGS, Tag).to_pandas()
    tables = [
        Table("cards", home.curated / "cards.parquet", "card_id", cards, cards_suite),
        Table("photos", home.curated / "photos.parquet", "photo_id", photos, photos_suite),
        Table("pairs", home.pairs, "pair_id", pairs, pairs_suite),
        Table("tags", home.tags / TAGS, "text", tags, tags_suite),
    ]
    return run_checkpoint("dataset", tables, docs=home.data_docs, reports=home.reports)


def validate_labels(home: Home) -> ValidationReport:
    """Checks what people answered, and writes the findings as pages to build/checks/labels.

    Raises:
        BadData: Something that must hold does not.
        BadTable: The table is missing or has other columns.
    """
    frame = read_table(home.labels, Label).to_pandas()
    frame["is_same_photo"] = frame["photo_a"] == frame["photo_b"]
    frame["n_annotators"] = frame["annotators"].map(len).astype(int)
    tables = [Table("labels", home.labels, "pair_id", frame, labels_suite)]
    docs = checks_folder(home.build, "labels")
    return run_checkpoint("labels", tables, docs=docs, reports=home.reports)


def cards_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="there is something to search"),
        *key_suite("card_id"),
        gxe.ExpectColumnValuesToNotBeNull(column="group_id", notes="splits are made by group"),
        gxe.ExpectColumnValueLengthsToBeBetween(
            column="title",
            min_value=1,
            max_value=MAX_TITLE_CHARS,
            notes="a title has 1 to 300 characters",
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="title", regex=r"\S", notes="a title is not blank"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="price",
            min_value=0,
            strict_min=True,
            notes="a price is above zero, or not known",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="gallery_photos",
            min_value=1,
            notes="a card has a gallery photo, or it cannot be found",
        ),
    ]


def photos_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="there is something to search"),
        *key_suite("photo_id"),
        gxe.ExpectColumnValuesToMatchRegex(
            column="sha256", regex=SHA256, notes="a content hash names the image"
        ),
        one_of("kind", get_args(PhotoKind), "a photo is the seller's or a buyer's"),
        one_of("split", get_args(Split), "every photo has a split"),
        one_of("is_card_known", [True], "the photo's card is in cards.parquet"),
        one_of("splits_of_image", [1], "no image is in training and among the queries"),
        one_of("is_seen_true", [True], "is_card_seen says whether its group has training photos"),
    ]


def pairs_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        *key_suite("pair_id"),
        gxe.ExpectColumnValuesToMatchRegex(
            column="pair_id", regex=PAIR_ID, notes="a pair is named by its content hashes"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="cosine", min_value=-1, max_value=1, notes="a cosine is in [-1, 1]"
        ),
        gxe.ExpectColumnValuesToNotBeNull(column="cosine", notes="every pair was measured"),
        one_of("kind", ("same_card", "look_alike"), "a pair is of one card or of look-alikes"),
        one_of("is_photo_a_known", [True], "photo_a is in photos.parquet, with these bytes"),
        one_of("is_photo_b_known", [True], "photo_b is in photos.parquet, with these bytes"),
        one_of("is_same_photo", [False], "a photo is not compared with itself"),
        one_of("crosses_splits", [False], "both photos are of one split, or answers leak"),
        one_of("is_kind_true", [True], "same_card: one card; look_alike: two product groups"),
    ]


def tags_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        *key_suite("text"),
        gxe.ExpectColumnValueLengthsToBeBetween(
            column="text",
            min_value=LETTERS_MIN,
            max_value=CHARS_MAX,
            notes=f"a tag has {LETTERS_MIN} to {CHARS_MAX} characters",
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="text", regex=ONE_ALPHABET, notes="a tag is in one language"
        ),
        one_of("language", LANGUAGES, "a tag is English or Russian"),
        gxe.ExpectColumnValuesToBeBetween(
            column="n_cards", min_value=1, notes="some card carries it"
        ),
    ]


def labels_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        gxe.ExpectColumnValuesToMatchRegex(
            column="pair_id", regex=PAIR_ID, notes="a pair is named by its content hashes"
        ),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["pair_id", "project"], notes="a project answers a pair once"
        ),
        one_of("answer", get_args(Answer), "an answer is same, different or unclear"),
        gxe.ExpectColumnValuesToBeBetween(
            column="probability_same", min_value=0, max_value=1, notes="a share is in [0, 1]"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="votes", min_value=0, notes="votes for same or different are counted"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="n_annotators", min_value=1, notes="someone answered"
        ),
        one_of("is_same_photo", [False], "a photo is not compared with itself"),
    ]


def expectation_classes() -> Any:
    """The expectations; untyped, for the package does not export them as mypy wants."""
    from great_expectations import expectations

    return expectations


def key_suite(column: str) -> list[Any]:
    """What must hold of a column that names rows."""
    gxe = expectation_classes()

    return [
        gxe.ExpectColumnValuesToNotBeNull(column=column, notes="every row has a name"),
        gxe.ExpectColumnValuesToMatchRegex(column=column, regex=r"\S", notes="no name is blank"),
        gxe.ExpectColumnValuesToBeUnique(column=column, notes="no row is listed twice"),
    ]


def one_of(column: str, values: Any, notes: str) -> Any:
    """Every value is one of these, or not known."""
    gxe = expectation_classes()

    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values), notes=notes)


def _joined(
    cards: "pd.DataFrame", photos: "pd.DataFrame", pairs: "pd.DataFrame"
) -> tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame"]:
    """The frames with columns that say what spans tables; lists become text."""
    galleries = photos.loc[photos["kind"] == "gallery", "card_id"].value_counts()
    cards = cards.assign(
        category=cards["category"].map(" / ".join),
        gallery_photos=cards["card_id"].map(galleries).fillna(0).astype(int),
    )
    group_of = cards.drop_duplicates("card_id").set_index("card_id")["group_id"]
    group = photos["card_id"].map(group_of)
    seen = set(group[photos["split"] == "train"])
    photos = photos.assign(
        is_card_known=photos["card_id"].isin(cards["card_id"]),
        splits_of_image=photos.groupby("sha256")["split"].transform("nunique"),
        is_seen_true=group.isin(seen) == photos["is_card_seen"],
    )
    listed = photos.drop_duplicates("photo_id").set_index("photo_id")
    facts = {
        side: listed.reindex(pairs[f"photo_{side}"])[["split", "sha256", "card_id"]]
        for side in "ab"
    }
    split_a, split_b = (facts[side]["split"].to_numpy() for side in "ab")
    one_card = pairs["card_a"] == pairs["card_b"]
    one_group = pairs["card_a"].map(group_of) == pairs["card_b"].map(group_of)
    is_same_card = pairs["kind"] == "same_card"
    pairs = pairs.assign(
        is_photo_a_known=(facts["a"]["sha256"].to_numpy() == pairs["sha256_a"])
        & (facts["a"]["card_id"].to_numpy() == pairs["card_a"]),
        is_photo_b_known=(facts["b"]["sha256"].to_numpy() == pairs["sha256_b"])
        & (facts["b"]["card_id"].to_numpy() == pairs["card_b"]),
        is_same_photo=(pairs["photo_a"] == pairs["photo_b"])
        | (pairs["sha256_a"] == pairs["sha256_b"]),
        crosses_splits=split_a != split_b,
        is_kind_true=(is_same_card & one_card) | (~is_same_card & ~one_group),
    )
    return cards, photos, pairs
