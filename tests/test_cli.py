"""The command line as people meet it: an error is one line, exit code 2, and no traceback."""

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from processes import ROOT, environment_of, run
from small_source import picture, two_cards, write_folder
from told_events import NOW, an_answer, an_event

from photosearch.feedback.store import open_store
from photosearch.home import Home

PARAMS = (ROOT / "simulator" / "params.yaml").read_text()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home where nothing was run yet."""
    home = tmp_path / "home"
    (home / ".dvc").mkdir(parents=True)
    (home / "params.yaml").write_text(PARAMS)
    return home


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("photosearch: ")
    assert done.stdout == ""
    return line


def test_events_are_told_by_day_and_pruned_by_age(home: Path, tmp_path: Path):
    with closing(open_store(f"sqlite:///{Home(home).event_log}")) as store:
        store.keep([an_event(kind="click"), an_event()])
        store.log_answer(an_answer(at=NOW - timedelta(days=4000)))
    told = run("events", "--home", home, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert f"sqlite:///{home}/data/events/events.sqlite" in told.stdout
    assert told.stdout.splitlines()[-1].split() == ["all", "days", "1", "1", "1", "0", "0", "0"]
    pruned = run("events", "prune", "--home", home, folder=tmp_path)
    assert pruned.stdout == "0 events and 1 answers older than 180 days removed\n"


def test_a_source_that_does_not_exist_is_named_and_no_home_is_made(tmp_path: Path):
    done = run("demo", "--source", "nowhere", "--home", "made", folder=tmp_path)
    assert complaint(done) == (
        "photosearch: nowhere is not a folder. Name one that holds cards.jsonl and images."
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("verb", ["demo", "pull"])
def test_an_empty_folder_is_told_what_it_lacks(verb: str, tmp_path: Path, home: Path):
    (tmp_path / "empty").mkdir()
    done = run(verb, "--source", "empty", "--home", home, folder=tmp_path)
    assert "empty has no cards.jsonl. Write one line of JSON a card into it" in complaint(done)


def test_a_folder_that_is_no_home_is_told_how_to_get_one(tmp_path: Path):
    line = complaint(run("gate", "--home", "elsewhere", folder=tmp_path))
    assert "elsewhere is not a home folder" in line
    assert "Run `photosearch demo` to make one" in line


def test_measuring_without_a_release_says_how_to_get_one(tmp_path: Path, home: Path):
    source = two_cards(tmp_path / "source")
    done = run("evaluate", "--source", source, "--home", home, folder=tmp_path)
    assert "has no live release yet. Run `photosearch demo` first." in complaint(done)


def test_an_unknown_key_in_params_is_named(tmp_path: Path, home: Path):
    (home / "params.yaml").write_text(PARAMS.replace("{cards: 120,", "{cards: 120, colour: 3,"))
    line = complaint(run("gate", "--home", home, folder=tmp_path))
    assert "params.yaml: simulator.colour: Extra inputs are not permitted (got 3)" in line


@pytest.mark.slow
def test_cards_without_a_title_stop_the_pull_once_and_in_one_line(tmp_path: Path, home: Path):
    rows = [{"card_id": "red", "images": ["r0.jpg"]}, {"card_id": "blue", "images": ["r0.jpg"]}]
    source = write_folder(tmp_path / "source", rows, r0=picture(9))
    done = run("pull", "--source", source, "--home", home, folder=tmp_path)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("photosearch: ")]
    assert "title" in line
    assert "Traceback" not in done.stderr
    assert "retr" not in done.stderr.lower()


def test_help_needs_no_framework():
    script = (
        "import sys; from photosearch.cli import app; app(['--help'], standalone_mode=False);"
        "heavy = {'torch', 'prefect', 'lightning', 'pandas', 'open_clip'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environment_of(ROOT), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for verb in ("demo", "pull", "evaluate", "serve", "stop", "flows"):
        assert verb in done.stdout
