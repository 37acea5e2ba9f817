"""The service that shoppers talk to: it sees, finds and shows, but runs no model itself."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import bentoml
import numpy as np
from anyio import fail_after, from_thread
from anyio.lowlevel import current_token
from numpy.typing import NDArray

from bentos.access import access_of
from bentos.answers import Answers
from bentos.answers_log import LoggedAnswers
from bentos.api import make_app
from bentos.aside import Aside
from bentos.by_arm import PipelineByArm, Trial, follow_experiments
from bentos.current import Current, follow
from bentos.detector_client import RemoteDetector, Shrunk
from bentos.encoder import TIMEOUT_S as MODELS_TIMEOUT_S
from bentos.encoder import Encoder
from bentos.encoder_client import Asked, Encoded, RemoteEmbedder
from bentos.gathering import encode_together
from bentos.line import Caller
from bentos.opened import Opened, settle
from bentos.reader import TIMEOUT_S as READING_TIMEOUT_S
from bentos.reader import Reader
from bentos.reader_client import ReadWord, draw_remotely, read_remotely
from bentos.reading_time import READ_WITHIN_S, time_to_read
from bentos.served import followed_releases, served_release
from bentos.turns import Turns
from photosearch.catalog.seen_photo import see
from photosearch.embedding.model import TOWER
from photosearch.embedding.preprocess import read_preprocessing
from photosearch.feedback.experiments import Experiment
from photosearch.home import Home
from photosearch.perception.detector import Found
from photosearch.perception.reader import Word
from photosearch.progress import configure_logging
from photosearch.release import Release, open_release
from photosearch.search.catalogue import Catalogue
from photosearch.search.enrich import CardFactsTable
from photosearch.search.kept import Kept
from photosearch.search.map_desk import KEPT_S, PHOTOS_KEPT, Explained, MapDesk, MapWanted
from photosearch.search.pipeline import make_pipeline
from photosearch.search.reading_room import ReadingRoom
from photosearch.settings import load_services
from photosearch.tagging.tag_list import open_tag_list

LONGEST_CALL_S = 150
"""BentoML's own limit: beyond the longest body and the longest search that settings allow."""
PROBE_S, READY_S = 2, 5
"""For each part, and for all."""
ASIDE = Aside()
"""Where what is read in another process stands while searches run in this one."""
TURNS = Turns(aside=ASIDE)
"""Of all searches of this process."""

log = logging.getLogger(__name__)


# One worker: a second process cannot open the same embedded index.
@bentoml.service(
    name="search",
    workers=1,
    traffic={"timeout": LONGEST_CALL_S},
    metrics={"enabled": False},  # ours are: see metrics.py, which logs calls too
    tracing={"excluded_urls": ["."]},  # all of them: nobody collects these traces
    logging={"access": {"enabled": False}},
    # Its own look at the others hung for a minute where one of them was stopped.
    runner_probe={"enabled": False},
)
@bentoml.asgi_app(make_app(bentoml.get_current_service, TURNS), path="/")
class Search:
    encoder = bentoml.depends(Encoder)
    reader = bentoml.depends(Reader)

    def __init__(self) -> None:
        from photosearch.assembly_events import open_events

        configure_logging()
        self._services = load_services()
        self._loop = current_token()
        self._room = ReadingRoom(self._read, waiting_max=self._services.articles_waiting_max)
        self._models = Caller(self._line_to_models, timeout_s=MODELS_TIMEOUT_S)
        self._explained: Kept[str, Explained] = Kept(n_max=PHOTOS_KEPT, keep_s=KEPT_S)
        first = self._open(served_release(self._services))
        self._current = Current(first, let_go=lambda opened: opened.close())
        self._followed = followed_releases(self._services)
        self._trial = Current(Trial(), let_go=lambda trial: trial.close())
        self.events = open_events(self._services)
        self.pipeline: Answers = PipelineByArm(self._current, self._trial)
        if self.events is not None:
            self.pipeline = LoggedAnswers(self.pipeline, self.events.log_answer)
        self._following: list[asyncio.Task[None]] = []

        self.access = access_of(self._services)
        self._probing = Turns(at_once=1, is_counted=False)
        settle()

    @property
    def catalogue(self) -> Catalogue:
        """The cards and tags of the release that answers now."""
        return self._current.value.catalogue

    @property
    def release(self) -> Release:
        """The release that answers now."""
        return self._current.value.release

    @property
    def releases(self) -> list[Release]:
        """The live one, and the one that an experiment tries beside it."""
        beside = self._trial.value.beside.values()
        return [self.release, *(opened.release for opened in beside)]

    @property
    def experiment(self) -> Experiment | None:
        """The one by which shoppers are parted now."""
        return self._trial.value.experiment

    @property
    def experiments(self) -> Path | None:
        """Where experiments lie; None for a release that was named or packed."""
        return None if self._followed is None else Home(self._followed.parent).experiments

    async def __is_ready__(self) -> bool:
        """Whether the index is searched, and encoder and reader answer; False after seconds."""
        try:
            with fail_after(READY_S):
                await self._probing.take(self._probe, deadline_s=PROBE_S)
                others = [self.encoder.is_ready(PROBE_S), self.reader.is_ready(PROBE_S)]
                return all(await asyncio.gather(*others))
        # Whatever they are made of: /readyz says 503, and the log why.
        except Exception as error:
            log.warning("not ready: %s: %s", type(error).__name__, error)
            return False

    def _probe(self) -> None:
        with self._current.held() as opened:
            opened.probe()
        self._models.call("is_there")

    def _open(self, release: Release) -> Opened:
        from photosearch.assembly_online import with_learned_order
        from photosearch.assembly_search import Eyes, complete, finder_of, release_ids
        from photosearch.assembly_serving import open_index_apart

        manifest = release.manifest
        preprocessing = read_preprocessing(release.model / TOWER)
        embedder = RemoteEmbedder(
            manifest.model_id,
            tuple(manifest.lengths),
            release=manifest.release,
            preprocessing=preprocessing,
            encode=self._encode,
        )
        cards = CardFactsTable(release.cards, release.thumbnail_table)
        with ExitStack() as stack:
            index = stack.enter_context(closing(open_index_apart(release, self._services)))
            finder = stack.enter_context(finder_of(release, index))
            plain = make_pipeline(
                release_ids(release), embedder,
                finder=finder, cards=cards,
                decode=partial(see, sees_px=preprocessing.image_px),
            )  # fmt: skip
            pipeline = complete(
                replace(plain, embed=embedder.look),
                release,
                cards=cards,
                index=index,
                eyes=Eyes(
                    lambda seen_by: (
                        RemoteDetector(seen_by, release=manifest.release, find=self._find).look
                    ),
                    self._room,
                    self._services.articles_wait_ms,
                ),
            )
            desk = MapDesk(manifest.release, cards, self._explained, self._draw)
            pipeline = with_learned_order(replace(pipeline, maps=desk), release, self._services)
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
        settle()

    def _try(self, releases: Path, experiment: Experiment | None) -> None:
        """Parts shoppers by `experiment` from now on; searches under way end as they began."""
        beside: dict[str, Opened] = {}
        name = None if experiment is None else experiment.release
        if name is not None:
            release = open_release(releases / name)
            self.encoder.to_sync.prepare(release=name)
            beside = {name: self._open(release)}
        self._trial.switch(Trial(experiment, beside))
        settle()

    def _line_to_models(self) -> str:
        # Looked up late: BentoML gives its proxy the method `line` only after our __init__.
        address: str = self.encoder.to_sync.line()
        return address

    def _encode(self, photos: list[Asked]) -> list[Encoded]:
        encoded: list[Encoded] = encode_together(photos, partial(self._models.call, "embed"))
        return encoded

    def _find(self, photo: Shrunk) -> Callable[[], list[Found]]:
        return self._models.begin("find", photo)

    def _read(self, photo: bytes) -> list[Word]:
        async def ask(content: NDArray[np.uint8]) -> list[ReadWord]:
            await time_to_read(TURNS, is_waited_for=self._is_waited_for)
            # A reader that was killed leaves its callers waiting for longer than its timeout.
            with fail_after(READING_TIMEOUT_S):
                pid: int = await self.reader.to_async.call("pid")
                with ASIDE.reading(pid or None, most_s=self._stands_most_s):
                    read: list[ReadWord] = await self.reader.to_async.call("read", content)
                    return read

        # The room's thread is none of the event loop's, so the plain proxy would not work there.
        return read_remotely(photo, lambda content: from_thread.run(ask, content, token=self._loop))

    @property
    def _is_waited_for(self) -> bool:
        return self._services.articles_wait_ms > 0

    @property
    def _stands_most_s(self) -> float:
        """A search that waits for its own words must not stop their reading."""
        return 0.0 if self._is_waited_for else READ_WITHIN_S

    def _draw(self, wanted: MapWanted) -> bytes:
        async def ask(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
            with fail_after(READING_TIMEOUT_S):
                drawn: NDArray[np.uint8] = await self.reader.to_async.call(
                    "draw", photo, list(wanted.box or ()), wanted.release, wanted.thumbnail
                )
                return drawn

        return draw_remotely(wanted, lambda photo: from_thread.run(ask, photo, token=self._loop))

    # Not a thread of ours: BentoML's proxy of the encoder wants one that its event loop started.
    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def follow(self) -> None:
        if self._followed is None or self.experiments is None:
            return
        served = partial(follow, self._followed, self._switch)
        tried = partial(follow_experiments, self.experiments, partial(self._try, self._followed))
        self._following = [
            asyncio.create_task(served(served=lambda: self.release.manifest.release)),
            asyncio.create_task(tried(served=lambda: self.experiment)),
        ]

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        for following in self._following:
            following.cancel()
        self._room.close()
        self._trial.close()
        self._current.close()
        self._models.close()
        if self.events is not None:
            self.events.close()


def anywhere(dim: int) -> NDArray[np.float32]:
    """A unit vector to ask an index with, (dim,)."""
    vector = np.zeros(dim, np.float32)
    vector[0] = 1
    return vector
