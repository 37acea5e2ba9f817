"""A photo becomes an answer: every step of a search in order; names no framework."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.images import Box
from photosearch.embedding.embedder import Embedder, Vectors, shorten
from photosearch.errors import BadLength, DimensionMismatch, ForeignIndex
from photosearch.index.vector_index import VectorIndex
from photosearch.search.candidates import nearest_cards
from photosearch.search.rank import rank_by_score
from photosearch.search.schemas import (
    Candidate,
    FoundCard,
    RankedCard,
    ReleaseIds,
    SearchRequest,
    SearchResponse,
)


@dataclass(frozen=True, slots=True)
class SearchPipeline:
    """The steps of a search as fields: each can be swapped, timed and faked."""

    release: ReleaseIds
    length: int
    """Vector length of the index, the only one that can be searched."""
    decode: Callable[[bytes, str], Image.Image]
    """File content and its name for messages -> RGB photo."""
    crop: Callable[[Image.Image, Box], Image.Image]
    embed: Callable[[Image.Image], Vectors]
    """RGB photo -> unit vector, (length,)."""
    candidates: Callable[[Vectors], list[Candidate]]
    """Unit vector -> unique cards."""
    enrich: Callable[[Sequence[Candidate]], list[FoundCard]]
    rank: Callable[[Sequence[FoundCard], int], list[RankedCard]]

    def answer(self, request: SearchRequest) -> SearchResponse:
        """Finds the cards that show what is on the photo; finding none is an answer too.

        Raises:
            BadLength: The index does not hold vectors of the wanted length.
            BadPhoto: The photo cannot be read, is too large, or the box is not inside it.
            EncoderUnavailable: The model does not answer.
            IndexProblem: The index does not answer, or belongs to another model.
        """
        if request.length not in (None, self.length):
            raise BadLength(request.length, (self.length,))
        watch = Stopwatch()
        with watch.stage("decode"):
            photo = self.decode(request.photo, request.name)
        with watch.stage("crop"):
            part = photo if request.box is None else self.crop(photo, request.box)
        with watch.stage("embed"):
            vector = self.embed(part)
        with watch.stage("candidates"):
            candidates = self.candidates(vector)
        with watch.stage("enrich"):
            found = self.enrich(candidates)
        with watch.stage("rank"):
            cards = self.rank(found, request.limit)
        return SearchResponse(
            query_id=uuid.uuid4().hex,
            box=request.box,
            width=photo.width,
            height=photo.height,
            length=self.length,
            cards=cards,
            took_ms=watch.took_ms(),
            release=self.release,
        )


def make_pipeline(
    release: ReleaseIds,
    embedder: Embedder,
    *,
    index: VectorIndex,
    enrich: Callable[[Sequence[Candidate]], list[FoundCard]],
    hits_per_query: int,
) -> SearchPipeline:
    """Puts the steps of today together.

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
        candidates=lambda vector: nearest_cards(index, vector, hits_per_query=hits_per_query),
        enrich=enrich,
        rank=rank_by_score,
    )


class Stopwatch:
    """Notes how long each stage takes."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._took_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._took_ms[name] = _ms_since(started)

    def took_ms(self) -> dict[str, float]:
        """Milliseconds by stage, and `total` since the watch was made."""
        return self._took_ms | {"total": _ms_since(self._started)}


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
