"""The service that shoppers talk to: it sees, finds and shows, but runs no model itself."""

import asyncio
from dataclasses import dataclass

import bentoml

from bentos.api import make_app
from bentos.current import Current, follow
from bentos.encoder import TIMEOUT_S, Encoder
from bentos.encoder_client import Asked, Encoded, RemoteEmbedder
from bentos.served import followed_releases, served_release
from photosearch.embedding.model import TOWER
from photosearch.embedding.preprocess import read_preprocessing
from photosearch.index.vector_index import VectorIndex
from photosearch.progress import configure_logging
from photosearch.release import Release
from photosearch.search.enrich import CardFactsTable
from photosearch.search.pipeline import SearchPipeline, make_pipeline
from photosearch.search.schemas import ReleaseIds, SearchRequest, SearchResponse
from photosearch.settings import load_services


@dataclass(frozen=True, slots=True)
class Opened:
    """A release, ready to answer."""

    release: Release
    pipeline: SearchPipeline
    index: VectorIndex
    """Held by the pipeline too; closed when the last search is done."""


# One worker: a second process cannot open the same embedded index.
@bentoml.service(name="search", workers=1, traffic={"timeout": TIMEOUT_S + 10})
@bentoml.asgi_app(make_app(bentoml.get_current_service), path="/")
class Search:
    encoder = bentoml.depends(Encoder)

    def __init__(self) -> None:
        configure_logging()
        self._services = load_services()
        first = self._open(served_release(self._services))
        self._current = Current(first, let_go=lambda opened: opened.index.close())
        self.pipeline = CurrentPipeline(self._current)
        self._following: asyncio.Task[None] | None = None

    @property
    def release(self) -> Release:
        """The release that answers now."""
        return self._current.value.release

    def _open(self, release: Release) -> Opened:
        from photosearch.assembly_serving import open_index

        manifest = release.manifest
        embedder = RemoteEmbedder(
            manifest.model_id,
            tuple(manifest.lengths),
            release=manifest.release,
            preprocessing=read_preprocessing(release.model / TOWER),
            encode=self._encode,
        )
        enrich = CardFactsTable(release.cards, release.thumbnail_table).enrich
        index = open_index(release, self._services)
        pipeline = make_pipeline(
            release_ids(release),
            embedder,
            index=index,
            enrich=enrich,
            hits_per_query=manifest.hits_per_query,
        )
        return Opened(release, pipeline, index)

    def _switch(self, release: Release) -> None:
        """Answers with `release` from now on; searches under way end with the one before."""
        self.encoder.to_sync.prepare(release=release.manifest.release)
        self._current.switch(self._open(release))

    def _encode(self, photos: list[Asked]) -> list[Encoded]:
        # Asked for late: BentoML gives its proxy the method `embed` only after our __init__.
        encoded: list[Encoded] = self.encoder.embed(photos)
        return encoded

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
        self._current.close()


class CurrentPipeline:
    """Answers each request by one release from its first step to its last."""

    def __init__(self, current: Current[Opened]) -> None:
        self._current = current

    def answer(self, request: SearchRequest) -> SearchResponse:
        """See SearchPipeline.answer."""
        with self._current.held() as opened:
            return opened.pipeline.answer(request)


def release_ids(release: Release) -> ReleaseIds:
    """The ids that every answer carries."""
    return ReleaseIds(
        release=release.manifest.release,
        model_id=release.manifest.model_id,
        index_id=release.manifest.index_id,
        data_version=release.manifest.data_version,
    )
