"""Each shopper is answered by their arm of the experiment; knows neither models nor HTTP."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from bentos.current import TRY_AGAIN_AFTER_S, Current, watch
from bentos.opened import Opened
from photosearch.feedback.experiments import Arm, Experiment, arm_of, running_experiment
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import (
    CardsResponse,
    DetectResponse,
    InExperiment,
    ReadArticles,
    SearchResponse,
)

Told = TypeVar("Told", SearchResponse, CardsResponse)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried now, ready to answer."""

    experiment: Experiment | None = None
    beside: Mapping[str, Opened] = field(default_factory=dict)
    """The releases that arms name, by name; none where all arms take the live one."""

    def close(self) -> None:
        """Lets go of the releases; called when their last search is done."""
        for opened in self.beside.values():
            opened.close()


class PipelineByArm:
    """Answers each request by one release from its first step to its last: see SearchPipeline."""

    def __init__(self, live: Current[Opened], trial: Current[Trial]) -> None:
        self._live, self._trial = live, trial

    def answer(self, request: SearchRequest) -> SearchResponse:
        with self._of(request) as (pipeline, told):
            return in_experiment(pipeline.answer(request), told)

    def answer_words(self, request: SearchRequest) -> CardsResponse:
        with self._of(request) as (pipeline, told):
            return in_experiment(pipeline.answer_words(request), told)

    def answer_alike(self, card_id: str, request: SearchRequest) -> CardsResponse:
        with self._of(request) as (pipeline, told):
            return in_experiment(pipeline.answer_alike(card_id, request), told)

    def detect(self, request: SearchRequest) -> DetectResponse:
        with self._of(request) as (pipeline, _):
            return pipeline.detect(request)

    def articles_of(self, query_id: str) -> ReadArticles:
        with self._live.held() as live, self._trial.held() as trial:
            # All desks share one reading room: any of them finds the queries of every release.
            pipelines = [opened.pipeline for opened in (live, *trial.beside.values())]
            reads = (pipeline for pipeline in pipelines if pipeline.articles is not None)
            return next(reads, live.pipeline).articles_of(query_id)

    def map_of(self, query_id: str, card_id: str | None) -> bytes:
        with self._live.held() as live:  # desks share their photos: any finds those of all releases
            return live.pipeline.map_of(query_id, card_id)

    @contextmanager
    def _of(self, request: SearchRequest) -> Iterator[tuple[SearchPipeline, InExperiment | None]]:
        """What answers a request, and what it is told of the experiment."""
        with self._trial.held() as trial, self._live.held() as live:
            experiment = trial.experiment
            arm = None if experiment is None else arm_of(experiment, request.shopper)
            if experiment is None or arm is None:
                yield live.pipeline, None
                return
            opened = trial.beside[arm.release] if arm.release else live
            told = InExperiment(name=experiment.name, arm=arm.name)
            yield without(opened.pipeline, arm), told


def in_experiment(answered: Told, told: InExperiment | None) -> Told:
    """The answer, which says whether its shopper takes part in an experiment."""
    return answered if told is None else answered.model_copy(update={"experiment": told})


def without(pipeline: SearchPipeline, arm: Arm) -> SearchPipeline:
    """The pipeline less the steps that an arm does without."""
    if not arm.ranker:
        # the curve is of scores that the ranker made: of others it would say what is not so
        pipeline = replace(pipeline, rank=pipeline.unranked, calibration=None)
    if not arm.late_interaction:
        pipeline = replace(pipeline, late_interaction=None)
    if not arm.rerank:
        pipeline = replace(pipeline, rerank=None)
    return pipeline


async def follow_experiments(
    folder: Path,
    serve: Callable[[Experiment | None], None],
    *,
    served: Callable[[], Experiment | None],
) -> None:
    """Watches the experiments of a home until it is cancelled, and has a service follow them.

    Args:
        folder: Of all experiments; may not exist yet.
        serve: Takes up an experiment whole, or raises; None ends the one before. Called in a
            worker thread.
        served: The one in use.
    """
    await watch(lambda: _look(folder, serve, served))


def _look(
    folder: Path,
    serve: Callable[[Experiment | None], None],
    served: Callable[[], Experiment | None],
) -> bool:
    """Takes up what runs, if it is something else; False if that failed."""
    try:
        running, before = running_experiment(folder), served()
        if running == before:
            return True
        if running is None or before is not None:
            serve(None)  # at once, and whatever comes of the next one
        if running is not None:
            serve(running)
    # Nobody is in an experiment that cannot be served whole: half of one would compare nothing.
    except Exception as error:
        log.warning(
            "cannot take up the experiment of %s (%s: %s); next try in %.0f s",
            folder, type(error).__name__, error, TRY_AGAIN_AFTER_S,
        )  # fmt: skip
        return False
    log.info("experiment in use: %s", "none" if running is None else running.name)
    return True
