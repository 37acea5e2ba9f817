"""Moves cards a little, by what shoppers clicked so far; learns from one answer at a time.

A logistic model of "clicked once looked at" over the features of the ranker, brought to one scale
within each answer. What it may do is bounded twice: in score and in places. Its state is one small
file named by its content, so that an answer that tells the state's id can be made again.

states/ID.json      a state; states/current names the one in use, written last
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Impression
from photosearch.errors import BadArtifact
from photosearch.ranking_settings import OnlineParams, PropensityParams
from photosearch.report import save_report, write_text
from photosearch.search.features import FEATURES, Features, row_of
from photosearch.search.found import FoundCard
from photosearch.search.propensity import propensities
from photosearch.search.rank import best_first, raised
from photosearch.search.schemas import Reason

CURRENT = "current"
STATES_KEPT = 50
"""Older states are removed: answers made with them cannot be made again."""
SCALED_BY = 20
"""First cards, whose mean and spread scale all: a page has so many, and pages teach. Those far down
would spread the cosines so much that what a page has taught moves nothing."""
SCALED_MOST = 3.0
"""A feature counts at most so many standard deviations."""
FIRST_SQUARE = 0.1
"""AdaGrad's sum before the first gradient: keeps the first steps short."""
REASONS_MOST = 3

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OnlineState:
    weights: list[float] = field(default_factory=lambda: [0.0] * (len(FEATURES) + 1))
    """Of each feature, in order; the last is of a constant 1."""
    squares: list[float] = field(default_factory=lambda: [FIRST_SQUARE] * (len(FEATURES) + 1))
    """Decayed sums of squared gradients."""
    n_answers: int = 0
    """Learned from so far."""
    learned_to: str = ""
    """Where the log of events was read to: after a kill, learning goes on from here."""

    @property
    def state_id(self) -> str:
        """Equal states have equal ids."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:12]


def learn(
    state: OnlineState,
    shown: Sequence[Impression],
    online: OnlineParams,
    looks: PropensityParams,
    *,
    learned_to: str = "",
) -> OnlineState:
    """The state after one more answer and its clicks.

    A click counts 1 / propensity of its rank, and the rest of the card's one look counts against
    it: on average the loss is that of shoppers who look at every card.

    Args:
        state: Before it.
        shown: All cards of one answer.
        online: See params.yaml.
        looks: How likely each rank is looked at.
        learned_to: Kept in the state.

    Source: the unbiased pointwise loss of Saito et al. 2020, "Unbiased Recommender Learning from
    Missing-Not-At-Random Implicit Feedback", eq. 9; steps by Duchi et al. 2011, AdaGrad.
    """
    table = np.array([row_of(row.features) for row in shown])
    scaled = np.column_stack([scale_within(table), np.ones(len(shown))])
    looked = propensities(
        np.array([row.rank for row in shown], np.int64),
        steepness=looks.steepness,
        least=looks.least,
    )
    clicked = np.array([row.is_clicked for row in shown], np.float64) / looked
    weights, squares = np.array(state.weights), np.array(state.squares)
    gradient = scaled.T @ (_logistic(scaled @ weights) - clicked) / len(shown)
    squares = online.decay * squares + gradient**2
    weights = online.decay * weights - online.learning_rate * gradient / np.sqrt(squares)
    weights = np.clip(weights, -online.weight_max, online.weight_max)
    return OnlineState(weights.tolist(), squares.tolist(), state.n_answers + 1, learned_to)


def rerank(
    found: Sequence[FoundCard],
    features_of: Mapping[str, NDArray[np.float64]],
    state: OnlineState,
    online: OnlineParams,
    *,
    explain: bool = False,
) -> list[FoundCard]:
    """The same cards, each at most `margin` higher or lower and `places_max` places away.

    The order counts, not the scores: where a card may not move as far as its score says, it takes
    the score of its neighbour. Cards of the query photo itself stay first.

    Args:
        found: From the steps before.
        features_of: Rows of the feature table by card_id; (len(FEATURES),).
        state: What was learned so far; a fresh one moves nothing.
        online: See params.yaml.
        explain: Whether to add reasons.
    """
    ordered = best_first(found)
    if not ordered:
        return []
    table = np.stack([features_of[card.traits.card_id] for card in ordered])
    shares = scale_within(table) * np.array(state.weights[:-1])
    moves = online.margin * np.tanh(shares.sum(axis=1) / 2)
    moved = [
        card._replace(score=raised(card, float(by)))
        for card, by in zip(ordered, moves, strict=True)
    ]
    if explain:
        moved = [_explained(card, of_it) for card, of_it in zip(moved, shares, strict=True)]
    return _falling([moved[place] for place in within_places(moved, online.places_max)])


def scale_within(table: Features) -> Features:
    """Each column less its mean over the first cards, by its spread there; unknown values are 0.

    Args:
        table: Of an answer, best card first, (n_cards, n_features).
    """
    known = ~np.isnan(table)
    n_known = np.maximum(known[:SCALED_BY].sum(axis=0), 1)
    mean = np.where(known, table, 0.0)[:SCALED_BY].sum(axis=0) / n_known
    centred = np.where(known, table - mean, 0.0)
    spread = np.sqrt((centred[:SCALED_BY] ** 2).sum(axis=0) / n_known)
    scaled = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9)
    return np.asarray(np.clip(scaled, -SCALED_MOST, SCALED_MOST))


def within_places(found: Sequence[FoundCard], places_max: int) -> list[int]:
    """The order by score in which no card is more than `places_max` from where it is in `found`.

    Each place takes the best card that may come there, unless another one must.
    """
    by_score = {id(card): rank for rank, card in enumerate(best_first(found))}
    waiting, order = list(range(len(found))), list[int]()
    for place in range(len(found)):
        must = waiting[0] if waiting[0] + places_max == place else None
        near = [one for one in waiting if one <= place + places_max]
        taken = must if must is not None else min(near, key=lambda one: by_score[id(found[one])])
        waiting.remove(taken)
        order.append(taken)
    return order


def save_state(states: Path, state: OnlineState) -> None:
    """Keeps a state and makes it the current one, atomically; a kill leaves the one before."""
    save_report(states / f"{state.state_id}.json", state)
    write_text(states / CURRENT, state.state_id + "\n")
    kept = sorted(states.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in kept[STATES_KEPT:]:
        if old.stem != state.state_id:
            old.unlink()


def read_state(states: Path, state_id: str | None = None) -> OnlineState:
    """The current state, or another one by its id; a fresh one where nothing was learned yet.

    Raises:
        BadArtifact: There is no such state, or its file was changed.
    """
    if state_id is None:
        if not (states / CURRENT).exists():
            return OnlineState()
        state_id = (states / CURRENT).read_text().strip()
    path = states / f"{state_id}.json"
    try:
        state = OnlineState(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{path} is not a state of the online re-ranker ({error}). Name another, or delete "
            f"{states / CURRENT} to start anew."
        ) from None
    if state.state_id != state_id or len(state.weights) != len(FEATURES) + 1:
        raise BadArtifact(
            f"{path} was changed, or is of other features. Delete {states / CURRENT} to start anew."
        )
    return state


def _explained(card: FoundCard, shares: Weights) -> FoundCard:
    strongest = np.argsort(-np.abs(shares), kind="stable")[:REASONS_MOST]
    reasons = tuple(
        Reason(step="rerank", what=FEATURES[n], value=round(float(shares[n]), 4))
        for n in strongest.tolist()
        if shares[n]
    )
    return card._replace(reasons=card.reasons + reasons)


def _falling(cards: Sequence[FoundCard]) -> list[FoundCard]:
    """Scores that never rise along the order."""
    made: list[FoundCard] = []
    for card in cards:
        most = made[-1].score if made else card.score
        made.append(card._replace(score=min(card.score, most)))
    return made


def _logistic(steepness: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(steepness, -30, 30))))
