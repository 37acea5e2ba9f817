"""The service that runs the models: pixels in, vectors out in batches, or boxes of things."""

from threading import Lock

import bentoml
from anyio import to_thread

from bentos.batches import Batches
from bentos.detector_client import Shrunk
from bentos.encoder_client import Asked, Encoded
from bentos.encoder_models import EncoderModels, Running, what_runs
from bentos.line import Line
from bentos.looking import load_looker
from bentos.metrics import ENCODED, MODEL_RAN
from bentos.served import followed_releases, served_release
from photosearch.perception.detector import Found
from photosearch.progress import configure_logging
from photosearch.settings import load_services

TIMEOUT_S = 20
PHOTOS_MOST = 8
"""In a batch: more take no less time each."""


@bentoml.service(
    name="encoder",
    workers=1,
    traffic={"timeout": TIMEOUT_S},
    # By default the caller's session is closed every 100 requests or 300 s, which breaks the
    # requests that are under way on it (measured with 8 clients).
    runner_connection={"max_requests": 10**9, "max_age": 10.0**9},
)
class Encoder:
    def __init__(self) -> None:
        from photosearch.assembly_serving import load_served_detector

        configure_logging()
        services = load_services()
        first = served_release(services)
        self._models = EncoderModels(
            first,
            lambda release: Running(load_looker(release, services), load_served_detector(release)),
            what_runs,
            releases=followed_releases(services),
        )
        # Not BentoML's own batching: it sometimes waits for company that does not come.
        self._batches = Batches(
            self._embed,
            lanes=self._models.of(first.manifest.release).looker.n_lanes,
            most=PHOTOS_MOST,
            ran=ENCODED.observe,
        )
        self._finding = Lock()
        # Not BentoML's calls either: decision 53.
        self._line = Line(
            {"embed": self._batches.add, "find": self._find, "is_there": lambda: True}
        )

    @bentoml.api  # type: ignore[untyped-decorator]
    async def line(self) -> str:
        """Where `embed` and `find` are called, by processes of this machine."""
        return self._line.address

    # In a thread beside the one that embeds: searches go on while a model is loaded. It goes on
    # loading after a timeout too, so that the next call finds it done.
    @bentoml.api  # type: ignore[untyped-decorator]
    async def prepare(self, release: str) -> str:
        """Loads the model of a release that is about to be served; returns its id."""
        running = await to_thread.run_sync(self._models.of, release)
        return running.looker.model_id

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        self._line.close()

    def _embed(self, photos: list[Asked], beside: bool) -> list[Encoded]:
        """Embeds photos, each by the model of the release that it names."""
        encoded: dict[int, Encoded] = {}
        for release in {photo.release for photo in photos}:
            places = [place for place, photo in enumerate(photos) if photo.release == release]
            model = self._models.of(release).looker
            with MODEL_RAN.labels("embed").time():
                made = model.look([photos[place].as_image() for place in places], beside)
            for place, one in zip(places, made, strict=True):
                encoded[place] = Encoded(model.model_id, one)
        return [encoded[place] for place in range(len(photos))]

    def _find(self, photo: Shrunk) -> list[Found]:
        """Finds the things on a photo that was shrunk for the detector, surest first."""
        detector = self._models.of(photo.release).detector
        if detector is None:
            return []
        with self._finding, MODEL_RAN.labels("detect").time():  # one at a time: each takes a core
            return detector.find_on(photo.as_image(), photo.size)
