"""What the steps of a search look like from outside; knows none of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from photosearch.catalog.images import Box
from photosearch.embedding.embedder import Vectors
from photosearch.index.filters import CardFilter
from photosearch.perception.detector import Found
from photosearch.search.found import FoundCard
from photosearch.search.query import Candidate, Candidates, Query, SearchRequest
from photosearch.search.schemas import CardFacts, ReadArticles

Step = Callable[[Sequence[FoundCard], Query], Sequence[FoundCard]]
"""Puts cards in another order, changes their scores or leaves some out, and says why."""

Look = Callable[[Image.Image], Callable[[], Sequence[Found]]]
"""Begins to look for the things on an RGB photo; what it returns waits for them, surest first."""

Search = Callable[[Vectors], Sequence[FoundCard]]
"""A photo's vector, (dim,), as long as the model makes it -> what is shown, best card first."""


@dataclass(frozen=True, slots=True)
class Reranker:
    """A re-ranker as it is now: it goes on learning while searches are under way."""

    state_id: str
    step: Step


class Finds(Protocol):
    """Who finds candidates: finding.py."""

    @property
    def dim(self) -> int:
        """Vector length of the index."""
        ...

    def candidates(self, query: Query) -> Candidates: ...
    def like(self, card_id: str, where: CardFilter) -> Candidates: ...


class Cards(Protocol):
    """What a release knows of its cards: enrich.py."""

    def enrich(self, candidates: Sequence[Candidate]) -> list[FoundCard]:
        """What rules and rankers ask of them, in the same order; strange ones are left out."""
        ...

    def facts(self, card_ids: Sequence[str]) -> list[CardFacts]:
        """What the page shows of cards that were found, in their order."""
        ...


class ArticleReader(Protocol):
    """What reads articles beside the searches: articles.py."""

    def start(self, query_id: str, request: SearchRequest) -> None:
        """Has the photo of a search read, and returns at once."""
        ...

    def read(self, query_id: str, *, age_ms: float) -> ReadArticles | None:
        """What has been read for a search that is so old; None: there is none, or no longer."""
        ...


class Maps(Protocol):
    """What draws why a search found what it found: map_desk.py."""

    def keep(self, query_id: str, request: SearchRequest, box: Box | None) -> None:
        """Remembers the photo of a search, and the part of it that was searched."""
        ...

    def map_of(self, query_id: str, card_id: str | None) -> bytes:
        """A PNG file: of the photo alone, or beside a card's picture."""
        ...
