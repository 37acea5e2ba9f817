"""Git and DVC of a home: what stays out of them, and stages that fail or meet another DVC."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dvc.repo import Repo
from processes import ROOT

from flows import versions
from flows.versions import commit, commit_data, prepare_home, repro
from photosearch.assembly_parts import _tags
from photosearch.catalog.pull import Snapshot
from photosearch.errors import HomeNotReady, StageFailed
from photosearch.feedback.impressions import prepare_weak_pairs
from photosearch.home import Home
from photosearch.report import save_report, write_text

PARAMS = ROOT / "simulator" / "params.yaml"
STAGE = """
stages:
  tags:
    cmd: %s stage.py
    deps: [wanted]
    outs: [build/tags]
"""
MAKES = "import pathlib, sys\nout = pathlib.Path('build/tags')\nassert not out.exists()\n"
MAKES += "said = pathlib.Path('wanted').read_text()\nif said == 'failure': sys.exit(3)\n"
MAKES += "out.parent.mkdir(exist_ok=True)\nout.write_text(said)\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with git, DVC and a snapshot of nothing."""
    home = Home(tmp_path / "shop")
    prepare_home(home, PARAMS)
    save_report(home.catalog / "snapshot.json", Snapshot("folder toys", 1, 1, 0, {}, "d1"))
    return home


@pytest.fixture
def staged(home: Home) -> Home:
    """The same with one stage, which fails where `wanted` says so."""
    write_text(home.root / "dvc.yaml", STAGE % sys.executable)
    write_text(home.root / "stage.py", MAKES)
    return home


def git(home: Home, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=home.root, check=True, capture_output=True, text=True).stdout


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode)
        for path in root.rglob("*")
        if path.is_file() and "tmp" not in path.parts
    }


def tracked(home: Home) -> list[str]:
    return git(home, "ls-files").split()


def test_preparing_a_home_twice_changes_nothing(home: Home):
    (home.root / "params.yaml").write_text(PARAMS.read_text() + "# mine\n")
    before = contents(home.root)
    prepare_home(home, PARAMS)
    assert contents(home.root) == before
    assert (home.root / "dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text()


def test_data_is_tracked_by_dvc_and_committed_once(home: Home):
    assert commit_data(home, "Pull d1 from toys")
    assert not commit_data(home, "Pull d1 from toys")
    assert git(home, "log", "--format=%s").splitlines() == ["Pull d1 from toys"]
    tracked = git(home, "ls-files").split()
    assert "data.dvc" in tracked
    assert not [path for path in tracked if path.startswith("data/")]
    assert git(home, "status", "--short") == ""

    save_report(home.catalog / "snapshot.json", Snapshot("folder toys", 2, 2, 0, {}, "d2"))
    assert commit_data(home, "Pull d2 from toys")
    assert "data.dvc" in git(home, "show", "--stat", "--format=")


def test_the_log_of_events_is_no_version_of_the_data(home: Home):
    """A service writes it meanwhile: DVC must neither read it nor put a link in its place."""
    (home.root / ".dvcignore").write_text("# of a home that was made before there was a log\n")
    assert commit_data(home, "Pull d1 from toys")
    home.event_log.parent.mkdir()
    for written in ("", "-wal", "-shm"):
        home.event_log.with_name(home.event_log.name + written).write_text("an event")
    assert not commit_data(home, "Bring 0 clicks")
    prepare_weak_pairs(home)
    assert commit_data(home, "Bring 1 click")
    assert home.event_log.read_text() == "an event"
    assert "events.sqlite" not in git(home, "status", "--short", "--ignored")


def test_the_login_of_label_studio_never_gets_into_the_home_s_git(home: Home):
    write_text(home.root / "label-studio" / "login.json", "a password")
    commit(home, "Build the dataset")
    assert not [path for path in tracked(home) if path.startswith("label-studio")]


def test_a_home_that_tracked_it_does_so_no_more(home: Home):
    (home.root / ".gitignore").write_text("/releases/\n/mine/\n")
    login = home.root / "label-studio" / "login.json"
    write_text(login, "a password")
    git(home, "add", "--all", ".")
    git(home, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--message", "before")
    assert "label-studio/login.json" in tracked(home)
    commit(home, "Build the dataset")
    assert "label-studio/login.json" not in tracked(home)
    assert login.read_text() == "a password"
    assert (home.root / ".gitignore").read_text().startswith("/releases/\n/mine/\n/resume/\n")


def test_what_a_stage_had_made_is_back_after_it_failed(staged: Home):
    write_text(staged.root / "wanted", "good tags")
    repro(staged, "tags")
    write_text(staged.root / "wanted", "failure")
    with pytest.raises(StageFailed, match=r"`dvc repro tags` stopped with exit code"):
        repro(staged, "tags")
    assert staged.tags.read_text() == "good tags"
    write_text(staged.root / "wanted", "better tags")
    repro(staged, "tags")
    assert staged.tags.read_text() == "better tags"


def test_no_release_goes_without_tags_that_a_killed_run_has_removed(staged: Home):
    params = SimpleNamespace(home=staged, params=SimpleNamespace(tags=None))
    assert _tags(cast(Any, params), "m1") is None
    write_text(staged.root / "wanted", "good tags")
    repro(staged, "tags")
    staged.tags.unlink()
    with pytest.raises(HomeNotReady, match=r"build/tags is gone.*Run `photosearch build`"):
        _tags(cast(Any, params), "m1")


@contextmanager
def held(home: Home) -> Iterator[None]:
    with Repo(str(home.root)).lock:
        yield


def test_a_dvc_that_is_busy_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(versions, "BUSY_WAIT_S", 0.2)
    monkeypatch.setattr(versions, "BUSY_TRIES", 1000)
    with ThreadPoolExecutor() as pool:
        with held(home):
            added = pool.submit(commit_data, home, "Pull d1 from toys")
            with pytest.raises(TimeoutError):
                added.result(timeout=5)
        assert added.result(timeout=60)


def test_a_dvc_that_stays_busy_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(versions, "BUSY_WAIT_S", 0.1)
    monkeypatch.setattr(versions, "BUSY_TRIES", 2)
    with held(home), pytest.raises(StageFailed, match="its message is above"):
        commit_data(home, "Pull d1 from toys")
    assert "Unable to acquire lock" in capsys.readouterr().err
