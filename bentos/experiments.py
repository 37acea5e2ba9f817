"""What is tried on shoppers, and what came of it, for engineers; only sums, nobody's key."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentos.responses import as_json
from photosearch.feedback.experiments import Arm, Experiment, experiments
from photosearch.feedback.readout import Readout, read_readout
from photosearch.search.schemas import Wire


class ToldExperiment(Wire):
    name: str
    share: float
    """Of shoppers that take part."""
    arms: list[Arm]
    """The control first."""
    started_at: datetime
    stopped_at: datetime | None
    """None: it runs."""
    is_served: bool
    """This service parts shoppers by it; the log says why it does not, where one runs."""
    readout: Readout | None
    """What `photosearch experiment report` wrote last; None: it never did."""


class Experiments(Wire):
    """The answer of `GET /v1/experiments`."""

    experiments: list[ToldExperiment]
    """The newest first."""


class Served(Protocol):
    @property
    def experiment(self) -> Experiment | None:
        """The one by which shoppers are parted now."""
        ...

    @property
    def experiments(self) -> Path | None:
        """Where experiments lie; None for a service of one packed release, which tries none."""
        ...


def experiment_routes(served: Callable[[], Served]) -> list[Route]:
    """`GET /experiments`; `served` is asked at each request."""

    async def told(_: Request) -> Response:
        what = served()
        answer = await to_thread.run_sync(tell, what.experiments, what.experiment)
        return as_json(answer)

    return [Route("/experiments", told)]


def tell(folder: Path | None, in_use: Experiment | None) -> Experiments:
    """All experiments of a home, the newest first, each with its last readout."""
    found = [] if folder is None else experiments(folder)
    return Experiments(
        experiments=[
            ToldExperiment(
                name=one.name,
                share=one.plan.share,
                arms=one.plan.arms,
                started_at=one.started_at,
                stopped_at=one.stopped_at,
                is_served=in_use == one,
                readout=None if folder is None else read_readout(folder, one.name),
            )
            for one in reversed(found)
        ]
    )
