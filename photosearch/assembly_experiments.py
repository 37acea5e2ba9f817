"""Where settings become an experiment: the home's releases before, its log of events after."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from photosearch.assembly_events import events_of
from photosearch.feedback.experiments import Experiment, Plan, open_experiment, start
from photosearch.feedback.outcomes import outcomes
from photosearch.feedback.readout import Readout, read_out, save_readout
from photosearch.settings import Settings


def start_experiment(settings: Settings, plan: Plan) -> Experiment:
    """Starts an experiment in a home, to be read as its params say; raises what `start` raises."""
    return start(
        settings.home.experiments,
        plan,
        releases=settings.home.releases,
        rules=settings.params.experiments,
        at=datetime.now(UTC),
    )


def read_experiment(settings: Settings, name: str | None) -> tuple[Path, Readout]:
    """Reads the log of a home for an experiment, the newest without a name; keeps what came out.

    Raises:
        HomeNotReady: There is no such experiment.
        EventsUnavailable: The log does not answer.
    """
    folder, now = settings.home.experiments, datetime.now(UTC)
    experiment = open_experiment(folder, name)
    with closing(events_of(settings)) as store:
        answers = (answer for _, answer in store.answers_after(0))
        done = outcomes(experiment, answers, store.events(), now=now)
    readout = read_out(experiment, done, now=now)
    return save_readout(folder, readout), readout
