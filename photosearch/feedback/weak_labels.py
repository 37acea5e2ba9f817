"""Clicks -> weak labels of pairs of photos, debiased by position; knows nothing of training.

Whoever looks for one photo and clicks another says, weakly, that they show the same. What the
shopper looked for is the query photo where it is kept and the catalogue has it, else the photo by
which each clicked card was found: a shopper's own photo is never kept for this.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from photosearch.catalog.schemas import ClickedPair, WeakPair
from photosearch.feedback.answer_outcomes import Outcome
from photosearch.feedback.schemas import ShownCard
from photosearch.feedback_settings import WeakPairsParams
from photosearch.ranking_settings import PropensityParams
from photosearch.search.propensity import propensities

SURE_Z = 1.96
"""Of a two-sided interval of 95%."""
Photos = tuple[str, str]
"""Ids in order."""


@dataclass(slots=True)
class Looks:
    """Sums over the times that a pair was shown, each weighing w = 1 / clipped propensity."""

    weights: float = 0.0
    """Of w times the probability of a look: what the weights of all looks come to."""
    squares: float = 0.0
    """Of w squared times that probability."""
    clicks: float = 0.0
    """Of w where it was clicked."""

    @property
    def rate(self) -> float:
        """Clicks of those who looked, in [0, 1].

        Source: Swaminathan and Joachims 2015, "The Self-Normalized Estimator for Counterfactual
        Learning", eq. 9; its denominator by what is expected, for looks are not seen.
        """
        return min(self.clicks / self.weights, 1.0)

    @property
    def worth(self) -> float:
        """Equal looks that would say as much; Kish 1965, "Survey Sampling", 11.2."""
        return self.weights**2 / self.squares

    def bounds(self) -> tuple[float, float]:
        """Of the rate, 95% sure.

        Source: Wilson 1927, "Probable inference, the law of succession, and statistical
        inference", with `worth` as the number of trials.
        """
        n, rate = self.worth, self.rate
        middle = (rate + SURE_Z**2 / (2 * n)) / (1 + SURE_Z**2 / n)
        reach = SURE_Z * math.sqrt(rate * (1 - rate) / n + SURE_Z**2 / (4 * n**2))
        reach /= 1 + SURE_Z**2 / n
        return max(middle - reach, 0.0), min(middle + reach, 1.0)


def clicked_pairs(
    kept: Iterable[Outcome], photo_of_content: Mapping[str, str]
) -> list[ClickedPair]:
    """How often those who looked for one photo were shown another and clicked it, in order of id.

    Args:
        kept: What came of answers.
        photo_of_content: The catalogue's photo ids by content hash.
    """
    shown: dict[Photos, list[int]] = defaultdict(lambda: [0, 0])
    for photos, _, is_clicked in _meetings(kept, photo_of_content):
        shown[photos][0] += 1
        shown[photos][1] += is_clicked
    return [ClickedPair(a, b, *counts) for (a, b), counts in sorted(shown.items())]


def pair_looks(
    kept: Iterable[Outcome], photo_of_content: Mapping[str, str], looks: PropensityParams
) -> dict[Photos, Looks]:
    """The same, each time counted by how likely the rank is looked at."""
    added: dict[Photos, Looks] = defaultdict(Looks)
    for photos, card, is_clicked in _meetings(kept, photo_of_content):
        rank = np.array([card.rank])
        clipped, looked = (
            float(propensities(rank, steepness=looks.steepness, least=least)[0])
            for least in (looks.least, 0.0)
        )
        sums = added[photos]
        sums.weights += looked / clipped
        sums.squares += looked / clipped**2
        sums.clicks += is_clicked / clipped
    return added


def weak_pairs(
    looked: Mapping[Photos, Looks], rules: WeakPairsParams
) -> tuple[list[WeakPair], dict[str, int]]:
    """Pairs of which clicks say enough, in order of id, and counts of the others by reason.

    The probability of a weak label is the bound nearer to doubt: many looks make it surer.
    """
    kept, undecided = list[WeakPair](), Counter[str]()
    for (a, b), sums in sorted(looked.items()):
        low, high = sums.bounds()
        if sums.worth < rules.looks_min:
            undecided["too_few_looks"] += 1
        elif low >= rules.same_rate_min:
            kept.append(WeakPair(a, b, "same", round(low, 4), round(sums.worth, 2)))
        elif high <= rules.different_rate_max:
            kept.append(WeakPair(a, b, "different", round(high, 4), round(sums.worth, 2)))
        else:
            undecided["neither"] += 1
    return kept, dict(sorted(undecided.items()))


def _meetings(
    kept: Iterable[Outcome], photo_of_content: Mapping[str, str]
) -> Iterator[tuple[Photos, ShownCard, bool]]:
    """Each time that somebody who looked for one photo was shown another, and if they clicked it.

    A query photo that the catalogue knows stands for itself; it does not meet itself.
    """
    for one in kept:
        asked = photo_of_content.get(one.answer.photo_sha256)
        clicked = [card.photo_id for card in one.cards if card.card_id in one.clicked]
        for anchor in clicked if asked is None else [asked]:
            for card in one.cards:
                if card.photo_id != anchor:
                    photos = (min(anchor, card.photo_id), max(anchor, card.photo_id))
                    yield photos, card, card.card_id in one.clicked
