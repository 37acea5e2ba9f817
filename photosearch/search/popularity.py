"""How often shoppers who look at a card click it; knows nothing of queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from photosearch.catalog.schemas import Impression
from photosearch.search.propensity import propensities

PRIOR_LOOKS = 20.0
"""A card counts as if it had been looked at so often and clicked like the mean card."""


@dataclass(frozen=True, slots=True)
class CardClicks:
    """What all shoppers did with a card; one row of popularity.parquet."""

    card_id: str
    looks: float
    """Times it was shown, each counted by how likely its rank is looked at."""
    clicks: int


@dataclass(frozen=True, slots=True)
class Popularity:
    rate_of: Mapping[str, float]
    """Clicks a look, smoothed, by card_id."""
    mean: float
    """Of cards nobody was shown; 0 where there were no clicks at all."""

    def __getitem__(self, card_id: str) -> float:
        return self.rate_of.get(card_id, self.mean)


def count_clicks(
    impressions: Iterable[Impression], *, steepness: float, least: float
) -> list[CardClicks]:
    """Adds up what was shown and clicked, in order of card_id."""
    rows = list(impressions)
    looked = propensities(
        np.array([row.rank for row in rows], np.int64), steepness=steepness, least=least
    )
    looks: dict[str, float] = defaultdict(float)
    clicks: dict[str, int] = defaultdict(int)
    for row, look in zip(rows, looked.tolist(), strict=True):
        looks[row.card_id] += look
        clicks[row.card_id] += row.is_clicked
    return [CardClicks(card_id, looks[card_id], clicks[card_id]) for card_id in sorted(looks)]


def popularity(rows: Iterable[CardClicks]) -> Popularity:
    """Clicks a look of each card, drawn to the mean where there were few looks.

    Source: the mean of a beta posterior with PRIOR_LOOKS looks of the mean card as its prior.
    """
    counted = list(rows)
    looks = sum(row.looks for row in counted)
    mean = sum(row.clicks for row in counted) / looks if looks else 0.0
    rates = {
        row.card_id: (row.clicks + PRIOR_LOOKS * mean) / (row.looks + PRIOR_LOOKS)
        for row in counted
    }
    return Popularity(rates, mean)
