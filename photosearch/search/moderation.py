"""Cards that must not be shown, found without training: their photos against texts, offline.

moderation.parquet   one row a flagged card; a release without a rule in use has an empty one
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.embedder import Vectors

MODERATION = "moderation.parquet"
OFF = 2.0
"""No difference of two cosines is above."""
RULES: dict[str, tuple[str, ...]] = {
    "adult": ("a naked person", "pornography", "an erotic photo", "a sex toy"),
    "weapon": ("a gun", "a pistol", "a rifle", "ammunition", "a combat knife", "a grenade"),
    "drugs": (
        "illegal drugs",
        "white powder in a small plastic bag",
        "cannabis leaves",
        "a syringe",
    ),
    "tobacco": ("cigarettes", "an electronic cigarette", "a hookah", "snus"),
    "offensive": ("a hate symbol", "a swastika", "a bloody wound", "an obscene gesture"),
}
PLAIN = (
    "a photo of a product",
    "a product on a white background",
    "clothes",
    "shoes",
    "furniture",
    "a toy",
    "food",
    "electronics",
    "a thing for the kitchen",
    "a person who wears clothes",
)
"""What is sold everywhere: a photo that fits these as well is not flagged."""

EncodeTexts = Callable[[Sequence[str]], Vectors]
Batch = tuple[Sequence[str], Sequence[str], Vectors]
"""Photo ids, card ids and vectors (n, dim)."""


@dataclass(frozen=True, slots=True)
class Flag:
    card_id: str
    photo_id: str
    """The photo that fits the rule best."""
    rule: str
    margin: float
    """Largest cosine to the rule's texts, less the largest to PLAIN."""


def flagged(
    photos: Iterable[Batch], margins: Mapping[str, float], embed_texts: EncodeTexts
) -> list[Flag]:
    """Cards with a photo beyond the margin of a rule: one row a card, its largest excess.

    Args:
        photos: Of the release, in the space that `embed_texts` brings texts into.
        margins: By rule; OFF turns a rule off, and with all off nothing is compared.
        embed_texts: The tower's own text side for its vectors, or the aligner for the head's.
    """
    rules = {rule: texts for rule, texts in RULES.items() if margins[rule] < OFF}
    if not rules:
        return []
    plain = embed_texts(PLAIN)
    of_rule = {rule: embed_texts(texts) for rule, texts in rules.items()}
    worst: dict[str, tuple[float, Flag]] = {}
    for photo_ids, card_ids, vectors in photos:
        ordinary = (vectors @ plain.T).max(axis=1)
        for rule, texts in of_rule.items():
            found = (vectors @ texts.T).max(axis=1) - ordinary
            for row in np.flatnonzero(found > margins[rule]).tolist():
                flag = Flag(card_ids[row], photo_ids[row], rule, round(float(found[row]), 6))
                excess = float(found[row]) - margins[rule]
                if excess > worst.get(flag.card_id, (0.0, flag))[0]:
                    worst[flag.card_id] = (excess, flag)
    return [worst[card_id][1] for card_id in sorted(worst)]


def write_moderation(folder: Path, flags: Sequence[Flag]) -> None:
    """Adds the table to a release folder that is being built."""
    write_table(folder / MODERATION, Flag, flags)


def open_moderation(folder: Path) -> dict[str, Flag]:
    """Flags of a release by card_id; raises BadTable if there is no table."""
    return {flag.card_id: flag for flag in read_rows(folder / MODERATION, Flag)}
