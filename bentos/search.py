"""The service that shoppers talk to: it sees, finds and shows, but runs no model itself."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

import bentoml
import numpy as np
from anyio import fail_after, from_thread
from anyio.lowlevel import current_token
from numpy.typing import NDArray

from bentos.access import access_of
from bentos.api import make_app
from bentos.current import Current, follow
from bentos.detector_client import FoundThing, RemoteDetector
from bentos.encoder import Encoder
from bentos.encoder_client import Asked, Encoded, RemoteEmbedder
from bentos.gathering import encode_together
from bentos.reader import TIMEOUT_S as READING_TIMEOUT_S
from bentos.reader import Reader
from bentos.reader_client import ReadWord, read_remotely
from bentos.served import followed_releases, served_release
from bentos.turns import Turns
from photosearch.embedding.model import TOWER
from photosearch.embedding.preprocess import read_preprocessing
from photosearch.perception.reader import Word
from photosearch.progress import configure_logging
from photosearch.release import Release
from photosearch.search.catalogue import Catalogue
from photosearch.search.enrich import CardFactsTable
from photosearch.search.pipeline import SearchPipeline, make_pipeline
from photosearch.search.query import SearchRequest
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.schemas import (
    CardsResponse,
    DetectResponse,
    ReadArticles,
    ReleaseIds,
    SearchResponse,
)
from photosearch.settings import load_services
from photosearch.tagging.tag_list import open_tag_list

LONGEST_CALL_S = 150
"""BentoML's own limit: beyond the longest body and the longest search that settings allow."""
PROBE_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A release, ready to answer."""

    release: Release
    pipeline: SearchPipeline
    catalogue: Catalogue
    probe: Callable[[], object]
    """Searches the index for anything; fails as a search would."""
    close: Callable[[], None]
    """Lets go of index and words; called when the last search is done."""


# One worker: a second process cannot open the same embedded index.
@bentoml.service(
    name="search",
    workers=1,
    traffic={"timeout": LONGEST_CALL_S},
    metrics={"enabled": False},  # ours are: see metrics.py
)
@bentoml.asgi_app(make_app(bentoml.get_current_service), path="/")
class Search:
    encoder = bentoml.depends(Encoder)
    reader = bentoml.depends(Reader)

    def __init__(self) -> None:
        configure_logging()
        self._services = load_services()
        self._loop = current_token()
        self._room = ReadingRoom(self._read, waiting_max=self._services.articles_waiting_max)
        first = self._open(served_release(self._services))
        self._current = Current(first, let_go=lambda opened: opened.close())
        self.pipeline = CurrentPipeline(self._current)
        self._following: asyncio.Task[None] | None = None

        self.access = access_of(self._services)
        self._probing = Turns(at_once=1)

    @property
    def catalogue(self) -> Catalogue:
        """The cards and tags of the release that answers now."""
        return self._current.value.catalogue

    @property
    def release(self) -> Release:
        """The release that answers now."""
        return self._current.value.release

    async def __is_ready__(self) -> bool:
        """Whether the index is searched; BentoML asks encoder and reader besides."""
        try:
            await self._probing.take(self._probe, deadline_s=PROBE_S)
        # Whatever the index is made of: /readyz says 503, and the log why.
        except Exception as error:
            log.warning("not ready: %s: %s", type(error).__name__, error)
            return False
        return True

    def _probe(self) -> None:
        with self._current.held() as opened:
            opened.probe()

    def _open(self, release: Release) -> Opened:
        from photosearch.assembly_search import Eyes, complete, finder_of
        from photosearch.assembly_serving import open_index

        manifest = release.manifest
        embedder = RemoteEmbedder(
            manifest.model_id,
            tuple(manifest.lengths),
            release=manifest.release,
            preprocessing=read_preprocessing(release.model / TOWER),
            encode=self._encode,
        )
        cards = CardFactsTable(release.cards, release.thumbnail_table)
        with ExitStack() as stack:
            index = stack.enter_context(closing(open_index(release, self._services)))
            finder = stack.enter_context(finder_of(release, index))
            pipeline = complete(
                make_pipeline(release_ids(release), embedder, finder=finder, enrich=cards.enrich),
                release,
                cards=cards,
                index=index,
                eyes=Eyes(
                    lambda seen_by: RemoteDetector(seen_by, partial(self._find, release)).find,
                    self._room,
                    self._services.articles_wait_ms,
                ),
            )
            tag_list = open_tag_list(release.tags) if release.tags.exists() else None
            return Opened(
                release,
                pipeline,
                Catalogue(pipeline.release, cards, tag_list),
                probe=partial(index.nearest, anywhere(index.dim), limit=1),
                close=stack.pop_all().close,
            )

    def _switch(self, release: Release) -> None:
        """Answers with `release` from now on; searches under way end with the one before."""
        self.encoder.to_sync.prepare(release=release.manifest.release)
        self._current.switch(self._open(release))

    def _encode(self, photos: list[Asked]) -> list[Encoded]:
        # Asked for late: BentoML gives its proxy the method `embed` only after our __init__.
        encoded: list[Encoded] = encode_together(photos, self.encoder.embed)
        return encoded

    def _find(
        self, release: Release, pixels: NDArray[np.uint8], size: tuple[int, int]
    ) -> list[FoundThing]:
        name = release.manifest.release
        found: list[FoundThing] = self.encoder.find(pixels, size, release=name)
        return found

    def _read(self, photo: bytes) -> list[Word]:
        async def ask(content: NDArray[np.uint8]) -> list[ReadWord]:
            # A reader that was killed leaves its callers waiting for longer than its timeout.
            with fail_after(READING_TIMEOUT_S):
                read: list[ReadWord] = await self.reader.to_async.call("read", content)
                return read

        # The room's thread is none of the event loop's, so the plain proxy would not work there.
        return read_remotely(photo, lambda content: from_thread.run(ask, content, token=self._loop))

    # Not a thread of ours: BentoML's proxy of the encoder wants one that its event loop started.
    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def follow(self) -> None:
        releases = followed_releases(self._services)
        if releases is not None:
            watch = follow(releases, self._switch, served=lambda: self.release.manifest.release)
            self._following = asyncio.create_task(watch)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._room.close()
        self._current.close()


class CurrentPipeline:
    """Answers each request by one release from its first step to its last: see SearchPipeline."""

    def __init__(self, current: Current[Opened]) -> None:
        self._current = current

    def answer(self, request: SearchRequest) -> SearchResponse:
        with self._current.held() as opened:
            return opened.pipeline.answer(request)

    def answer_words(self, request: SearchRequest) -> CardsResponse:
        with self._current.held() as opened:
            return opened.pipeline.answer_words(request)

    def answer_alike(self, card_id: str, request: SearchRequest) -> CardsResponse:
        with self._current.held() as opened:
            return opened.pipeline.answer_alike(card_id, request)

    def detect(self, request: SearchRequest) -> DetectResponse:
        with self._current.held() as opened:
            return opened.pipeline.detect(request)

    def articles_of(self, query_id: str) -> ReadArticles:
        with self._current.held() as opened:
            return opened.pipeline.articles_of(query_id)


def anywhere(dim: int) -> NDArray[np.float32]:
    """A unit vector to ask an index with, (dim,)."""
    vector = np.zeros(dim, np.float32)
    vector[0] = 1
    return vector


def release_ids(release: Release) -> ReleaseIds:
    """The ids that every answer carries."""
    return ReleaseIds(
        release=release.manifest.release,
        model_id=release.manifest.model_id,
        index_id=release.manifest.index_id,
        data_version=release.manifest.data_version,
    )
