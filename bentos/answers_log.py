"""Tells the log of events what each search showed; knows neither models nor HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime

from bentos.answers import Answers
from photosearch.feedback.schemas import Answer, ShownCard
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import CardsResponse, DetectResponse, ReadArticles, SearchResponse

DIGITS = 6
"""Significant ones of a logged feature: finer than fp16 vectors, in half of the bytes."""


class LoggedAnswers:
    """Answers as `inner` does, and has what was shown logged."""

    def __init__(self, inner: Answers, log_answer: Callable[[Answer], None]) -> None:
        """`log_answer`: returns at once and never fails: see EventStore."""
        self._inner, self._log_answer = inner, log_answer

    def answer(self, request: SearchRequest) -> SearchResponse:
        answered = self._inner.answer(request)
        self._log_answer(logged(answered, request))
        return answered

    def answer_words(self, request: SearchRequest) -> CardsResponse:
        answered = self._inner.answer_words(request)
        self._log_answer(logged(answered, request))
        return answered

    def answer_alike(self, card_id: str, request: SearchRequest) -> CardsResponse:
        answered = self._inner.answer_alike(card_id, request)
        self._log_answer(logged(answered, request))
        return answered

    def detect(self, request: SearchRequest) -> DetectResponse:
        return self._inner.detect(request)

    def articles_of(self, query_id: str) -> ReadArticles:
        return self._inner.articles_of(query_id)

    def map_of(self, query_id: str, card_id: str | None) -> bytes:
        return self._inner.map_of(query_id, card_id)


def logged(answered: SearchResponse | CardsResponse, request: SearchRequest) -> Answer:
    """What the log keeps of an answer: the cards of its page, and no word or photo of the query."""
    experiment = answered.experiment
    return Answer(
        query_id=answered.query_id,
        at=datetime.now(UTC),
        shopper=request.shopper,
        release=answered.release.release,
        experiment="" if experiment is None else experiment.name,
        arm="" if experiment is None else experiment.arm,
        photo_sha256="",
        cards=[
            ShownCard(
                card_id=card.card.card_id,
                photo_id=card.matched_photo_id,
                rank=card.rank,
                features={
                    name: float(f"{value:.{DIGITS}g}") for name, value in card.features.items()
                },
            )
            for card in answered.cards
        ],
    )
