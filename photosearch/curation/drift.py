"""What a snapshot is like in a few numbers, and how far the next one has drifted from it.

Knows no files but the tables; whether a drift blocks is for params.yaml to say.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.catalog.schemas import Card, Photo, Review
from photosearch.catalog.tables import read_rows
from photosearch.drift_settings import DriftParams
from photosearch.errors import BadData

FEW = 20
"""Of fewer values, shares and medians jump by chance: they are not compared."""


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What is compared between two snapshots."""

    cards: int
    photos: int
    categories: dict[str, float]
    """Share of cards by the first name of their category path."""
    languages: dict[str, float]
    """Share of titles and reviews by script: latin, cyrillic, other."""
    price_median: float | None
    photo_side_median: float | None
    """Of the shorter sides, in pixels."""
    duplicate_rate: float
    """Share of photos whose bytes came before."""


@dataclass(frozen=True, slots=True)
class Drift:
    what: str
    amount: float
    limit: float
    meaning: str

    @property
    def is_too_far(self) -> bool:
        return self.amount > self.limit


def facts_of(catalog: Path) -> SnapshotFacts:
    """Reads the tables of a catalog folder."""
    cards = read_rows(catalog / "cards.parquet", Card)
    photos = read_rows(catalog / "photos.parquet", Photo)
    texts = [card.title for card in cards]
    texts += [row.text for row in read_rows(catalog / "reviews.parquet", Review) if row.text]
    different = len({photo.sha256 for photo in photos})
    return SnapshotFacts(
        cards=len(cards),
        photos=len(photos),
        categories=_shares((card.category or [""])[0] for card in cards),
        languages=_shares(map(script_of, texts)),
        price_median=_median([card.price for card in cards if card.price is not None]),
        photo_side_median=_median([min(photo.width, photo.height) for photo in photos]),
        duplicate_rate=1 - different / len(photos) if photos else 0.0,
    )


def read_facts(path: Path) -> SnapshotFacts | None:
    """Facts kept by `save_report`; None before the first snapshot.

    Raises:
        BadData: The file holds something else.
    """
    if not path.exists():
        return None
    try:
        return SnapshotFacts(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise BadData(f"{path} holds no facts of a snapshot ({error}). Delete it.") from None


def drifts(before: SnapshotFacts, now: SnapshotFacts, limits: DriftParams) -> list[Drift]:
    """Every compared number, near and far; none if a snapshot is too small to compare."""
    if min(before.cards, now.cards) < FEW:
        return []
    return [
        Drift("categories", moved_share(before.categories, now.categories), limits.categories_max,
              "share of cards that would have to change category"),
        Drift("languages", moved_share(before.languages, now.languages), limits.languages_max,
              "share of texts that would have to change script"),
        Drift("prices", _change(before.price_median, now.price_median), limits.prices_max,
              "change of the median, as a share"),
        Drift("photo sizes", _change(before.photo_side_median, now.photo_side_median),
              limits.photo_sizes_max, "change of the median shorter side, as a share"),
        Drift("duplicate rate", abs(now.duplicate_rate - before.duplicate_rate),
              limits.duplicate_rate_max, "difference of the shares"),
    ]  # fmt: skip


def check_drift(found: Sequence[Drift], *, blocks: bool) -> None:
    """Raises BadData where a drift is too far and drift blocks."""
    far = [drift for drift in found if drift.is_too_far]
    if far and blocks:
        told = "; ".join(
            f"{drift.what} {drift.amount:.3f}, more than {drift.limit:g} ({drift.meaning})"
            for drift in far
        )
        raise BadData(
            f"The snapshot drifted from the last one that was built: {told}. Mend the source and "
            "pull again; if the market did change, raise `drift` in params.yaml and build again."
        )


def moved_share(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Total variation: half the sum of differences of shares, in [0, 1]."""
    names = before.keys() | now.keys()
    return sum(abs(before.get(name, 0) - now.get(name, 0)) for name in sorted(names)) / 2


def script_of(text: str) -> str:
    """`cyrillic` or `latin` by what most letters are; `other` without letters of either."""
    letters = Counter(
        "cyrillic" if "а" <= letter.lower() <= "я" or letter.lower() == "ё" else "latin"
        for letter in text
        if letter.isalpha() and ord(letter) < 0x500
    )
    return letters.most_common(1)[0][0] if letters else "other"


def _shares(names: Iterable[str]) -> dict[str, float]:
    counts = Counter(names)
    return {name: count / counts.total() for name, count in sorted(counts.items())}


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) >= FEW else None


def _change(before: float | None, now: float | None) -> float:
    """As a share of the smaller one, so that a fall and a rise count alike."""
    if before is None or now is None:
        return 0.0
    return abs(before - now) / max(min(before, now), 1e-9)
