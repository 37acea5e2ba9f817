"""The models an encoder has in memory: of the release in use, and of the one before or after."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from photosearch.embedding.embedder import Embedder
from photosearch.errors import HomeNotReady
from photosearch.release import Release, open_release

IN_MEMORY = 2
"""Models: during a switch searches of both releases are under way."""

log = logging.getLogger(__name__)


class EncoderModels:
    """Gives the model of a release by its name, loaded once; two releases may share one."""

    def __init__(
        self, first: Release, load: Callable[[Release], Embedder], *, releases: Path | None
    ) -> None:
        """Loads the model of `first`.

        Args:
            first: Served from the start; known by its name wherever it lies.
            load: Makes a running model of a release; takes seconds.
            releases: Where other releases lie; None where there are none.
        """
        self._first = first
        self._load = load
        self._releases = releases
        self._model_ids: dict[str, str] = {}
        """By release."""
        self._running: OrderedDict[str, Embedder] = OrderedDict()
        """By model, the one asked for last at the end."""
        self._lock, self._loading = Lock(), Lock()
        self.of(first.manifest.release)

    def of(self, release: str) -> Embedder:
        """The running model of a release; whoever asks for one in memory waits for no other.

        Raises:
            HomeNotReady: This encoder can reach no release of that name.
            BadArtifact, GraphDisagrees: The release cannot be served.
        """
        found = self._in_memory(release)
        if found is not None:
            return found
        with self._loading:
            found = self._in_memory(release)  # somebody else may have loaded it meanwhile
            return found or self._load_of(self._open(release))

    def _in_memory(self, release: str) -> Embedder | None:
        with self._lock:
            model_id = self._model_ids.get(release, "")
            if model_id in self._running:
                self._running.move_to_end(model_id)
            return self._running.get(model_id)

    def _open(self, release: str) -> Release:
        if release == self._first.manifest.release:
            return self._first
        if self._releases is None or not release or Path(release).name != release:
            raise HomeNotReady(
                f"The encoder serves release {self._first.manifest.release} and was asked for "
                f"{release}, of which it has no folder. Restart the service."
            )
        return open_release(self._releases / release)

    def _load_of(self, release: Release) -> Embedder:
        model_id = release.manifest.model_id
        running = self._running.get(model_id) or self._load(release)
        with self._lock:
            self._model_ids[release.manifest.release] = model_id
            self._running[model_id] = running
            self._running.move_to_end(model_id)
            if len(self._running) > IN_MEMORY:
                dropped, _ = self._running.popitem(last=False)
                log.info("model %s is not asked for any more: dropped", dropped)
        return running
