"""A photo becomes an answer: every step of a search in order; names no framework."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from photosearch.catalog.images import Box
from photosearch.catalog.seen_photo import SeenPhoto, cut, see
from photosearch.embedding.embedder import Embedder
from photosearch.errors import (
    BadLength,
    BadRequest,
    DimensionMismatch,
    ForeignIndex,
    NoMap,
    UnknownQuery,
)
from photosearch.evaluation.calibration import Calibration
from photosearch.index.filters import CardFilter
from photosearch.search.answer import (
    Shown,
    is_confident,
    page_of,
    told_of_candidates,
    told_of_dropped,
    with_probabilities,
)
from photosearch.search.filtering import NO_FACETS, facets_of
from photosearch.search.found import FoundCard
from photosearch.search.objects import as_objects, choose_box, things_on
from photosearch.search.policies import Policed
from photosearch.search.query import (
    ANY_CARD,
    Candidates,
    Embedded,
    Query,
    SearchRequest,
)
from photosearch.search.rank import best_first
from photosearch.search.reading_room import nothing_read
from photosearch.search.schemas import (
    CardsResponse,
    DetectResponse,
    DroppedCard,
    ReadArticles,
    ReleaseIds,
    SearchResponse,
    TagChip,
)
from photosearch.search.steps import ArticleReader, Cards, Finds, Look, Maps, Reranker, Step
from photosearch.search.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class SearchPipeline:
    """The steps of a search as fields, in order: each can be swapped, timed, faked, or off (None).

    What a shopper sees of a query does not depend on what is busy: `articles` alone are read beside
    it and lie apart in the answer.
    """

    release: ReleaseIds
    length: int
    """Vector length of the index, the only one that can be searched."""
    decode: Callable[[bytes, str], SeenPhoto]
    """File content and its name for messages -> photo, as large as is needed."""
    crop: Callable[[SeenPhoto, Box], Image.Image]
    """A box in pixels of the whole photo -> RGB part."""
    embed: Callable[[Image.Image], Embedded]
    """RGB photo -> the model's vector, at least as long as `length`; tokens where they are used."""
    candidates: Callable[[Query], Candidates]
    """Unique cards that pass the request's filter, by vector, words and likes: finding.py."""
    alike: Callable[[str, CardFilter], Candidates]
    """Unique cards like a card, that pass a filter."""
    cards: Cards
    """Says what is known of candidates, and what the page shows of them."""
    rank: Step
    unranked: Step
    """The order without a ranker, for those who are to go without."""
    articles: ArticleReader | None = None
    """Read beside the search, from the moment the photo is decoded."""
    objects: Look | None = None
    """Off: the whole photo is searched."""
    late_interaction: Step | None = None
    rerank: Callable[[], Reranker] | None = None
    """By what shoppers did, within a margin; asked once a search for what it has learned by now."""
    policies: Callable[[Sequence[FoundCard]], Policed] | None = None
    """What of the ranked cards is shown."""
    chips: Callable[[Query, Sequence[FoundCard]], list[TagChip]] | None = None
    """Words that narrow what was found."""
    maps: Maps | None = None
    """Drawn afterwards, of searches that asked to explain."""
    calibration: Calibration | None = None
    """From score to probability; off: no probabilities."""

    def answer(self, request: SearchRequest) -> SearchResponse:
        """Finds the cards that show what is on the photo; finding none is an answer too.

        Raises:
            BadLength: The index does not hold vectors of the wanted length.
            BadPhoto: The photo cannot be read, is too large, or the box is not inside it.
            BadRequest: It asks for a step that is off.
            EncoderUnavailable: The model does not answer.
            IndexProblem: The index does not answer, or belongs to another model.
        """
        if request.length not in (None, self.length):
            raise BadLength(request.length, (self.length,))
        query_id, watch = uuid.uuid4().hex, Stopwatch()
        with watch.stage("decode"):
            photo = self.decode(request.photo, request.name)

        def meanwhile() -> None:
            if self.articles is not None:
                with watch.spared("articles"):
                    self.articles.start(query_id, request)

        things = things_on(photo, self.objects, watch, meanwhile)
        box = choose_box(things, request.box)
        if self.maps is not None and request.explain:
            self.maps.keep(query_id, request, box)
        with watch.stage("crop"):
            part = photo.pixels if box is None else self.crop(photo, box)
        with watch.stage("embed"):
            made = self.embed(part)
        query = Query(request, part, made.vector, tokens=made.tokens)
        with watch.stage("candidates"):
            candidates = self.candidates(query)
        shown = self._shown(candidates, query, watch)
        return SearchResponse(
            query_id=query_id,
            box=box,
            objects=as_objects(things, box),
            width=photo.size[0],
            height=photo.size[1],
            length=self.length,
            cards=page_of(shown.cards, request, self.cards),
            n_found=len(shown.cards),
            is_confident=is_confident(shown.cards, self.calibration),
            facets=shown.facets,
            chips=shown.chips,
            dropped=shown.dropped if request.explain else [],
            learned=shown.learned,
            articles=self._read(query_id, watch),
            degraded=watch.degraded,
            took_ms=watch.took_ms(),
            release=self.release,
        )

    def answer_words(self, request: SearchRequest) -> CardsResponse:
        """Finds cards by words alone; the request's photo and box are left aside.

        Raises BadRequest where there are no words or no text side, and what `answer` raises.
        """
        if request.length not in (None, self.length):
            raise BadLength(request.length, (self.length,))
        if not request.text:
            raise BadRequest("There are no words to search for. Send part 'text'.")
        query, watch = Query(request, None, None), Stopwatch()
        with watch.stage("candidates"):
            candidates = self.candidates(query)
        return self._told(self._shown(candidates, query, watch), request, watch)

    def answer_alike(self, card_id: str, request: SearchRequest) -> CardsResponse:
        """Finds cards like a card of the index; raises BadRequest where it holds no photo of it."""
        query, watch = Query(request, None, None), Stopwatch()
        with watch.stage("candidates"):
            candidates = self.alike(card_id, request.where)
        return self._told(self._shown(candidates, query, watch), request, watch)

    def detect(self, request: SearchRequest) -> DetectResponse:
        """Finds the things on a photo and searches none; raises what `answer` raises of photos."""
        watch = Stopwatch()
        with watch.stage("decode"):
            photo = self.decode(request.photo, request.name)
        things = things_on(photo, self.objects, watch)
        return DetectResponse(
            width=photo.size[0],
            height=photo.size[1],
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

    def map_of(self, query_id: str, card_id: str | None) -> bytes:
        """A PNG file; raises NoMap and EncoderUnavailable: see map_desk.py."""
        if self.maps is None:
            raise NoMap("Nothing here draws maps.")
        return self.maps.map_of(query_id, card_id)

    def _told(self, shown: Shown, request: SearchRequest, watch: Stopwatch) -> CardsResponse:
        return CardsResponse(
            query_id=uuid.uuid4().hex,
            length=self.length,
            cards=page_of(shown.cards, request, self.cards),
            n_found=len(shown.cards),
            facets=shown.facets,
            chips=shown.chips,
            dropped=shown.dropped if request.explain else [],
            degraded=watch.degraded,
            took_ms=watch.took_ms(),
            release=self.release,
        )

    def _shown(self, candidates: Candidates, query: Query, watch: Stopwatch) -> Shown:
        """What of the candidates is shown, best first; and what could narrow it, filter or not."""
        query = replace(query, hits=candidates.hits, text_scores=candidates.text_scores)
        with watch.stage("enrich"):
            near = self.cards.enrich(candidates.cards)
        facets = NO_FACETS
        with watch.optional("facets"):
            facets = facets_of(near if query.request.where == ANY_CARD else self._unfiltered(query))
        found = told_of_candidates(near, query)
        reranker = None
        if self.rerank is not None:
            with watch.spared("rerank"):
                reranker = self.rerank()
        with watch.optional("rank"):
            found = with_probabilities(self.rank(found, query), query, self.calibration)
        rerank = None if reranker is None else reranker.step
        for name, step in (("late_interaction", self.late_interaction), ("rerank", rerank)):
            if step is not None:
                with watch.optional(name):
                    found = step(found, query)
        dropped: list[DroppedCard] = []
        if self.policies is not None:
            with watch.stage("policies"):
                policed = self.policies(found)
                found, dropped = policed.shown, told_of_dropped(policed.dropped)
        chips: list[TagChip] = []
        if self.chips is not None:
            with watch.optional("chips"):
                chips = self.chips(query, found)
        return Shown(found, facets, chips, dropped, reranker.state_id if reranker else None)

    def _unfiltered(self, query: Query) -> list[FoundCard]:
        anything = replace(query, request=replace(query.request, where=ANY_CARD))
        return self.cards.enrich(self.candidates(anything).cards)

    def _read(self, query_id: str, watch: Stopwatch) -> ReadArticles:
        read = None
        if self.articles is not None:
            with watch.optional("articles"):
                read = self.articles.read(query_id, age_ms=watch.total_ms())
        return read or nothing_read(query_id, self.release, has_failed="articles" in watch.degraded)


def make_pipeline(
    release: ReleaseIds,
    embedder: Embedder,
    *,
    finder: Finds,
    cards: Cards,
    decode: Callable[[bytes, str], SeenPhoto] = see,
) -> SearchPipeline:
    """Puts together the steps that every release has; `dataclasses.replace` adds the others.

    Args:
        release: What every answer says it was made by.
        embedder: The release's model.
        finder: Asks the release's index, whose vectors may be shorter than the model's.
        cards: What is known of them.
        decode: Photos are decoded whole where it says nothing else.

    Raises:
        ForeignIndex: `embedder` is not the model of this release.
        DimensionMismatch: The model makes no vectors of the index's length.
    """
    if embedder.model_id != release.model_id:
        raise ForeignIndex(release.model_id, embedder.model_id)
    dim, plain = finder.dim, lambda cards, _: best_first(cards)
    if dim not in embedder.lengths:
        raise DimensionMismatch(release.index_id, dim, embedder.lengths[0])
    return SearchPipeline(
        release=release,
        length=dim,
        decode=decode,
        crop=cut,
        embed=lambda photo: Embedded(embedder.embed([photo])[0]),
        candidates=finder.candidates,
        alike=finder.like,
        cards=cards,
        rank=plain,
        unranked=plain,
    )
