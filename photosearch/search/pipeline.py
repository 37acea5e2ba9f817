"""A photo becomes an answer: every step of a search in order; names no framework."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.images import Box
from photosearch.embedding.embedder import Embedder, Vectors, shorten
from photosearch.errors import BadLength, BadRequest, DimensionMismatch, ForeignIndex, UnknownQuery
from photosearch.evaluation.calibration import Calibration
from photosearch.index.vector_index import VectorIndex
from photosearch.perception.detector import Found
from photosearch.search.answer import is_confident, page_of, told_of_candidates
from photosearch.search.candidates import nearest_cards
from photosearch.search.filtering import facets_of, is_wanted
from photosearch.search.objects import as_objects, choose_box
from photosearch.search.rank import rank_by_score
from photosearch.search.schemas import (
    Candidate,
    DetectResponse,
    FoundCard,
    Query,
    ReadArticles,
    ReleaseIds,
    SearchRequest,
    SearchResponse,
)
from photosearch.search.stopwatch import Stopwatch

Step = Callable[[Sequence[FoundCard], Query], Sequence[FoundCard]]
"""Puts cards in another order, changes their scores or leaves some out, and says why."""


class ArticleReader(Protocol):
    """What reads articles beside the searches: articles.py."""

    def start(self, query_id: str, request: SearchRequest) -> None:
        """Has the photo of a search read, and returns at once."""
        ...

    def read(self, query_id: str, *, age_ms: float) -> ReadArticles | None:
        """What has been read for a search that is so old; None: there is none, or no longer."""
        ...


@dataclass(frozen=True, slots=True)
class SearchPipeline:
    """The steps of a search as fields, in order: each can be swapped, timed, faked, or off (None).

    What a shopper sees of a query does not depend on what is busy: `articles` alone are read beside
    it and lie apart in the answer.
    """

    release: ReleaseIds
    length: int
    """Vector length of the index, the only one that can be searched."""
    decode: Callable[[bytes, str], Image.Image]
    """File content and its name for messages -> RGB photo."""
    crop: Callable[[Image.Image, Box], Image.Image]
    embed: Callable[[Image.Image], Vectors]
    """RGB photo -> unit vector, (length,)."""
    candidates: Callable[[Query], list[Candidate]]
    """Unique cards near the vector, and near the words where there are any."""
    enrich: Callable[[Sequence[Candidate]], list[FoundCard]]
    rank: Step
    articles: ArticleReader | None = None
    """Read beside the search, from the moment the photo is decoded."""
    objects: Callable[[Image.Image], Sequence[Found]] | None = None
    """RGB photo -> the things on it, surest first; off: the whole photo is searched."""
    refine: Callable[[Vectors, SearchRequest], Vectors] | None = None
    """Moves the vector by words, likes and dislikes; off: who asks with these is refused."""
    late_interaction: Step | None = None
    rerank: Step | None = None
    """By what shoppers did, within a margin."""
    policies: Step | None = None
    calibration: Calibration | None = None
    """From cosine to probability; off: no probabilities."""

    def answer(self, request: SearchRequest) -> SearchResponse:
        """Finds the cards that show what is on the photo; finding none is an answer too.

        Raises:
            BadLength: The index does not hold vectors of the wanted length.
            BadPhoto: The photo cannot be read, is too large, or the box is not inside it.
            BadRequest: It asks for a step that is off.
            EncoderUnavailable: The model does not answer.
            IndexProblem: The index does not answer, or belongs to another model.
        """
        self._refuse_what_is_off(request)
        query_id, watch = uuid.uuid4().hex, Stopwatch()
        with watch.stage("decode"):
            photo = self.decode(request.photo, request.name)
        if self.articles is not None:
            self.articles.start(query_id, request)
        things = self._look(photo, watch)
        box = choose_box(things, request.box)
        with watch.stage("crop"):
            part = photo if box is None else self.crop(photo, box)
        query = Query(request, part, self._vector(part, request, watch))
        with watch.stage("candidates"):
            candidates = self.candidates(query)
        with watch.stage("enrich"):
            near = self.enrich(candidates)
            facets = facets_of(near)
        found = self._in_order(near, query, watch)
        return SearchResponse(
            query_id=query_id,
            box=box,
            objects=as_objects(things, box),
            width=photo.width,
            height=photo.height,
            length=self.length,
            cards=page_of(found, request, self.calibration),
            n_found=len(found),
            is_confident=is_confident(found, self.calibration),
            facets=facets,
            articles=self._read(query_id, watch),
            took_ms=watch.took_ms(),
            release=self.release,
        )

    def detect(self, request: SearchRequest) -> DetectResponse:
        """Finds the things on a photo and searches none; raises what `answer` raises of photos."""
        watch = Stopwatch()
        with watch.stage("decode"):
            photo = self.decode(request.photo, request.name)
        things = self._look(photo, watch)
        return DetectResponse(
            width=photo.width,
            height=photo.height,
            objects=as_objects(things, None),
            took_ms=watch.took_ms(),
            release=self.release,
        )

    def articles_of(self, query_id: str) -> ReadArticles:
        """What has been read beside a search by now.

        Raises:
            UnknownQuery: No such search, or one of more than minutes ago; or nothing is read.
        """
        read = None if self.articles is None else self.articles.read(query_id, age_ms=float("inf"))
        if read is None:
            raise UnknownQuery(query_id)
        return read

    def _refuse_what_is_off(self, request: SearchRequest) -> None:
        if request.length not in (None, self.length):
            raise BadLength(request.length, (self.length,))
        if self.refine is None and (request.text or request.liked or request.disliked):
            raise BadRequest(
                "This release cannot be asked by text, liked or disliked: it has no text side. "
                "Leave these parts out."
            )

    def _look(self, photo: Image.Image, watch: Stopwatch) -> Sequence[Found]:
        if self.objects is None:
            return ()
        with watch.stage("objects"):
            return self.objects(photo)

    def _vector(self, part: Image.Image, request: SearchRequest, watch: Stopwatch) -> Vectors:
        with watch.stage("embed"):
            vector = self.embed(part)
        if self.refine is None:
            return vector
        with watch.stage("refine"):
            return self.refine(vector, request)

    def _in_order(
        self, near: Sequence[FoundCard], query: Query, watch: Stopwatch
    ) -> Sequence[FoundCard]:
        """Of the candidates those that were asked for, best first."""
        where = query.request.where
        found: Sequence[FoundCard] = [card for card in near if is_wanted(card.facts, where)]
        if query.request.explain:
            found = told_of_candidates(found)
        steps: tuple[tuple[str, Step | None], ...] = (
            ("rank", self.rank),
            ("late_interaction", self.late_interaction),
            ("rerank", self.rerank),
            ("policies", self.policies),
        )
        for name, step in steps:
            if step is not None:
                with watch.stage(name):
                    found = step(found, query)
        return found

    def _read(self, query_id: str, watch: Stopwatch) -> ReadArticles:
        read = None
        if self.articles is not None:
            with watch.stage("articles"):
                read = self.articles.read(query_id, age_ms=watch.total_ms())
        return read or ReadArticles(
            query_id=query_id, state="off", found=[], cards=[], release=self.release
        )


def make_pipeline(
    release: ReleaseIds,
    embedder: Embedder,
    *,
    index: VectorIndex,
    enrich: Callable[[Sequence[Candidate]], list[FoundCard]],
    hits_per_query: int,
) -> SearchPipeline:
    """Puts together the steps that every release has; `dataclasses.replace` adds the others.

    Args:
        release: What every answer says it was made by.
        embedder: The release's model.
        index: The release's index; its vectors may be shorter than the model's.
        enrich: Adds what is known of the cards.
        hits_per_query: Photos fetched before they are collapsed into cards.

    Raises:
        ForeignIndex: `embedder` is not the model of this release.
        DimensionMismatch: The model makes no vectors of the index's length.
    """
    if embedder.model_id != release.model_id:
        raise ForeignIndex(release.model_id, embedder.model_id)
    if index.dim not in embedder.lengths:
        raise DimensionMismatch(release.index_id, index.dim, embedder.lengths[0])
    return SearchPipeline(
        release=release,
        length=index.dim,
        decode=lambda content, name: images.open_photo(content, name=name),
        crop=images.crop,
        embed=lambda photo: shorten(embedder.embed([photo])[0], index.dim),
        candidates=lambda query: nearest_cards(index, query.vector, hits_per_query=hits_per_query),
        enrich=enrich,
        rank=lambda cards, _: rank_by_score(cards),
    )
