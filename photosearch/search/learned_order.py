"""The online re-ranker as a step of searches, with what it has learned by now; learns nothing.

online.json in a release says how far it may move cards; what it learned lies in the home.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from photosearch.errors import BadArtifact
from photosearch.ranking_settings import OnlineParams
from photosearch.report import write_text
from photosearch.search.features import FEATURES
from photosearch.search.found import FoundCard
from photosearch.search.online_ranker import CURRENT, OnlineState, read_state, rerank
from photosearch.search.query import Query
from photosearch.search.steps import Reranker, Step

SETTINGS = "online.json"
LOOK_EVERY_S = 1.0
"""How often the pointer to the current state is read, while there are searches."""

log = logging.getLogger(__name__)


class LearnedOrder:
    """Gives the re-ranker as it is now; shared by threads and by releases of equal settings."""

    def __init__(
        self, states: Path, online: OnlineParams, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Reads the current state.

        Args:
            states: See online_ranker.py; nothing need be there yet.
            online: How far cards may move.
            clock: In seconds.

        Raises:
            BadArtifact: The current state is damaged.
        """
        self._states, self._online, self._clock = states, online, clock
        self._lock = threading.Lock()
        self._now = self._of(read_state(states))
        self._looked_at = clock()

    def __call__(self) -> Reranker:
        """The re-ranker; what was learned more than a second ago takes part."""
        with self._lock:
            if self._clock() - self._looked_at >= LOOK_EVERY_S:
                self._look()
                self._looked_at = self._clock()
            return self._now

    def _look(self) -> None:
        pointer = self._states / CURRENT
        try:
            if pointer.exists() and pointer.read_text().strip() != self._now.state_id:
                self._now = self._of(read_state(self._states))
                log.info("re-ranking by state %s", self._now.state_id)
        # A state that cannot be read must not stop searches: the one before goes on.
        except (BadArtifact, OSError) as error:
            log.warning("re-ranking goes on by state %s: %s", self._now.state_id, error)

    def _of(self, state: OnlineState) -> Reranker:
        return Reranker(state.state_id, rerank_by_state(state, self._online))


def rerank_by_state(state: OnlineState, online: OnlineParams) -> Step:
    """The step of the search: cards whose features are known are moved, the others only shifted.

    It costs no features of its own: those that the rank step left on the cards are used.
    """
    unknown = np.full(len(FEATURES), np.nan)

    def step(found: Sequence[FoundCard], query: Query) -> Sequence[FoundCard]:
        rows = {
            card.traits.card_id: unknown if card.features is None else card.features
            for card in found
        }
        if all(row is unknown for row in rows.values()):
            return found
        ranked = [card._replace(ranked_score=card.score) for card in found]
        return rerank(ranked, rows, state, online, explain=query.request.explain)

    return step


def save_online(release: Path, online: OnlineParams) -> None:
    """Writes online.json into a release that is being made: its searches are re-ranked."""
    write_text(release / SETTINGS, online.model_dump_json(indent=1) + "\n")


def read_online(release: Path) -> OnlineParams | None:
    """How a release's searches are re-ranked; None: they are not.

    Raises:
        BadArtifact: The file is damaged.
    """
    path = release / SETTINGS
    if not path.exists():
        return None
    try:
        return OnlineParams.model_validate(json.loads(path.read_text()))
    except (OSError, ValueError, ValidationError) as error:
        raise BadArtifact(
            f"{path} does not say how far cards may be moved ({error}). Make the release again: "
            "`photosearch index`."
        ) from None
