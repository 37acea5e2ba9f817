"""What engineers ask of what is live: how it was made, how good it is, what was live before."""

import json
from collections.abc import Callable
from typing import Any, Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentos.responses import as_json
from photosearch.home import Home
from photosearch.release import SWITCHES, Release, Switch, read_switches
from photosearch.search.schemas import Wire

SWITCHES_TOLD = 20
Facts = dict[str, Any]


class ReleaseReport(Wire):
    """The answer of `GET /v1/release/report`."""

    release: str
    model: Facts | None
    """Ids, head, vector lengths; None: the release was made before there were model cards."""
    data: Facts | None
    """The snapshot that the model was trained on; None, as below: not known."""
    labels: Facts | None
    metrics: Facts | None
    """By slice and vector length, beside the baseline."""
    verdict: Facts | None
    """Of the gate, with its reasons."""
    refused: Facts | None
    """Its verdict of the candidate that it looked at last and kept out."""
    calibration: Facts | None
    """None: too few held-out photos to calibrate on."""
    lineage: Facts | None
    switches: list[Switch] | None
    """The last ones, newest first; None for a service of one packed release."""


class Served(Protocol):
    @property
    def release(self) -> Release: ...


def routes(served: Callable[[], Served]) -> list[Route]:
    """`GET /release/report`; `served` is asked at each request."""

    async def report(_: Request) -> Response:
        answer = await to_thread.run_sync(report_of, served().release)
        return as_json(answer)

    return [Route("/release/report", report)]


def report_of(release: Release) -> ReleaseReport:
    """The model card of a release as it was written, without the settings, and its home's switches.

    Settings may name addresses, and nobody needs them to judge a release.
    """
    card: Facts = json.loads(release.model_card.read_text()) if release.model_card.exists() else {}
    made: Facts = card.get("made_of") or {}
    switches = _switches(release)
    return ReleaseReport(
        release=release.manifest.release,
        model=card.get("model"),
        data=made.get("data"),
        labels=made.get("labels"),
        metrics=made.get("metrics"),
        verdict=made.get("verdict"),
        refused=None if switches is None else _refused(release),
        calibration=card.get("calibration"),
        lineage=card.get("lineage"),
        switches=switches,
    )


def _refused(release: Release) -> Facts | None:
    evaluation = Home(release.folder.parent.parent).evaluation
    try:
        verdict: Facts = json.loads((evaluation / "verdict.json").read_text())
        return None if verdict["is_promoted"] else verdict
    except (OSError, KeyError, TypeError, ValueError):  # none yet, or damaged: `gate` judges anew
        return None


def _switches(release: Release) -> list[Switch] | None:
    releases = release.folder.parent
    if not (releases / SWITCHES).exists():
        return None
    return read_switches(releases)[-SWITCHES_TOLD:][::-1]
