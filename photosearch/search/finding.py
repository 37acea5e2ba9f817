"""Candidates for a query, whatever it is made of: a photo, words, likes, or a card to resemble."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from photosearch.embedding.embedder import Vectors, shorten
from photosearch.errors import BadRequest
from photosearch.index.filters import CardFilter
from photosearch.index.vector_index import VectorIndex
from photosearch.search.alike import Near, cards_like
from photosearch.search.candidates import nearest_cards
from photosearch.search.likes import moved_by_likes
from photosearch.search.schemas import ANY_CARD, Candidate, Query, SearchRequest
from photosearch.search.text_search import (
    Photos,
    TextSearch,
    cards_by_photo_and_text,
    cards_by_text,
)


@dataclass(frozen=True, slots=True)
class Finder:
    """Whom a release asks for candidates."""

    index: VectorIndex
    hits_per_query: int
    """Photos fetched before they are collapsed into cards."""
    text: TextSearch | None = None
    """None: only photos can be asked with."""
    twins: dict[str, frozenset[str]] = field(default_factory=dict)
    """Cards of one product, see alike.py."""

    @property
    def dim(self) -> int:
        """Vector length of the index."""
        return self.index.dim

    def candidates(self, query: Query) -> list[Candidate]:
        """Unique cards that pass the request's filter, best first.

        Raises:
            BadRequest: It asks by words or likes, and the release has no text side.
        """
        request = query.request
        side, near = self.text, self._near(request)
        if side is None and (request.text or request.liked or request.disliked):
            raise BadRequest(
                "This release cannot be asked by text, liked or disliked: it has no text side. "
                "Leave these parts out."
            )
        if side is None or not request.text:
            return [] if query.vector is None else near(shorten(query.vector, self.index.dim))
        photos = Photos(near, self.index.vectors_of, self.index.dim, _asked(request.where))
        if query.vector is None:
            return cards_by_text(side, request.text, photos)
        return cards_by_photo_and_text(side, query.vector, request.text, photos)

    def like(self, card_id: str, where: CardFilter) -> list[Candidate]:
        """Cards that look like one of the index; raises BadRequest where it is not in it."""

        def near(vector: Vectors) -> list[Candidate]:
            return nearest_cards(
                self.index, vector, hits_per_query=self.hits_per_query, where=_asked(where)
            )

        twins: Collection[str] = self.twins.get(card_id, ())
        return cards_like(card_id, near, self.index.vectors_of, twins=twins)

    def _near(self, request: SearchRequest) -> Near:
        """Near a vector, once likes and dislikes have moved it; cards gone since do not count."""
        liked, disliked = self._photos_of(request.liked), self._photos_of(request.disliked)

        def near(vector: Vectors) -> list[Candidate]:
            if self.text is not None and (liked or disliked):
                likes = self.text.facts.params.likes
                vector = moved_by_likes(vector, liked, disliked, likes=likes)
            return nearest_cards(
                self.index, vector, hits_per_query=self.hits_per_query, where=_asked(request.where)
            )

        return near

    def _photos_of(self, card_ids: Sequence[str]) -> list[Vectors]:
        known = self.index.vectors_of(card_ids) if card_ids else {}
        return [known[card_id][1] for card_id in card_ids if card_id in known]


def _asked(where: CardFilter) -> CardFilter | None:
    return None if where == ANY_CARD else where
