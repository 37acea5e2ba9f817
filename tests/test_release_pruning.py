"""Old releases leave the disk; what somebody may go back to stays."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_release_folder import RECIPE

from photosearch.release import Manifest, list_releases, roll_back, seal, switch_live
from photosearch.search.release_pruning import prune_releases
from photosearch.search.release_recipe import clear_unfinished


def made(releases: Path, name: str) -> str:
    """A whole release; later names are newer."""
    folder = releases / name
    (folder / "index").mkdir(parents=True)
    (folder / "index" / "vectors").write_bytes(b"many")
    manifest = Manifest(name, "m", "i", "d", "exact", 4, [4], 1, 1, f"2026-11-21T{name[2:]}", 1.0)
    seal(folder, manifest)
    return name


def left(releases: Path) -> list[str]:
    return [release.manifest.release for release in list_releases(releases)]


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """Six releases, each live after the other: r-1 to r-6."""
    for number in range(1, 7):
        switch_live(tmp_path, made(tmp_path, f"r-{number}"))
    return tmp_path


def test_the_live_release_and_those_live_before_it_stay(releases: Path):
    assert prune_releases(releases, RECIPE.engine, kept=2) == ["r-1", "r-2", "r-3"]
    assert left(releases) == ["r-4", "r-5", "r-6"]
    assert not list(releases.glob(".*"))


def test_there_is_always_a_way_back(releases: Path):
    prune_releases(releases, RECIPE.engine, kept=1)
    assert roll_back(releases, to=None, because="dear").manifest.release == "r-5"


def test_after_a_way_back_the_old_one_that_is_live_stays(releases: Path):
    roll_back(releases, to="r-2", because="the new ones are worse")
    prune_releases(releases, RECIPE.engine, kept=1)
    assert left(releases) == ["r-2", "r-6"]


def test_a_release_that_somebody_needs_is_spared(releases: Path):
    prune_releases(releases, RECIPE.engine, kept=1, spare=["r-1"])
    assert left(releases) == ["r-1", "r-5", "r-6"]


def test_a_newer_release_that_was_never_live_stays(releases: Path):
    made(releases, "r-7")
    prune_releases(releases, RECIPE.engine, kept=1)
    assert left(releases) == ["r-5", "r-6", "r-7"]


def test_a_killed_removal_leaves_nothing_that_looks_whole_and_is_finished_later(
    releases: Path, monkeypatch: pytest.MonkeyPatch
):
    discarded: list[str] = []
    engine = replace(RECIPE.engine, discard=discarded.append)
    with monkeypatch.context() as killed:
        killed.setattr("photosearch.search.release_pruning.clear_unfinished", stopped)
        with pytest.raises(KeyboardInterrupt):
            prune_releases(releases, engine, kept=2)
    assert left(releases) == ["r-4", "r-5", "r-6"]
    clear_unfinished(releases, engine)
    assert not list(releases.glob(".*"))
    assert sorted(discarded) == ["r-1", "r-2", "r-3"]


def stopped(*_: object) -> None:
    raise KeyboardInterrupt
