"""What must hold of the tables that shoppers' events become, before anything learns from them."""

import math
from typing import TYPE_CHECKING, Any

from photosearch.catalog.schemas import ClickedPair, Impression, WeakPair
from photosearch.catalog.tables import read_table
from photosearch.curation.checkpoints import Table, ValidationReport, checks_folder, run_checkpoint
from photosearch.curation.expectations import expectation_classes, key_suite, one_of
from photosearch.home import Home
from photosearch.search.features import FEATURES

if TYPE_CHECKING:
    import pandas as pd

FEEDBACK = "feedback"
RANK_MOST = 2000
"""Of a card in an answer: feedback/schemas.py."""
CLICKED_SHARE_MAX = 0.5
"""Shoppers click few of what they are shown: more is a machine, or a log of clicks alone."""
ANSWERS_MIN = 100
"""Of fewer a share of clicks tells nothing yet."""


def validate_feedback(home: Home) -> ValidationReport:
    """Checks impressions, clicked pairs and weak pairs; pages go to build/checks/feedback.

    Raises:
        BadData: Something that must hold does not; names table, column, expectation and rows.
        BadTable: A table is missing or has other columns.
    """
    tables = [
        Table("impressions", home.impressions, "place", _impressions(home), impressions_suite),
        Table(
            "clicked_pairs",
            home.clicked_pairs,
            "pair",
            _pairs(read_table(home.clicked_pairs, ClickedPair).to_pandas()),
            clicked_pairs_suite,
        ),
        Table(
            "weak_pairs",
            home.weak_pairs,
            "pair",
            _pairs(read_table(home.weak_pairs, WeakPair).to_pandas()),
            weak_pairs_suite,
        ),
    ]
    docs = checks_folder(home.build, FEEDBACK)
    return run_checkpoint(FEEDBACK, tables, docs=docs, reports=home.reports)


def impressions_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        *key_suite("place"),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["query_id", "card_id"], notes="an answer shows a card once"
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="query_id", regex=r"^[0-9a-f]{32}\Z", notes="an answer is named by its query"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="rank", min_value=1, max_value=RANK_MOST, notes="ranks count from 1"
        ),
        one_of("has_all_features", [True], "what ranked the card was logged, by all its names"),
        gxe.ExpectColumnValuesToBeBetween(
            column="clicked_share",
            max_value=CLICKED_SHARE_MAX,
            notes="shoppers click few of what they are shown",
        ),
    ]


def clicked_pairs_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        *_pair_suite(),
        gxe.ExpectColumnValuesToBeBetween(column="shown", min_value=1, notes="it was shown"),
        one_of("is_clicked_at_most_shown", [True], "what was clicked was shown"),
    ]


def weak_pairs_suite() -> list[Any]:
    gxe = expectation_classes()

    return [
        *_pair_suite(),
        one_of("answer", ("same", "different"), "clicks say same or different, or nothing"),
        gxe.ExpectColumnValuesToBeBetween(
            column="probability_same", min_value=0, max_value=1, notes="a share is in [0, 1]"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="looks", min_value=0, strict_min=True, notes="somebody looked"
        ),
    ]


def _pair_suite() -> list[Any]:
    return [
        *key_suite("pair"),
        one_of("is_same_photo", [False], "a photo is not compared with itself"),
    ]


def _impressions(home: Home) -> "pd.DataFrame":
    """Rows without their features: whether all were logged is a column, and the table's clicks."""
    frame = read_table(home.impressions, Impression).to_pandas()
    wanted, is_enough = set(FEATURES), frame["query_id"].nunique() >= ANSWERS_MIN
    told: pd.DataFrame = frame.drop(columns=["features"]).assign(
        place=frame["query_id"] + " " + frame["rank"].astype(str),
        clicked_share=frame["is_clicked"].mean() if is_enough else math.nan,
        has_all_features=[dict(row).keys() >= wanted for row in frame["features"]],
    )
    return told


def _pairs(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Pairs with a name, and what spans their columns."""
    frame = frame.assign(
        pair=frame["photo_a"] + " " + frame["photo_b"],
        is_same_photo=frame["photo_a"] == frame["photo_b"],
    )
    if "shown" in frame:
        frame = frame.assign(is_clicked_at_most_shown=frame["clicked"] <= frame["shown"])
    return frame
