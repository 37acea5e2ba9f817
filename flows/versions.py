"""Git and DVC of a home folder: prepares it, commits what the world told us, runs stages."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from photosearch.environment import quiet_environment
from photosearch.errors import StageFailed
from photosearch.home import Home
from photosearch.report import write_text

log = logging.getLogger(__name__)

LINES_KEPT = 50
PIPELINE = Path(__file__).parents[1] / "dvc.yaml"
OUTSIDE_VERSIONS = """/releases/
/resume/
/states/
/bentoml/
/build/text/
/build/ranker/
/build/ranker_work/
/build/late/
/label-studio/
/serve.log
/serve.pid
"""
OUTSIDE_DATA = "/data/events/events.sqlite*\n"
"""The log of events is written while DVC reads: it is no version of anything, and is not linked."""
BUSY, BUSY_TRIES, BUSY_WAIT_S = "Unable to acquire lock", 5, 3.0
"""What DVC says where another one holds the repository."""


def prepare_home(home: Home, params: Path) -> None:
    """Makes `home` a git and DVC repository with pipeline and params; twice changes nothing.

    Args:
        home: May not exist yet.
        params: The params.yaml to start from; one that is there already is the user's, and stays.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    if not (home.root / ".git").exists():
        _run(home, "git", "init", "--quiet")
    if not (home.root / ".dvc" / "config").exists():
        _run(home, *DVC, "init", "--quiet", "--force")
        _run(home, *DVC, "config", "core.analytics", "false")
    if not (home.root / "params.yaml").exists():
        shutil.copyfile(params, home.root / "params.yaml")
    write_text(home.root / "dvc.yaml", PIPELINE.read_text())
    _ignore_log(home)
    _ignore_outside(home)


def _ignore_outside(home: Home) -> None:
    """Also in homes of before a line came to it; what was tracked until then is tracked no more."""
    ignore = home.root / ".gitignore"
    told = ignore.read_text() if ignore.exists() else ""
    missing = [line for line in OUTSIDE_VERSIONS.splitlines() if line not in told.splitlines()]
    if missing:
        write_text(ignore, told + "\n".join(missing) + "\n")
        outside = [line.strip("/") for line in missing]
        _run(home, "git", "rm", "-r", "--cached", "--quiet", "--ignore-unmatch", *outside)


def _ignore_log(home: Home) -> None:
    path = home.root / ".dvcignore"
    told = path.read_text() if path.exists() else ""
    if OUTSIDE_DATA not in told:
        write_text(path, told + OUTSIDE_DATA)


def commit_data(home: Home, message: str) -> bool:
    """Tracks `data/` in data.dvc and commits; returns whether anything had changed."""
    _ignore_log(home)  # of homes that were made before there was a log
    _dvc(home, "add", "data")
    return commit(home, message)


def commit(home: Home, message: str) -> bool:
    """Commits data.dvc, dvc.lock, params and reports; returns whether anything had changed."""
    _ignore_outside(home)
    _run(home, "git", "add", "--all", ".")
    if (
        subprocess.run(
            ["git", "diff", "--cached", "--quiet"], cwd=home.root, check=False
        ).returncode
        == 0
    ):
        return False
    identity = ("-c", "user.name=photosearch", "-c", "user.email=photosearch@localhost")
    _run(home, "git", *identity, "commit", "--quiet", "--message", message)
    return True


def repro(home: Home, stage: str, *, is_forced: bool = False, is_alone: bool = False) -> None:
    """Brings a stage up to date with `dvc repro`; what is up to date is not run.

    A stage alone takes what it depends on as that is now; a forced one is run in any case, alone.

    Raises:
        StageFailed: The stage's own message, or that DVC stayed busy.
    """
    alone = ("--single-item",) if is_alone or is_forced else ()
    try:
        _dvc(home, "repro", *alone, *(("--force",) if is_forced else ()), stage)
    except StageFailed:
        # DVC removed what the stage had made before: the next release would go without it
        _run_group([*DVC, "checkout", "--quiet", stage], home.root)
        raise


DVC = (sys.executable, "-m", "dvc")


def _dvc(home: Home, *arguments: str) -> None:
    """Runs DVC; waits while another DVC process holds the repository."""
    for _ in range(BUSY_TRIES):
        exit_code, said = _run_group([*DVC, *arguments], home.root)
        if exit_code == 0:
            return
        if BUSY not in said:
            break
        log.info("another DVC process is busy in %s, waiting %.0f s", home.root, BUSY_WAIT_S)
        time.sleep(BUSY_WAIT_S)
    raise StageFailed(
        f"`dvc {' '.join(arguments)}` stopped with exit code {exit_code} in {home.root}; its "
        "message is above. Mend the cause and run the same command again: it goes on from there."
    )


def _run_group(command: list[str], folder: Path) -> tuple[int, str]:
    """Runs a command whose children end with it when this process is stopped.

    What it says on stderr is said on ours as it comes; its last lines are returned beside its
    exit code.
    """
    said = deque[str](maxlen=LINES_KEPT)
    with subprocess.Popen(
        command, cwd=folder, env=_environment(), text=True, process_group=0,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            for line in process.stderr or ():
                sys.stderr.write(line)
                said.append(line)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode, "".join(said)


def _run(home: Home, *command: str) -> None:
    done = subprocess.run(
        command, cwd=home.root, env=_environment(), text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise StageFailed(
            f"`{' '.join(command)}` stopped with exit code {done.returncode} in {home.root}: "
            f"{done.stderr.strip()[-500:]}"
        )


def _environment() -> dict[str, str]:
    """Stages call `photosearch`, which lies beside this interpreter."""
    environment = quiet_environment()
    here = str(Path(sys.executable).parent)
    return environment | {"PATH": os.pathsep.join([here, environment.get("PATH", "")])}
