"""The service that shoppers talk to: it sees, finds and shows, but runs no model itself."""

import bentoml
import numpy as np
from anyio import fail_after, from_thread
from anyio.lowlevel import current_token
from numpy.typing import NDArray

from bentos.api import make_app
from bentos.detector_client import FoundThing, RemoteDetector
from bentos.encoder import TIMEOUT_S, Encoder
from bentos.encoder_client import Encoded, RemoteEmbedder
from bentos.reader import TIMEOUT_S as READING_TIMEOUT_S
from bentos.reader import Reader
from bentos.reader_client import ReadWord, read_remotely
from bentos.served import served_release
from photosearch.embedding.model import TOWER
from photosearch.embedding.preprocess import read_preprocessing
from photosearch.perception.reader import Word
from photosearch.progress import configure_logging
from photosearch.release import Release
from photosearch.search.enrich import CardFactsTable
from photosearch.search.pipeline import make_pipeline
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.schemas import ReleaseIds
from photosearch.settings import load_services


# One worker: a second process cannot open the same embedded index.
@bentoml.service(name="search", workers=1, traffic={"timeout": TIMEOUT_S + 10})
@bentoml.asgi_app(make_app(bentoml.get_current_service), path="/")
class Search:
    encoder = bentoml.depends(Encoder)
    reader = bentoml.depends(Reader)

    def __init__(self) -> None:
        from photosearch.assembly_search import complete
        from photosearch.assembly_serving import open_index

        configure_logging()
        services = load_services()
        self.release = served_release(services)
        manifest = self.release.manifest
        embedder = RemoteEmbedder(
            manifest.model_id,
            tuple(manifest.lengths),
            preprocessing=read_preprocessing(self.release.model / TOWER),
            encode=self._encode,
        )
        self._index = open_index(self.release, services)
        cards = CardFactsTable(self.release.cards, self.release.thumbnail_table)
        whole = make_pipeline(
            release_ids(self.release),
            embedder,
            index=self._index,
            enrich=cards.enrich,
            hits_per_query=manifest.hits_per_query,
        )
        self._loop = current_token()
        self._room = ReadingRoom(self._read, waiting_max=services.articles_waiting_max)
        self.pipeline = complete(
            whole,
            self.release,
            cards=cards,
            detector=lambda seen_by: RemoteDetector(seen_by, self._find).find,
            reading=(self._room, services.articles_wait_ms),
        )

    def _encode(self, pixels: NDArray[np.uint8]) -> list[Encoded]:
        # Asked for late: BentoML gives its proxy the method `embed` only after our __init__.
        encoded: list[Encoded] = self.encoder.embed(pixels)
        return encoded

    def _find(self, pixels: NDArray[np.uint8], size: tuple[int, int]) -> list[FoundThing]:
        found: list[FoundThing] = self.encoder.find(pixels, size)
        return found

    def _read(self, photo: bytes) -> list[Word]:
        async def ask(content: NDArray[np.uint8]) -> list[ReadWord]:
            # A reader that was killed leaves its callers waiting for longer than its timeout.
            with fail_after(READING_TIMEOUT_S):
                read: list[ReadWord] = await self.reader.to_async.call("read", content)
                return read

        # The room's thread is none of the event loop's, so the plain proxy would not work there.
        return read_remotely(photo, lambda content: from_thread.run(ask, content, token=self._loop))

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        self._room.close()
        self._index.close()


def release_ids(release: Release) -> ReleaseIds:
    """The ids that every answer carries."""
    return ReleaseIds(
        release=release.manifest.release,
        model_id=release.manifest.model_id,
        index_id=release.manifest.index_id,
        data_version=release.manifest.data_version,
    )
