"""A/B experiments: what is tried, who takes part, and in which arm; knows no results.

One runs at a time: every shopper counts for it, no two changes meet in one answer, and a service
holds at most two releases.

    HOME/experiments/NAME.json   the experiment as it was started, and when it was stopped
"""

import hashlib
import re
import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from photosearch.errors import BadArtifact, BadParams, HomeNotReady
from photosearch.experiment_settings import ExperimentParams
from photosearch.frozen import Frozen
from photosearch.release import Release, graph_of, live_release, open_release
from photosearch.report import write_text

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]


class Arm(Frozen):
    """What some of the shoppers get; as it stands here, exactly what is live."""

    name: Name
    weight: float = Field(1.0, gt=0)
    """Its part of the shoppers, by the sum of all weights."""
    release: str = ""
    """Empty: the live one, whichever that is."""
    length: int | None = None
    """Vector length to search with: the one that its release's index holds."""
    ranker: bool = True
    """False: found cards stay in the order of their evidence."""
    late_interaction: bool = True
    rerank: bool = True
    """False: without the re-ranker that learns from clicks."""


class Plan(Frozen):
    """An experiment as somebody writes it down, a YAML file."""

    name: Name
    share: float = Field(1.0, gt=0, le=1)
    """Of shoppers that take part; the others get what is live and count for nothing."""
    arms: list[Arm] = Field(min_length=2, max_length=8)
    """The first one is the control: others are compared with it."""

    @model_validator(mode="after")
    def _arms_differ(self) -> Self:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError(f"two arms have one name: {', '.join(names)}")
        return self


class Experiment(Frozen):
    """A plan that was started; it never changes, but for its end."""

    plan: Plan
    salt: str
    """By chance, and secret: nobody can choose an arm, and no two experiments part people alike."""
    rules: ExperimentParams
    """How it is read."""
    started_at: AwareDatetime
    stopped_at: AwareDatetime | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def release(self) -> str | None:
        """The one beside the live one that arms name; None where all take the live one."""
        return next((arm.release for arm in self.plan.arms if arm.release), None)


def arm_of(experiment: Experiment, shopper: str) -> Arm | None:
    """The arm of a shopper, always the same; None: takes no part, or has no key.

    Source: Kohavi et al. 2020, "Trustworthy Online Controlled Experiments", chapter 14: a hash of
    the key, and of what makes experiments independent of each other.
    """
    if not shopper:
        return None
    key = experiment.salt.encode()
    digest = hashlib.blake2b(shopper.encode(), key=key, digest_size=16).digest()
    takes_part, place = (int.from_bytes(half) / 2**64 for half in (digest[:8], digest[8:]))
    if takes_part >= experiment.plan.share:
        return None
    left = place * sum(arm.weight for arm in experiment.plan.arms)
    for arm in experiment.plan.arms[:-1]:
        left -= arm.weight
        if left < 0:
            return arm
    return experiment.plan.arms[-1]


def read_plan(path: Path) -> Plan:
    """Reads a plan from a YAML file.

    Raises:
        BadParams: It is absent, not YAML, or says something impossible.
    """
    try:
        return Plan.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadParams(f"{path} cannot be read as YAML ({error}). Mend the file.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the plan"
        raise BadParams(f"{path}: {place}: {first['msg']}. See docs/operations.md.") from None


def start(
    folder: Path, plan: Plan, *, releases: Path, rules: ExperimentParams, at: datetime
) -> Experiment:
    """Has services part shoppers by a plan from now on.

    Args:
        folder: Of all experiments.
        plan: What is tried.
        releases: Where the releases lie that arms name.
        rules: How it will be read; later changes of params do not touch it.
        at: Now.

    Raises:
        BadParams: Another one runs, the name was used before, or an arm cannot be served.
        HomeNotReady: Nothing is live.
    """
    running = running_experiment(folder)
    if running is not None:
        raise BadParams(
            f"Experiment {running.name} runs since {running.started_at:%F %H:%M}, and one runs at "
            "a time. Stop it with `photosearch experiment stop`."
        )
    if (folder / f"{plan.name}.json").exists():
        raise BadParams(f"There was an experiment {plan.name} already. Give this one another name.")
    live = live_release(releases)
    _check_arms(plan, live, releases)
    # A live release of another length may come: whoever tries a length stays with this one.
    arms = [
        arm.model_copy(update={"release": arm.release or live.manifest.release})
        if arm.length
        else arm
        for arm in plan.arms
    ]
    plan = plan.model_copy(update={"arms": arms})
    experiment = Experiment(plan=plan, salt=secrets.token_hex(16), rules=rules, started_at=at)
    _write(folder, experiment)
    return experiment


def stop(folder: Path, *, at: datetime) -> Experiment:
    """Gives everybody what is live from now on; raises BadParams where nothing runs."""
    running = running_experiment(folder)
    if running is None:
        raise BadParams("No experiment runs. Start one with `photosearch experiment start PLAN`.")
    stopped = running.model_copy(update={"stopped_at": at})
    _write(folder, stopped)
    return stopped


def running_experiment(folder: Path) -> Experiment | None:
    """The one that was started and not stopped; raises BadArtifact for a damaged file."""
    return next((one for one in experiments(folder) if one.stopped_at is None), None)


def experiments(folder: Path) -> list[Experiment]:
    """All that were ever started, the oldest first; raises BadArtifact for a damaged file."""
    found = [_read(path) for path in folder.glob("*.json")]
    return sorted(found, key=lambda experiment: (experiment.started_at, experiment.name))


def open_experiment(folder: Path, name: str | None) -> Experiment:
    """One experiment by its name; without one, the newest.

    Raises:
        HomeNotReady: There is none.
        BadArtifact: Its file is damaged.
    """
    if name is not None and (folder / f"{name}.json").is_file():
        return _read(folder / f"{name}.json")
    known = experiments(folder)
    if name is None and known:
        return known[-1]
    names = ", ".join(one.name for one in known) or "none yet"
    raise HomeNotReady(
        f"{folder} has no experiment {name or 'at all'} (there are: {names}). Start one with "
        "`photosearch experiment start PLAN`."
    )


def _check_arms(plan: Plan, live: Release, releases: Path) -> None:
    named = {arm.release or (live.manifest.release if arm.length else "") for arm in plan.arms}
    if len(named - {""}) > 1:
        raise BadParams(
            f"Arms name {len(named - {''})} releases ({', '.join(sorted(named - {''}))}). A "
            "service holds two at once, the live one and one beside it: compare one at a time."
        )
    for arm in plan.arms:
        release = live if not arm.release else _servable(arm, releases)
        name, dim = release.manifest.release, release.manifest.dim
        if arm.length not in (None, dim):
            raise BadParams(
                f"Arm {arm.name} searches with length {arm.length}, and the index of release "
                f"{name} holds vectors of length {dim} alone. Build a release with `index: "
                f"{{dim: {arm.length}}}` in params.yaml, and name it in the arm: `release: NAME`."
            )
        if not arm.ranker and not release.ranker.exists():
            raise BadParams(
                f"Arm {arm.name} is without the ranker, and so is release {name}. Train one with "
                "`photosearch ranker` and release it, or leave `ranker` out."
            )


def _servable(arm: Arm, releases: Path) -> Release:
    if Path(arm.release).name != arm.release:
        raise BadParams(f"Arm {arm.name}: {arm.release!r} is no name of a release in {releases}.")
    try:
        release = open_release(releases / arm.release)
        graph_of(release)
    except BadArtifact as error:
        raise BadParams(f"Arm {arm.name} cannot be served: {error}") from None
    return release


def _read(path: Path) -> Experiment:
    try:
        return Experiment.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise BadArtifact(f"{path} is no experiment ({error}). Mend or remove it.") from None


def _write(folder: Path, experiment: Experiment) -> None:
    write_text(folder / f"{experiment.name}.json", experiment.model_dump_json(indent=1) + "\n")
