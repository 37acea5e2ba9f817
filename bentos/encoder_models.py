"""The models an encoder has in memory: of the releases in use, and of the one before or after."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from bentos.looking import Looker, compares_tokens
from photosearch.errors import HomeNotReady
from photosearch.release import Release, open_release
from photosearch.search.seeing import read_seeing

if TYPE_CHECKING:  # ONNX Runtime stays out of the search process, which imports this too
    from photosearch.perception.onnx_detector import OnnxDetector

Models = TypeVar("Models")

IN_MEMORY = 3
"""Models: during a switch searches of both releases are under way, and an experiment may try one
more; with two, every other search would load one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """The models of a release."""

    looker: Looker
    detector: "OnnxDetector | None"
    """None: whole photos are searched."""


def what_runs(release: Release) -> str:
    """Names the models of a release: releases of one name share them."""
    model_id, tokens = release.manifest.model_id, compares_tokens(release)
    return f"{model_id} {read_seeing(release.folder)} {tokens=}"


class EncoderModels(Generic[Models]):
    """Gives the models of a release by its name, loaded once; two releases may share them."""

    def __init__(
        self,
        first: Release,
        load: Callable[[Release], Models],
        name_of: Callable[[Release], str],
        *,
        releases: Path | None,
    ) -> None:
        """Loads the models of `first`.

        Args:
            first: Served from the start; known by its name wherever it lies.
            load: Makes running models of a release; takes seconds.
            name_of: Names what it would make.
            releases: Where other releases lie; None where there are none.
        """
        self._first = first
        self._load = load
        self._name_of = name_of
        self._releases = releases
        self._names: dict[str, str] = {}
        """By release."""
        self._running: OrderedDict[str, Models] = OrderedDict()
        """By their name, those asked for last at the end."""
        self._lock, self._loading = Lock(), Lock()
        self.of(first.manifest.release)

    def of(self, release: str) -> Models:
        """The running models of a release; whoever asks for one in memory waits for no other.

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

    def _in_memory(self, release: str) -> Models | None:
        with self._lock:
            name = self._names.get(release, "")
            if name in self._running:
                self._running.move_to_end(name)
            return self._running.get(name)

    def _open(self, release: str) -> Release:
        if release == self._first.manifest.release:
            return self._first
        if self._releases is None or not release or Path(release).name != release:
            raise HomeNotReady(
                f"The encoder serves release {self._first.manifest.release} and was asked for "
                f"{release}, of which it has no folder. Restart the service."
            )
        return open_release(self._releases / release)

    def _load_of(self, release: Release) -> Models:
        name = self._name_of(release)
        running = self._running.get(name) or self._load(release)
        with self._lock:
            self._names[release.manifest.release] = name
            self._running[name] = running
            self._running.move_to_end(name)
            if len(self._running) > IN_MEMORY:
                dropped, _ = self._running.popitem(last=False)
                log.info("models %s are not asked for any more: dropped", dropped)
        return running
