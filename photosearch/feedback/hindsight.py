"""Would another order have been clicked more? Asks logged answers; knows nothing of learning."""

from collections.abc import Mapping, Sequence

import numpy as np

from photosearch.feedback.answer_outcomes import Outcome
from photosearch.feedback.schemas import ShownCard
from photosearch.ranking_settings import OnlineParams, PropensityParams
from photosearch.search.features import RANKED_SCORE, row_of
from photosearch.search.found import FoundCard, Traits
from photosearch.search.online_ranker import OnlineState, rerank
from photosearch.search.propensity import propensities


def gain_in_hindsight(
    outcome: Outcome, state: OnlineState, online: OnlineParams, looks: PropensityParams
) -> float:
    """How much better a state would have ranked the clicked cards than no state.

    Args:
        outcome: An answer, its cards with features.
        state: Has not learned from this answer.
        online: See params.yaml.
        looks: How likely each rank is looked at.

    Returns:
        The difference of two discounted sums of clicks, see `worth_of_order`; 0 where nothing was
        clicked.
    """
    cards = [card for card in outcome.cards if card.features]
    if not outcome.clicked:
        return 0.0
    rows = {card.card_id: np.array(row_of(card.features)) for card in cards}
    found = [_found(card) for card in cards]
    clicked_at = {card.card_id: card.rank for card in cards if card.card_id in outcome.clicked}
    before, after = (
        [card.traits.card_id for card in rerank(found, rows, one, online)]
        for one in (OnlineState(), state)
    )
    return worth_of_order(after, clicked_at, looks) - worth_of_order(before, clicked_at, looks)


def worth_of_order(
    order: Sequence[str], clicked_at: Mapping[str, int], looks: PropensityParams
) -> float:
    """How high an order puts the cards that were clicked in another one.

    Each clicked card counts 1 / propensity of the rank where it was clicked, so that what was shown
    far down does not count less, and 1 / log2(1 + rank) of the rank it would have had.

    Args:
        order: Card ids, best first; all clicked ones are among them.
        clicked_at: The rank at which each clicked card was shown, by card_id.
        looks: How likely each rank is looked at.

    Source: Joachims, Swaminathan and Schnabel 2017, "Unbiased Learning-to-Rank with Biased
    Feedback", eq. 4, with the gain of nDCG for their rank.
    """
    rank_of = {card_id: rank for rank, card_id in enumerate(order, start=1)}
    ranks = np.array(list(clicked_at.values()), np.int64)
    looked = propensities(ranks, steepness=looks.steepness, least=looks.least)
    discounts = np.log2(1 + np.array([rank_of[card_id] for card_id in clicked_at]))
    return float((1 / looked / discounts).sum())


def _found(card: ShownCard) -> FoundCard:
    """The card as the online re-ranker saw it; of its traits only the name counts."""
    score = card.features.get(RANKED_SCORE, card.features.get("score", 0.0))
    return FoundCard(Traits(card.card_id), card.photo_id, card.features.get("cosine", 0.0), score)
