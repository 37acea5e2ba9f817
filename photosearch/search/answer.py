"""The cards of one page of an answer, out of all that were found; knows no search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from photosearch.evaluation.calibration import Calibration
from photosearch.search.features import RANKED_SCORE, named
from photosearch.search.found import FoundCard
from photosearch.search.policies import Dropped
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import DroppedCard, Facets, RankedCard, Reason, TagChip


@dataclass(frozen=True, slots=True)
class Shown:
    """What an answer shows, of which one page tells a part."""

    cards: Sequence[FoundCard]
    """On all pages, best first."""
    facets: Facets
    chips: list[TagChip]
    dropped: list[DroppedCard]
    learned: str | None
    """State of the re-ranker that took part."""


def page_of(
    found: Sequence[FoundCard], request: SearchRequest, calibration: Calibration | None
) -> list[RankedCard]:
    """The cards from `offset` on, at most `limit`, in the order in which they come.

    Args:
        found: All cards, best first.
        request: Says which page, and whether to explain.
        calibration: Of the index that found them; None where a release has none.
    """
    shown = found[request.offset : request.offset + request.limit]
    cosines = np.array([card.cosine for card in shown])
    probabilities = None if calibration is None else calibration.curve(cosines).round(4).tolist()
    return [
        RankedCard(
            card=card.facts,
            rank=request.offset + place + 1,
            score=card.score,
            cosine=card.cosine,
            matched_photo_id=card.photo_id,
            probability=None if probabilities is None else probabilities[place],
            reasons=list(card.reasons) if request.explain else [],
            features=_told_features(card),
        )
        for place, card in enumerate(shown)
    ]


def _told_features(card: FoundCard) -> dict[str, float]:
    told = {} if card.features is None else named(card.features)
    return told if card.ranked_score is None else told | {RANKED_SCORE: card.ranked_score}


def is_confident(found: Sequence[FoundCard], calibration: Calibration | None) -> bool | None:
    """Whether the best card is the product, at the precision of the calibration; None: unknown.

    Where no cosine reaches that precision, no search of the release is confident.
    """
    if calibration is None:
        return None
    threshold = calibration.abstention.cosine
    return threshold is not None and bool(found) and found[0].cosine >= threshold


def told_of_candidates(found: Sequence[FoundCard]) -> list[FoundCard]:
    """The same cards, with what their nearest photo and the votes of the others gave them."""
    return [
        replace(
            card,
            reasons=(
                *card.reasons,
                Reason(step="candidates", what="cosine", value=round(card.cosine, 6)),
                Reason(step="candidates", what="votes", value=round(card.score - card.cosine, 6)),
            ),
        )
        for card in found
    ]


def told_of_dropped(dropped: Sequence[Dropped]) -> list[DroppedCard]:
    """Cards that policies left out, as an answer tells them."""
    return [
        DroppedCard(
            card_id=one.card.facts.card_id, instead=one.instead, reasons=list(one.card.reasons)
        )
        for one in dropped
    ]
