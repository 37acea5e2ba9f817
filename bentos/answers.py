"""What the app answers with: protocols, so that it knows neither models nor how it is hosted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bentos.access import Access
from photosearch.feedback.experiments import Experiment
from photosearch.feedback.store import EventStore
from photosearch.release import Release
from photosearch.search.catalogue import Catalogue
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import CardsResponse, DetectResponse, ReadArticles, SearchResponse


class Answers(Protocol):
    """See SearchPipeline, which is one."""

    def answer(self, request: SearchRequest) -> SearchResponse: ...
    def answer_words(self, request: SearchRequest) -> CardsResponse: ...
    def answer_alike(self, card_id: str, request: SearchRequest) -> CardsResponse: ...
    def detect(self, request: SearchRequest) -> DetectResponse: ...
    def articles_of(self, query_id: str) -> ReadArticles: ...
    def map_of(self, query_id: str, card_id: str | None) -> bytes: ...


class Served(Protocol):
    """What the app answers with."""

    @property
    def pipeline(self) -> Answers: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def release(self) -> Release: ...
    @property
    def releases(self) -> Sequence[Release]:
        """All that answer somebody now, the live one first."""
        ...

    @property
    def events(self) -> EventStore | None: ...
    @property
    def experiment(self) -> Experiment | None: ...
    @property
    def experiments(self) -> Path | None: ...
    @property
    def access(self) -> Access: ...
