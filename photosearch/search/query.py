"""What is searched for, and what is found before anything is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog.images import Box
from photosearch.index.filters import CardFilter
from photosearch.index.vector_index import Hit

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_OFFSET = 1000
ANY_CARD = CardFilter()


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a shopper asks for, as it was sent."""

    photo: bytes = b""
    """A JPEG, PNG or WebP file; empty where words or a card ask."""
    name: str = "The photo"
    """What an error message calls it."""
    box: Box | None = None
    """The part to search, in pixels of the turned photo; None means the likeliest object, and the
    whole photo where there is none."""
    limit: int = DEFAULT_LIMIT
    """Cards wanted, 1 to MAX_LIMIT."""
    offset: int = 0
    """Best cards left out, 0 to MAX_OFFSET: what earlier pages showed."""
    length: int | None = None
    """Vector length to search with; None means the index's own."""
    text: str = ""
    """What the shopper adds in words; empty means nothing."""
    where: CardFilter = ANY_CARD
    liked: tuple[str, ...] = ()
    """Cards that the shopper wants more of."""
    disliked: tuple[str, ...] = ()
    """And less."""
    explain: bool = False
    """Tell why each card stands where it stands."""
    shopper: str = ""
    """The key that the caller's browser keeps, as events name it; empty: takes part in nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What the model makes of a photo."""

    vector: NDArray[np.float32]
    """Of unit length, (dim,)."""
    tokens: NDArray[np.float32] | None = None
    """The head's tokens, (n_tokens, width), where the release compares tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is searched for, once the photo has been looked at; every later step may ask it."""

    request: SearchRequest
    part: Image.Image | None
    """The chosen part of the photo, RGB; None where words or a card ask."""
    vector: NDArray[np.float32] | None
    """Its unit vector by the model, (dim,), before words and likes move it."""
    hits: Sequence[Hit] = ()
    """The near photos, nearest first, once candidates were looked for."""
    text_scores: Mapping[str, float] | None = None
    """See Candidates; once candidates were looked for."""
    tokens: NDArray[np.float32] | None = None
    """The head's tokens of the part, (n_tokens, width), where the release compares tokens."""

    @property
    def is_photo_alone(self) -> bool:
        """Whether a photo asks and no words and no likes: else scores mean something else."""
        asked = self.request
        return self.vector is not None and not (asked.text or asked.liked or asked.disliked)


class Candidate(NamedTuple):
    """A card near the query; a tuple, for a search makes a hundred."""

    card_id: str
    photo_id: str
    """Its nearest photo."""
    cosine: float
    """Of that photo."""
    score: float
    """Of all its near photos: see candidates.py."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a search finds before anything is known of the cards."""

    cards: list[Candidate]
    """Unique, best first."""
    hits: Sequence[Hit] = ()
    """The near photos that made them, nearest first; none where words without vectors asked, or a
    card did."""
    text_scores: Mapping[str, float] | None = None
    """How well words of cards fit the query's, by card_id, as they are fused without vectors: from
    0, the least of those found by words, to 1. None where no words asked."""
