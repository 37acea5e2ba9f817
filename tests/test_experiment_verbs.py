"""`photosearch experiment` as people meet it: a plan is started, read, and stopped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from processes import ROOT
from shopping import Log
from typer.testing import CliRunner

from photosearch.cli_experiments import experiments_app
from photosearch.errors import BadParams, HomeNotReady
from photosearch.feedback.experiments import running_experiment
from photosearch.feedback.readout import read_readout
from photosearch.feedback.store import EventStore, open_store
from photosearch.home import Home
from photosearch.release import Manifest, seal, switch_live

PLAN = "name: trial\narms: [{name: now}, {name: new}]\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With a live release and params; nothing was ever tried in it."""
    home = Home(tmp_path / "home")
    (home.root / ".dvc").mkdir(parents=True)
    params = (ROOT / "simulator" / "params.yaml").read_text()
    (home.root / "params.yaml").write_text(
        params.replace("window_hours: 24", "window_hours: 0.01").replace(
            "planned_shoppers: 10000", "planned_shoppers: 1000"
        )
    )
    manifest = Manifest(
        "r1", "m", "i", "d", "exact", 64, [64], 1, 1, "2026-11-21", 1.0, has_graph=True
    )
    seal(home.releases / "r1", manifest)
    switch_live(home.releases, "r1")
    (tmp_path / "plan.yaml").write_text(PLAN)
    return home


def say(home: Home, *words: str) -> str:
    done = CliRunner().invoke(experiments_app, [*words, "--home", str(home.root)])
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EventStore:
    address = f"sqlite:///{tmp_path / 'events.sqlite'}"
    monkeypatch.setenv("PHOTOSEARCH_EVENTS", address)
    return open_store(address)


def test_a_plan_is_started_shopped_read_and_stopped(
    home: Home, store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "trial runs: now (1), new (1); 100% of shoppers" in say(
        home, "start", str(tmp_path / "plan.yaml")
    )
    shop(home, store)
    assert "too early" in say(home, "report")  # no window is over
    monkeypatch.setattr("photosearch.assembly_experiments.datetime", Later)
    told = say(home, "report", "trial")
    assert "# trial, decided" in told
    assert "new has more answers_clicked than now: +0." in told
    assert "trial is stopped" in say(home, "stop")
    assert "decided: new has more" in say(home, "status")
    assert running_experiment(home.experiments) is None
    kept = read_readout(home.experiments, "trial")
    assert kept is not None
    assert sum(arm.shoppers for arm in kept.arms) == 400
    with pytest.raises(BadParams, match="No experiment runs"):
        say(home, "stop")


def shop(home: Home, store: EventStore) -> None:
    """400 shoppers search once; in the arm `new` they click three times as often."""
    trial = running_experiment(home.experiments)
    assert trial is not None
    log, random, now = Log(trial), np.random.default_rng(3), datetime.now(UTC)
    for number in range(400):
        shopper = f"shopper-{number}"
        query_id = log.answer(shopper, now)
        if random.random() < (0.6 if log.answers[-1].arm == "new" else 0.2):
            log.event("click", query_id, now, shopper=shopper)
    for answer in log.answers:
        store.log_answer(answer)
    assert store.keep([stored.event for stored in log.events]) == len(log.events)
    store.close()


class Later(datetime):
    """The clock of a minute later: every window is over."""

    @classmethod
    def now(cls, tz=None) -> datetime:
        return datetime.now(tz) + timedelta(minutes=1)


def test_there_is_nothing_to_read_before_an_experiment(home: Home, store: EventStore):
    store.close()
    with pytest.raises(HomeNotReady, match=r"has no experiment at all \(there are: none yet\)"):
        say(home, "report")
    assert say(home, "status") == ""
