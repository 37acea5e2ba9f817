"""What is known of each found card for one query: a table of named numbers, one row a card."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from photosearch.evaluation.calibration import SameProbability
from photosearch.index.vector_index import Hit
from photosearch.search.candidates import VOTERS
from photosearch.search.found import FoundCard
from photosearch.search.popularity import Popularity

Features = NDArray[np.float64]

SEEN = ("cosine", "cosine_short", "cosine_gap", "second_cosine", "mean_cosine",
        "gallery_cosine", "gallery_gap", "near_photos", "votes", "score", "score_gap",
        "probability", "category_agreement")  # fmt: skip
"""What the photo tells."""
ASKED = ("tag_overlap", "text_score")
"""What is told in words: by tags of near cards, unknown where there are no tags; and by the words
of the query, unknown where it has none."""
SHOP = ("price_distance", "price_in_category", "rating", "reviews", "popularity")
"""What the shop tells: only shoppers can say how much it counts."""
FEATURES = (*SEEN, *ASKED, *SHOP)
"""Columns of the table, in order; names as `explain` shows them."""
RISING = (*ASKED, "gallery_cosine", "gallery_gap", "popularity")
"""More of these never lowers a card. Of near photos the score tells already, perhaps too much: a
card that buyers have photographed often is near to everything, a new one has its gallery alone."""

TOP = 10
"""Best cards that say which price and category are usual."""
GALLERY = "/gallery/"
"""In the ids of photos of sellers: catalog/schemas.py."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a search knows beside the found cards."""

    hits: Sequence[Hit]
    """All near photos, nearest first."""
    short_cosines: Mapping[str, float] = field(default_factory=dict)
    """Cosine at the short length by photo_id, where it is known."""
    tag_overlaps: Mapping[str, float] = field(default_factory=dict)
    """How well each card's tags agree with what is near, by card_id, where it is known."""
    text_scores: Mapping[str, float] | None = None
    """How well cards' words fit the query's, 0 to 1, by card_id; 0 for others. None: no words."""


def card_features(
    found: Sequence[FoundCard],
    evidence: Evidence,
    popular: Popularity,
    curve: SameProbability | None,
) -> Features:
    """The table of one answer, (n_cards, len(FEATURES)); NaN where something is not known.

    Args:
        found: Cards, best first.
        evidence: Of the same search.
        popular: How often cards are clicked.
        curve: From cosine to the probability of the same product; None where nobody knows it.
    """
    if not found:
        return np.empty((0, len(FEATURES)))
    columns = (
        _seen_columns(found, evidence, curve)
        | _asked_columns(found, evidence)
        | _shop_columns(found, popular)
    )
    return np.stack([np.asarray(columns[name], np.float64) for name in FEATURES], axis=1)


RANKED_SCORE = "ranked_score"
"""Logged beside the features: what the online re-ranker started from. Where it is missing,
the order of the evidence stands for it."""


def named(row: Features) -> dict[str, float]:
    """What is known of a row of the table, (n_features,), by name; JSON has no other numbers."""
    known = zip(FEATURES, row.tolist(), strict=True)
    return {name: value for name, value in known if math.isfinite(value)}


def row_of(features: Mapping[str, float]) -> list[float]:
    """The row that `named` was given; NaN where something is not known."""
    return [features.get(name, math.nan) for name in FEATURES]


def _seen_columns(
    found: Sequence[FoundCard], evidence: Evidence, curve: SameProbability | None
) -> dict[str, Sequence[float]]:
    cosines_of: dict[str, list[float]] = defaultdict(list)
    gallery_of: dict[str, float] = {}
    votes_of: dict[str, int] = defaultdict(int)
    for place, hit in enumerate(evidence.hits):
        cosines_of[hit.card_id].append(hit.cosine)
        votes_of[hit.card_id] += place < VOTERS
        if GALLERY in hit.photo_id:
            gallery_of.setdefault(hit.card_id, hit.cosine)
    near = [cosines_of[card.traits.card_id] or [card.cosine] for card in found]
    cosines = np.array([card.cosine for card in found])
    scores = np.array([card.score for card in found])
    categories = [card.traits.category for card in found]
    usual = categories[:TOP]
    gallery = np.array([gallery_of.get(card.traits.card_id, math.nan) for card in found])
    return {
        "cosine": cosines.tolist(),
        "cosine_short": [evidence.short_cosines.get(card.photo_id, math.nan) for card in found],
        "cosine_gap": (cosines - cosines.max()).tolist(),
        "second_cosine": [some[1] if len(some) > 1 else math.nan for some in near],
        "mean_cosine": [sum(some) / len(some) for some in near],
        "gallery_cosine": gallery.tolist(),
        "gallery_gap": (gallery - max(gallery_of.values(), default=math.nan)).tolist(),
        "near_photos": [math.log(len(some)) for some in near],
        "votes": [votes_of[card.traits.card_id] / VOTERS for card in found],
        "score": scores.tolist(),
        "score_gap": _above_best_other(scores).tolist(),
        "probability": [math.nan] * len(found) if curve is None else curve(cosines).tolist(),
        "category_agreement": [usual.count(category) / len(usual) for category in categories],
    }


def _above_best_other(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each score is above the best of the others; 0 for a card without others."""
    if len(scores) < 2:
        return np.zeros(len(scores))
    second, best = np.partition(scores, -2)[-2:]
    others = np.where(np.arange(len(scores)) == scores.argmax(), second, best)
    return np.asarray(scores - others)


def _asked_columns(found: Sequence[FoundCard], evidence: Evidence) -> dict[str, Sequence[float]]:
    overlaps, scores = evidence.tag_overlaps, evidence.text_scores
    card_ids = [card.traits.card_id for card in found]
    return {
        "tag_overlap": [overlaps.get(card_id, math.nan) for card_id in card_ids],
        "text_score": [
            math.nan if scores is None else scores.get(card_id, 0.0) for card_id in card_ids
        ],
    }


def _shop_columns(found: Sequence[FoundCard], popular: Popularity) -> dict[str, Sequence[float]]:
    prices = [card.traits.price or math.nan for card in found]
    known = [price for price in prices[:TOP] if price > 0]
    usual = median(known) if known else math.nan
    rated = [card.traits.rating or math.nan for card in found]  # 0 stars: nobody has rated
    return {
        "price_distance": [math.log(price / usual) if price > 0 else math.nan for price in prices],
        "price_in_category": _against_its_category(found, prices),
        "rating": rated,
        "reviews": [
            math.nan if card.traits.n_reviews is None else math.log1p(card.traits.n_reviews)
            for card in found
        ],
        "popularity": [popular[card.traits.card_id] for card in found],
    }


def _against_its_category(found: Sequence[FoundCard], prices: Sequence[float]) -> list[float]:
    """Logarithm of each price over the median of the found cards of its category.

    NaN for a card that is alone in its category: nothing says what is usual there.
    """
    of_category: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for card, price in zip(found, prices, strict=True):
        if price > 0:
            of_category[card.traits.category].append(price)
    usual = {kind: median(some) for kind, some in of_category.items() if len(some) > 1}
    return [
        math.log(price / usual.get(card.traits.category, math.nan)) if price > 0 else math.nan
        for card, price in zip(found, prices, strict=True)
    ]
