"""Snapshots of a home are told apart by what their commits say."""

import subprocess
from pathlib import Path

import pytest
from small_source import card, picture, two_cards, write_folder

from photosearch.catalog.history import as_text, commit_message, read_history
from photosearch.catalog.pull import PullReport, pull
from photosearch.catalog.sources import FolderSource
from photosearch.errors import HomeNotReady
from photosearch.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.root.mkdir()
    git(made, "init", "--quiet")
    return made


def git(home: Home, *arguments: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", *who, *arguments], cwd=home.root, check=True, capture_output=True)


def commit(home: Home, message: str) -> None:
    """What DVC tracks changes its pointer, and git keeps that."""
    pointer = home.root / "data.dvc"
    pointer.write_text((pointer.read_text() if pointer.exists() else "") + "changed\n")
    git(home, "add", "data.dvc")
    git(home, "commit", "--quiet", "--message", message)


def pull_and_commit(home: Home, root: Path) -> PullReport:
    report = pull(FolderSource(root), home)
    commit(home, commit_message(report))
    return report


def test_snapshots_are_told_newest_first_with_what_changed(tmp_path: Path, home: Home):
    first = pull_and_commit(home, two_cards(tmp_path / "shop"))
    commit(home, "Labels of annotators")
    write_folder(tmp_path / "shop", [card("red", "r0.jpg", "new.jpg")], [], new=picture(250))
    second = pull_and_commit(home, tmp_path / "shop")
    told = read_history(home, limit=10)
    assert [pull.data_version for pull in told] == [second.data_version, first.data_version]
    assert [pull.is_current for pull in told] == [True, False]
    text = as_text(told)
    assert f"{second.data_version}  " in text
    assert "folder shop" in text
    assert "<- data/ now" in text.splitlines()[0]
    assert "1 cards, 2 photos, 0 reviews; 0 left out; 1 new images" in text
    assert "cards: 0 new, 1 changed, 1 gone" in text
    assert "cards: 2 new, 0 changed, 0 gone" in text
    assert len(read_history(home, limit=1)) == 1


def test_a_commit_that_says_little_is_told_all_the_same(tmp_path: Path, home: Home):
    pull(FolderSource(two_cards(tmp_path / "shop")), home)
    commit(home, "Pull 0123abcd from folder shop")
    (told,) = read_history(home, limit=10)
    assert (told.data_version, told.source, told.is_current) == ("0123abcd", "folder shop", False)
    assert "its commit does not say more" in as_text([told])


def test_no_history_says_what_to_do(tmp_path: Path):
    assert as_text([]) == "No snapshot was committed yet. Run `photosearch pull`."
    (tmp_path / "bare").mkdir()
    with pytest.raises(HomeNotReady, match=r"has no history of snapshots .*Run `photosearch pull`"):
        read_history(Home(tmp_path / "bare"), limit=5)
