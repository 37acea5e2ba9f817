"""The cards of one page of an answer, out of all that were found; knows no search."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from operator import lt

import numpy as np
from scipy.optimize import isotonic_regression  # type: ignore[import-untyped]

from photosearch.evaluation.calibration import Calibration
from photosearch.search.features import RANKED_SCORE, named
from photosearch.search.found import FoundCard
from photosearch.search.policies import Dropped
from photosearch.search.query import Query, SearchRequest
from photosearch.search.schemas import DroppedCard, Facets, RankedCard, Reason, TagChip
from photosearch.search.steps import Cards


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


def with_probabilities(
    found: Sequence[FoundCard], query: Query, calibration: Calibration | None
) -> Sequence[FoundCard]:
    """The same cards with the probability that each is the product.

    Args:
        found: As the ranker leaves them: its scores are what the curve was fitted on.
        query: Where words or likes take part, scores mean something else.
        calibration: None where a release has none.
    """
    if calibration is None or not query.is_photo_alone:
        return found
    said = calibration.curve(np.array([card.score for card in found])).tolist()
    return [card._replace(probability=one) for card, one in zip(found, said, strict=True)]


def page_of(found: Sequence[FoundCard], request: SearchRequest, cards: Cards) -> list[RankedCard]:
    """The cards from `offset` on, at most `limit`, in the order in which they come.

    Probabilities never rise along the order: where a step after the ranker moved a card over
    others, they share their mean.

    Args:
        found: All cards, best first.
        request: Says which page, and whether to explain.
        cards: Says what is shown of them.
    """
    shown = found[request.offset : request.offset + request.limit]
    facts = cards.facts([card.traits.card_id for card in shown])
    probabilities = _falling(found)[request.offset :]
    return [
        RankedCard(
            card=facts[place],
            rank=request.offset + place + 1,
            score=card.score,
            cosine=card.cosine,
            matched_photo_id=card.photo_id,
            probability=probabilities[place],
            reasons=list(card.reasons) if request.explain else [],
            features=_told_features(card),
        )
        for place, card in enumerate(shown)
    ]


def _falling(found: Sequence[FoundCard]) -> list[float | None]:
    said = [card.probability for card in found]
    known = [one for one in said if one is not None]
    if len(known) < len(said):
        return said
    if not any(starmap(lt, pairwise(known))):
        return [round(one, 4) for one in known]
    falling: list[float | None] = isotonic_regression(said, increasing=False).x.round(4).tolist()
    return falling


def _told_features(card: FoundCard) -> dict[str, float]:
    told = {} if card.features is None else named(card.features)
    return told if card.ranked_score is None else told | {RANKED_SCORE: card.ranked_score}


def is_confident(found: Sequence[FoundCard], calibration: Calibration | None) -> bool | None:
    """Whether the best card is the product, at the precision of the calibration; None: unknown.

    Where no score reaches that precision, no search of the release is confident.
    """
    if calibration is None:
        return None
    if not found:
        return False
    threshold, said = calibration.abstention.score, found[0].probability
    if said is None:
        return None
    if threshold is None or calibration.slope == 0:  # a flat curve tells no card from another
        return False
    return said >= float(calibration.curve(np.array(threshold)))


def told_of_candidates(found: Sequence[FoundCard], query: Query) -> Sequence[FoundCard]:
    """The same cards; where the query asks to explain, with what made them candidates.

    That is the likeness of their nearest photo, and what their other photos or the words added.
    """
    if not query.request.explain:
        return found
    more = "words" if query.request.text else "votes"
    return [
        card._replace(
            reasons=(
                *card.reasons,
                Reason(step="candidates", what="cosine", value=round(card.cosine, 6)),
                Reason(step="candidates", what=more, value=round(card.score - card.cosine, 6)),
            ),
        )
        for card in found
    ]


def told_of_dropped(dropped: Sequence[Dropped]) -> list[DroppedCard]:
    """Cards that policies left out, as an answer tells them."""
    return [
        DroppedCard(
            card_id=one.card.traits.card_id, instead=one.instead, reasons=list(one.card.reasons)
        )
        for one in dropped
    ]
