"""What must hold of a snapshot before anything is made of it: suites for the raw tables.

Milder than those of the curated tables: a photo without a card or a card without a photo is
curation's business. What stops here would make wrong joins or wrong names.
"""

from typing import TYPE_CHECKING, Any, get_args

from photosearch.catalog.schemas import Card, Photo, PhotoKind, Review, Split
from photosearch.catalog.tables import read_table
from photosearch.curation.checkpoints import Table, ValidationReport, checks_folder, run_checkpoint
from photosearch.curation.expectations import SHA256, key_suite, one_of
from photosearch.home import Home

if TYPE_CHECKING:
    import pandas as pd

RAW = "raw"
MAX_TITLE_CHARS = 1_000
MAX_SIDE_PX = 50_000
MAX_ORPHANS = 0.02
"""Share of photos and reviews whose card is not told: a lost page, not a broken pull."""


def validate_raw(home: Home) -> ValidationReport:
    """Checks cards, reviews and photos of the snapshot; pages go to build/checks/raw.

    Raises:
        BadData: Something that must hold does not; names table, column, expectation and rows.
        BadTable: A table is missing or has other columns.
    """
    catalog = home.catalog
    cards = read_table(catalog / "cards.parquet", Card).to_pandas()
    reviews = read_table(catalog / "reviews.parquet", Review).to_pandas()
    photos = read_table(catalog / "photos.parquet", Photo).to_pandas()
    known = set(cards["card_id"])
    cards = cards.drop(columns=["attributes", "category"], errors="ignore")
    tables = [
        Table("raw_cards", catalog / "cards.parquet", "card_id", cards, raw_cards_suite),
        Table("raw_reviews", catalog / "reviews.parquet", "review_key",
              _with_review_key(reviews, known), raw_reviews_suite),
        Table("raw_photos", catalog / "photos.parquet", "photo_id",
              photos.assign(is_card_known=photos["card_id"].isin(known)), raw_photos_suite),
    ]  # fmt: skip
    docs = checks_folder(home.build, RAW)
    return run_checkpoint(RAW, tables, docs=docs, reports=home.reports)


def raw_cards_suite() -> list[Any]:
    gxe = _gxe()

    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="the source has cards"),
        *key_suite("card_id"),
        gxe.ExpectColumnValuesToNotBeNull(column="group_id", notes="splits are made by group"),
        gxe.ExpectColumnValueLengthsToBeBetween(
            column="title", min_value=1, max_value=MAX_TITLE_CHARS, mostly=0.99,
            notes="99% of titles have 1 to 1000 characters",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="price", min_value=0, notes="a price is not below zero, or not known"
        ),
    ]  # fmt: skip


def raw_reviews_suite() -> list[Any]:
    gxe = _gxe()

    return [
        *key_suite("review_key"),
        gxe.ExpectColumnValuesToBeBetween(
            column="rating", min_value=1, max_value=5, notes="a rating is 1 to 5 stars, or unknown"
        ),
        _mostly_known("a review is of a card in cards.parquet"),
        one_of("split", get_args(Split), "a split is train, val or test, or left open"),
    ]


def raw_photos_suite() -> list[Any]:
    gxe = _gxe()

    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="the source has photos"),
        *key_suite("photo_id"),
        gxe.ExpectColumnValuesToMatchRegex(
            column="sha256", regex=SHA256, notes="a content hash names the image"
        ),
        one_of("kind", get_args(PhotoKind), "a photo is the seller's or a buyer's"),
        *(
            gxe.ExpectColumnValuesToBeBetween(
                column=side, min_value=1, max_value=MAX_SIDE_PX, notes=f"a photo has a {side}"
            )
            for side in ("width", "height")
        ),
        _mostly_known("a photo is of a card in cards.parquet"),
    ]


def _with_review_key(reviews: "pd.DataFrame", known: set[str]) -> "pd.DataFrame":
    """A review's id is its own only with its card."""
    return reviews.assign(
        review_key=reviews["card_id"] + "/" + reviews["review_id"],
        is_card_known=reviews["card_id"].isin(known),
    )


def _mostly_known(notes: str) -> Any:
    return _gxe().ExpectColumnValuesToBeInSet(
        column="is_card_known", value_set=[True], mostly=1 - MAX_ORPHANS,
        notes=f"{notes}, but for {MAX_ORPHANS:.0%}",
    )  # fmt: skip


def _gxe() -> Any:
    """The expectations; untyped, for the package does not export them as mypy wants."""
    from great_expectations import expectations

    return expectations
