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
from photosearch.errors import HomeNotReady, StageFailed
from photosearch.home import Home
from photosearch.report import write_text

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
    home = Home(tmp_path / "shop")
    prepare_home(home, ROOT / "simulator" / "params.yaml")
    write_text(home.root / "dvc.yaml", STAGE % sys.executable)
    write_text(home.root / "stage.py", MAKES)
    return home


def tracked(home: Home) -> list[str]:
    command = ["git", "ls-files"]
    done = subprocess.run(command, cwd=home.root, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_the_login_of_label_studio_never_gets_into_the_home_s_git(home: Home):
    write_text(home.root / "label-studio" / "login.json", "a password")
    commit(home, "Build the dataset")
    assert not [path for path in tracked(home) if path.startswith("label-studio")]


def test_a_home_that_tracked_it_does_so_no_more(home: Home):
    (home.root / ".gitignore").write_text("/releases/\n/mine/\n")
    login = home.root / "label-studio" / "login.json"
    write_text(login, "a password")
    for command in (["add", "--all", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit",
                                            "--quiet", "--message", "before"]):  # fmt: skip
        subprocess.run(["git", *command], cwd=home.root, check=True)
    assert "label-studio/login.json" in tracked(home)
    commit(home, "Build the dataset")
    assert "label-studio/login.json" not in tracked(home)
    assert login.read_text() == "a password"
    assert (home.root / ".gitignore").read_text().startswith("/releases/\n/mine/\n/resume/\n")


def test_what_a_stage_had_made_is_back_after_it_failed(home: Home):
    write_text(home.root / "wanted", "good tags")
    repro(home, "tags")
    write_text(home.root / "wanted", "failure")
    with pytest.raises(StageFailed, match=r"`dvc repro tags` stopped with exit code"):
        repro(home, "tags")
    assert home.tags.read_text() == "good tags"
    write_text(home.root / "wanted", "better tags")
    repro(home, "tags")
    assert home.tags.read_text() == "better tags"


def test_no_release_goes_without_tags_that_a_killed_run_has_removed(home: Home):
    params = SimpleNamespace(home=home, params=SimpleNamespace(tags=None))
    assert _tags(cast(Any, params), "m1") is None
    write_text(home.root / "wanted", "good tags")
    repro(home, "tags")
    home.tags.unlink()
    with pytest.raises(HomeNotReady, match=r"build/tags is gone.*Run `photosearch build`"):
        _tags(cast(Any, params), "m1")


@contextmanager
def held(home: Home) -> Iterator[None]:
    with Repo(str(home.root)).lock:
        yield


def test_a_dvc_that_is_busy_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(versions, "BUSY_WAIT_S", 0.2)
    monkeypatch.setattr(versions, "BUSY_TRIES", 1000)
    write_text(home.catalog / "snapshot.json", "{}")
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
    write_text(home.catalog / "snapshot.json", "{}")
    with held(home), pytest.raises(StageFailed, match="its message is above"):
        commit_data(home, "Pull d1 from toys")
    assert "Unable to acquire lock" in capsys.readouterr().err
