"""Starts and stops the processes that stand beside the flows: the simulator and the service."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from photosearch.errors import PhotosearchError, SourceUnreachable

READY_LINE = "simulator ready at "
READY_WITHIN_S = 120.0
STOP_WITHIN_S = 20.0


@contextmanager
def run_simulator(n_cards: int, seed: int) -> Iterator[str]:
    """Runs the pretended marketplace on a free port of this machine; gives its address."""
    command = [sys.executable, "-m", "simulator", "--cards", str(n_cards), "--seed", str(seed)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith(READY_LINE):
            raise SourceUnreachable(
                f"The simulator stopped before it was ready (exit code {process.wait()}); its "
                "message is above."
            )
        yield line.removeprefix(READY_LINE).strip()
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_S)


def start_detached(
    command: list[str], *, environment: dict[str, str], log_file: Path, pid_file: Path
) -> subprocess.Popen[bytes]:
    """Starts a process that outlives this one; its id goes to `pid_file`."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    pid_file.write_text(f"{process.pid}\n")
    return process


def stop_detached(pid_file: Path, *, name: str) -> bool:
    """Stops what `start_detached` started, if it still runs; returns whether it did."""
    if not detached_command(pid_file, name=name):
        return False
    pid = int(pid_file.read_text())
    os.killpg(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_WITHIN_S
    while _has_members(pid) and time.monotonic() < until:  # workers may outlive their parent
        time.sleep(0.1)
    pid_file.unlink(missing_ok=True)
    return True


def detached_command(pid_file: Path, *, name: str) -> list[str]:
    """The command line of what `start_detached` started; empty if it does not run any more.

    A process id may have been given to another process meanwhile: its command line must hold
    `name`.
    """
    try:
        pid = int(pid_file.read_text())
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (OSError, ValueError):
        return []
    return command_line.split("\0") if name in command_line else []


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_ready(
    address: str,
    process: subprocess.Popen[bytes],
    log_file: Path,
    *,
    within_s: float = READY_WITHIN_S,
) -> None:
    """Waits until `address` answers 200, at most `within_s`.

    Raises:
        PhotosearchError: The process stopped or stayed silent; the message ends with its log.
    """
    until = time.monotonic() + within_s
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(address, timeout=5.0).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    last = log_file.read_text(errors="replace")[-1500:]
    raise PhotosearchError(f"{address} did not become ready; the end of {log_file}:\n{last}")
