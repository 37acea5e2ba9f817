"""The service that runs the models: pixels in, vectors out in batches, or boxes of things."""

import bentoml
import numpy as np
from numpy.typing import NDArray

from bentos.detector_client import FoundThing
from bentos.encoder_client import Encoded
from bentos.served import served_release
from photosearch.progress import configure_logging
from photosearch.settings import load_services

TIMEOUT_S = 20


@bentoml.service(
    name="encoder",
    workers=1,
    threads=2,  # one embeds while another finds
    traffic={"timeout": TIMEOUT_S},
    # By default the caller's session is closed every 100 requests or 300 s, which breaks the
    # requests that are under way on it (measured with 8 clients).
    runner_connection={"max_requests": 10**9, "max_age": 10.0**9},
)
class Encoder:
    def __init__(self) -> None:
        from photosearch.assembly_serving import load_served_detector, load_served_embedder

        configure_logging()
        services = load_services()
        release = served_release(services)
        self._embedder = load_served_embedder(release, services)
        self._detector = load_served_detector(release)

    # A request that would wait longer than max_latency_ms is answered 503 at once.
    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=15_000)  # type: ignore[untyped-decorator]
    def embed(self, photos: NDArray[np.uint8]) -> list[Encoded]:
        """Embeds photos of one size, (n_photos, height, width, 3) RGB."""
        from PIL import Image

        vectors = self._embedder.embed([Image.fromarray(photo) for photo in photos])
        model_id = self._embedder.model_id
        return [Encoded(model_id=model_id, vector=vector.tolist()) for vector in vectors]

    @bentoml.api  # type: ignore[untyped-decorator]
    def find(self, photo: NDArray[np.uint8], size: tuple[int, int]) -> list[FoundThing]:
        """Finds the things on a photo that was shrunk for the detector, surest first.

        Args:
            photo: (height, width, 3) RGB.
            size: Width and height before it was shrunk; the boxes are in these pixels.
        """
        from PIL import Image

        if self._detector is None:
            return []
        things = self._detector.find_on(Image.fromarray(photo), size)
        return [FoundThing(box=t.box, confidence=t.confidence, name=t.name) for t in things]
