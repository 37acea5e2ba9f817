"""Learns from people's answers how near photos of two cards must be to show one product.

Labels of one card say nothing here: all its photos show one product, and yet are many photos.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card, CuratedPhoto, Label
from photosearch.catalog.tables import read_rows
from photosearch.curation.snapshot import VECTORS_NAME
from photosearch.errors import BadParams
from photosearch.evaluation.calibration import lowest_precise_score
from photosearch.home import Home
from photosearch.report import write_text

PRECISION_MIN = 0.98
"""Of the pairs above the threshold so many must show one product: a wrong one costs a photo."""
PAIRS_ABOVE_MIN = 10
"""Fewer pairs prove no precision."""
PARAM = "semantic_across_cosine"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A cosine, and what the labels say of it."""

    cosine: float
    precision: float
    """Of the labelled pairs at or above it, the share that shows one product."""
    recall: float
    """Of the pairs that show one product, the share at or above it."""
    labels: int

    def evidence(self) -> str:
        """`learned from 412 labels: precision 0.990, recall 0.310`."""
        return (
            f"learned from {self.labels} labels: precision {self.precision:.3f}, "
            f"recall {self.recall:.3f}"
        )


def lowest_precise(
    cosines: NDArray[np.float32], is_same: NDArray[np.bool_], *, precision_min: float
) -> Threshold | None:
    """The lowest cosine from which up labels are precise enough; None if there is none.

    Args:
        cosines: Of labelled pairs, (n,).
        is_same: What people answered, (n,).
        precision_min: In (0, 1].
    """
    cosine = lowest_precise_score(
        cosines, is_same, precision_min=precision_min, n_min=PAIRS_ABOVE_MIN
    )
    return None if cosine is None else at_cosine(cosines, is_same, cosine)


def at_cosine(cosines: NDArray[np.float32], is_same: NDArray[np.bool_], cosine: float) -> Threshold:
    """What labels say of a given cosine; nothing above it counts as precise."""
    above = cosines >= cosine
    hits = int(is_same[above].sum())
    return Threshold(
        cosine,
        hits / int(above.sum()) if above.any() else 1.0,
        hits / int(is_same.sum()) if is_same.any() else 0.0,
        len(cosines),
    )


def labelled_across(home: Home) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Cosines and answers of decided pairs of two products; empty before there are labels."""
    if not home.labels.exists() or not (home.curated / VECTORS_NAME).exists():
        return np.empty(0, np.float32), np.empty(0, np.bool_)
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    cards = read_rows(home.curated / "cards.parquet", Card)
    group_of = {card.card_id: card.group_id for card in cards}
    vectors = np.load(home.curated / VECTORS_NAME)
    row_of = {photo.photo_id: row for row, photo in enumerate(photos)}
    group = [group_of[photo.card_id] for photo in photos]
    pairs = [
        (row_of[label.photo_a], row_of[label.photo_b], label.answer == "same")
        for label in read_rows(home.labels, Label)
        if label.answer != "unclear" and {label.photo_a, label.photo_b} <= row_of.keys()
    ]
    across = [(a, b, same) for a, b, same in pairs if group[a] != group[b]]
    return _cosines(vectors, across), np.array([same for *_, same in across], np.bool_)


def learn(home: Home, *, labels_min: int, now: float) -> tuple[Threshold, Threshold | None]:
    """What labels say of the threshold in use, and the one they teach, if there are enough.

    Args:
        home: With curated photos and labels, or not yet.
        labels_min: Fewer labels teach nothing; 0 never learns.
        now: The threshold in use.
    """
    cosines, is_same = labelled_across(home)
    in_use = at_cosine(cosines, is_same, now)
    if not labels_min or len(cosines) < labels_min:
        return in_use, None
    return in_use, lowest_precise(cosines, is_same, precision_min=PRECISION_MIN)


def write_param(params_yaml: Path, learned: Threshold) -> None:
    """Puts a learned threshold and its evidence into its line of params.yaml; the rest stays.

    Rounded up, so that no pair that the labels did not vouch for is above it.

    Raises:
        BadParams: The file has no such line.
    """
    cosine = np.ceil(learned.cosine * 1e4) / 1e4
    line = rf"\g<1>{cosine:.4f}  # {learned.evidence()}"
    text, n = re.subn(rf"(?m)^(\s+{PARAM}: ).*$", line, params_yaml.read_text())
    if n != 1:
        raise BadParams(
            f"{params_yaml} has {n} lines `{PARAM}: NUMBER`, so the learned value cannot be "
            "written. Put one under `curation:`, or set `learn_from_labels: 0`."
        )
    write_text(params_yaml, text)
    log.info("%s: %.4f, %s", PARAM, cosine, learned.evidence())


def _cosines(
    vectors: NDArray[np.float32], pairs: Sequence[tuple[int, int, bool]]
) -> NDArray[np.float32]:
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    return np.asarray(np.einsum("nd,nd->n", vectors[left], vectors[right]), np.float32)
