"""Candidates for a query, whatever it is made of: a photo, words, likes, or a card to resemble."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from photosearch.embedding.embedder import Vectors, shorten
from photosearch.errors import BadRequest
from photosearch.index.filters import CardFilter
from photosearch.index.vector_index import Hit, SearchedIndex
from photosearch.search.alike import cards_like
from photosearch.search.candidates import collapse
from photosearch.search.likes import moved_by_likes
from photosearch.search.query import ANY_CARD, Candidates, Query, SearchRequest
from photosearch.search.text_search import (
    Photos,
    TextSearch,
    cards_by_photo_and_text,
    cards_by_text,
)


@dataclass(frozen=True, slots=True)
class Finder:
    """Whom a release asks for candidates."""

    index: SearchedIndex
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

    def candidates(self, query: Query) -> Candidates:
        """Unique cards that pass the request's filter.

        Raises:
            BadRequest: It asks by words or likes, and the release has no text side.
        """
        request, side = query.request, self.text
        if side is None and (request.text or request.liked or request.disliked):
            raise BadRequest(
                "This release cannot be asked by text, liked or disliked: it has no text side. "
                "Leave these parts out."
            )
        if query.vector is not None and not request.text:
            hits = self._hits(shorten(query.vector, self.index.dim), request)
            return Candidates(collapse(hits), hits)
        if side is None or not request.text:
            return Candidates([])
        photos = Photos(
            lambda vector: self._hits(vector, request),
            self.index.vectors_of, self.index.dim, _asked(request.where),
        )  # fmt: skip
        if query.vector is None:
            return cards_by_text(side, request.text, photos)
        return cards_by_photo_and_text(side, query.vector, request.text, photos)

    def like(self, card_id: str, where: CardFilter) -> Candidates:
        """Cards that look like one of the index; raises BadRequest where it is not in it."""
        twins: Collection[str] = self.twins.get(card_id, ())
        return Candidates(
            cards_like(
                card_id,
                lambda vector: self._hits(vector, SearchRequest(where=where)),
                self.index.vectors_of,
                twins=twins,
            )
        )

    def _hits(self, vector: Vectors, request: SearchRequest) -> list[Hit]:
        """Photos near a vector, once likes and dislikes have moved it; gone cards do not count."""
        liked, disliked = self._photos_of(request.liked), self._photos_of(request.disliked)
        if self.text is not None and (liked or disliked):
            likes = self.text.facts.params.likes
            vector = moved_by_likes(vector, liked, disliked, likes=likes)
        where = _asked(request.where)
        return self.index.nearest(vector, limit=self.hits_per_query, where=where)

    def _photos_of(self, card_ids: Sequence[str]) -> list[Vectors]:
        known = self.index.vectors_of(card_ids) if card_ids else {}
        return [known[card_id][1] for card_id in card_ids if card_id in known]


def _asked(where: CardFilter) -> CardFilter | None:
    return None if where == ANY_CARD else where
