"""A served index lives in a process of its own: it holds up nobody, and outlives nobody."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from photo_vectors import clustered, names

from photosearch.errors import DimensionMismatch, ForeignIndex, IndexUnavailable
from photosearch.index.filters import CardFilter
from photosearch.index.index_process import IndexProcess
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index.vector_index import ExactIndex, SearchedIndex

WITHIN_S = 60
HELD_S = 4
VECTORS = clustered(50, 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed index of 50 photos."""
    index = QdrantEdgeIndex.create(tmp_path / "index", dim=16, model_id="m")
    index.add(*names(50), VECTORS)
    index.close()
    return tmp_path / "index"


@pytest.fixture
def apart(folder: Path) -> Iterator[IndexProcess]:
    index = IndexProcess(partial(QdrantEdgeIndex.open_copy, folder, model_id="m"))
    yield index
    index.close()


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waits for counts as ended."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_it_answers_as_the_index_would_here(folder: Path, apart: IndexProcess):
    _, listings = names(50)
    own = CardFilter(category=listings[3].category[:1])
    here = QdrantEdgeIndex.open(folder, model_id="m")
    assert apart.dim == 16
    for where in (None, own):
        asked = (one.nearest(VECTORS[3], limit=5, where=where) for one in (here, apart))
        first, second = asked
        assert first == second
    cards = [listings[1].card_id, "unknown"]
    (one_card,) = apart.vectors_of(cards).items()
    assert one_card[0] == cards[0]
    assert one_card[1][1] == pytest.approx(here.vectors_of(cards)[cards[0]][1])
    here.close()


def test_what_opening_or_asking_raises_is_raised_here(folder: Path, apart: IndexProcess):
    with pytest.raises(ForeignIndex, match="m") as there:
        IndexProcess(partial(QdrantEdgeIndex.open_copy, folder, model_id="another"))
    with pytest.raises(ForeignIndex) as here:
        QdrantEdgeIndex.open(folder, model_id="another")
    assert str(there.value) == str(here.value)
    with pytest.raises(DimensionMismatch):
        apart.nearest(VECTORS[0][:8], limit=1)
    with pytest.raises(TypeError):
        apart.vectors_of(7)  # type: ignore[arg-type]
    assert apart.nearest(VECTORS[3], limit=1)[0].photo_id == "p00003"


def hold_the_lock() -> SearchedIndex:
    """Opens as the engine does: nothing else of its process runs meanwhile."""
    ctypes.PyDLL(None).sleep(HELD_S)
    return ExactIndex(16)


def test_an_engine_that_holds_its_interpreter_does_not_hold_ours():
    beats, is_open = [time.monotonic()], threading.Event()

    def beat() -> None:
        while not is_open.wait(0.01):
            beats.append(time.monotonic())

    beating = threading.Thread(target=beat)
    beating.start()
    IndexProcess(hold_the_lock).close()
    is_open.set()
    beating.join()
    assert max(after - before for before, after in pairwise(beats)) < HELD_S


def test_an_index_whose_process_is_killed_is_opened_again(apart: IndexProcess):
    os.kill(apart.pid, signal.SIGKILL)
    with pytest.raises(IndexUnavailable, match="Try again in a few seconds"):
        apart.nearest(VECTORS[3], limit=1)
    assert apart.nearest(VECTORS[3], limit=1)[0].photo_id == "p00003"


def test_a_closed_index_ends_its_process_and_removes_its_copy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setenv("TMPDIR", str(copies))
    index = IndexProcess(partial(QdrantEdgeIndex.open_copy, folder, model_id="m"))
    assert len(list(copies.iterdir())) == 1
    os.kill(index.pid, signal.SIGTERM)  # as a supervisor does to all below a service
    assert index.nearest(VECTORS[3], limit=1)[0].photo_id == "p00003"
    index.close()
    index.close()
    assert gone(index.pid)
    assert list(copies.iterdir()) == []
    with pytest.raises(IndexUnavailable, match="was closed"):
        index.nearest(VECTORS[3], limit=1)


HOLDS_ONE = """
import sys, time
from functools import partial
from pathlib import Path
from photosearch.index.index_process import IndexProcess
from photosearch.index.qdrant_edge import QdrantEdgeIndex
index = IndexProcess(partial(QdrantEdgeIndex.open_copy, Path(sys.argv[1]), model_id="m"))
print(index.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("is_stopped", [False, True])
def test_the_process_ends_with_one_that_is_killed_and_leaves_no_copy(
    folder: Path, tmp_path: Path, is_stopped: bool
):
    copies = tmp_path / "copies"
    copies.mkdir()
    environment = os.environ | {"TMPDIR": str(copies)}
    command = [sys.executable, "-c", HOLDS_ONE, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        assert len(list(copies.iterdir())) == 1
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
        holder.kill()
    assert gone(pid)
    assert list(copies.iterdir()) == []
