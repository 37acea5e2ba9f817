"""A pull that breaks or is killed leaves the old snapshot, and goes on where it was."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pulled_home
import pytest
from pulled_home import files, n_stored, rows
from small_source import (
    CountingSource,
    card,
    picture,
    two_cards,
    write_folder,
)

from photosearch.catalog import images
from photosearch.catalog.folder_switch import alone
from photosearch.catalog.pull import pull
from photosearch.catalog.sources import FolderSource
from photosearch.errors import EmptySource, HomeNotReady, SourceUnreachable
from photosearch.home import Home

home = pulled_home.home


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, SourceUnreachable])
@pytest.mark.parametrize("breaks_at", [0, 2, 5])
def test_a_broken_pull_goes_on_where_it_was(tmp_path: Path, home: Home, error, breaks_at: int):
    root = two_cards(tmp_path / "shop")
    broken = CountingSource(root, breaks_at=breaks_at, error=error)
    with pytest.raises(error):
        pull(broken, home, threads=1)
    assert not home.catalog.exists()
    rest = CountingSource(root)
    pull(rest, home)
    assert sorted([*broken.reads, *rest.reads]) == sorted(
        ["b0.jpg", "b1.jpg", "b2.jpg", "r0.jpg", "r1.jpg", "r2.jpg", "r3.jpg"]
    )
    whole = Home(tmp_path / "whole")
    pull(FolderSource(root), whole)
    assert files(home) == files(whole)


def test_a_broken_pull_leaves_the_old_snapshot(tmp_path: Path, home: Home):
    pull(FolderSource(two_cards(tmp_path / "shop")), home)
    before = files(home)
    root = write_folder(tmp_path / "new", [card("x", "x.jpg", "y.jpg")], x=picture(9), y=picture(8))
    with pytest.raises(KeyboardInterrupt):
        pull(CountingSource(root, breaks_at=1), home, threads=1)
    assert {name: files(home)[name] for name in before} == before


def interrupted(root: Path, home: Home) -> Path:
    """Fetches five of the seven photos; returns the file that knows so."""
    with pytest.raises(KeyboardInterrupt):
        pull(CountingSource(root, breaks_at=5), home, threads=1)
    return home.resume / "pull.sqlite"


@pytest.mark.parametrize("damage", [b"", b"not a database at all", None])
def test_a_damaged_state_costs_time_and_nothing_else(tmp_path: Path, home: Home, damage):
    root = two_cards(tmp_path / "shop")
    state = interrupted(root, home)
    state.write_bytes(state.read_bytes()[:5000] if damage is None else damage)
    pull(FolderSource(root), home)
    whole = Home(tmp_path / "whole")
    pull(FolderSource(root), whole)
    assert files(home) == files(whole)


def test_a_state_of_another_source_is_not_trusted(tmp_path: Path, home: Home):
    interrupted(two_cards(tmp_path / "here" / "shop"), home)
    twin = two_cards(tmp_path / "there" / "shop")
    (twin / "r0.jpg").write_bytes(picture(201))
    source = CountingSource(twin)
    pull(source, home)
    assert source.reads.total() == 7
    assert images.content_hash(picture(201)) in {row.sha256 for row in rows(home, "photos")}


def test_a_photo_that_changed_since_is_fetched_again(tmp_path: Path, home: Home):
    root = two_cards(tmp_path / "shop")
    interrupted(root, home)
    (root / "r0.jpg").write_bytes(picture(201, 32))
    source = CountingSource(root)
    pull(source, home)
    assert sorted(source.reads) == ["r0.jpg", "r2.jpg", "r3.jpg"]


def test_a_stored_image_that_was_damaged_since_is_fetched_again(tmp_path: Path, home: Home):
    root = two_cards(tmp_path / "shop")
    interrupted(root, home)
    stored = [path for path in home.images.rglob("*") if path.is_file()]
    stored[0].write_bytes(b"half")
    stored[1].unlink()
    source = CountingSource(root)
    pull(source, home)
    assert source.reads.total() == 4
    for photo in rows(home, "photos"):
        content = images.path_of(home.images, photo.sha256).read_bytes()
        assert images.content_hash(content) == photo.sha256


def test_a_kill_between_the_two_renames_is_repaired(tmp_path: Path, home: Home):
    source = FolderSource(two_cards(tmp_path / "shop"))
    pull(source, home)
    before = files(home)
    work = home.data / ".pull"
    (work / "new").mkdir(parents=True)
    home.catalog.rename(work / "old")
    with pytest.raises(EmptySource):
        pull(FolderSource(write_folder(tmp_path / "empty", [])), home)
    assert files(home) == before


def test_a_pull_killed_outright_goes_on(tmp_path: Path, home: Home):
    """The process dies as a machine's does: nothing of it runs any more."""
    photos = {f"p{number}": picture(number) for number in range(50)}  # less than a file's buffer
    cards = [card(name, f"{name}.jpg") for name in photos]
    root = write_folder(tmp_path / "shop", cards, **photos)
    script = (
        "import itertools, sys, time; from pathlib import Path\n"
        "from photosearch.home import Home\n"
        "from photosearch.catalog.pull import pull\n"
        "from photosearch.catalog.sources import FolderSource\n"
        "nth = itertools.count()\n"
        "class Slow(FolderSource):\n"
        "    def read_image(self, address, *, known_mark=''):\n"
        "        time.sleep(0.1 if next(nth) < 35 else 600)  # it never comes to its end\n"
        "        return super().read_image(address, known_mark=known_mark)\n"
        "pull(Slow(Path(sys.argv[1])), Home(Path(sys.argv[2])), threads=2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(root), str(home.root)])
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None and n_stored(home) < 12:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 12 <= n_stored(home) < 50
    source = CountingSource(root)
    pull(source, home)
    assert source.reads.total() <= 40
    whole = Home(tmp_path / "whole")
    pull(FolderSource(root), whole)
    assert files(home) == files(whole)


def test_two_pulls_at_once_are_refused(tmp_path: Path, home: Home):
    source = FolderSource(two_cards(tmp_path / "shop"))
    with (
        alone(home.data, doing="pulling"),
        pytest.raises(HomeNotReady, match=r"is pulling in .*data\. Wait for its end"),
    ):
        pull(source, home)
    assert pull(source, home).cards == 2
