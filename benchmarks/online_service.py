"""The real service as processes, and a plain one beside it; what each process worked."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from flows.package import serve_command
from photosearch.environment import quiet_environment

ROOT = Path(__file__).parents[1]
READY_WITHIN_S = 900
"""A million cards are copied and read before the first answer."""
TICKS_A_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Serving:
    port: int
    pid: int

    def worked_s(self) -> dict[str, float]:
        """Processor seconds so far by process of the service; the starter's own is `service`."""
        worked = {"service": _worked_s(self.pid)}
        for pid in _children(self.pid):
            said = _said(pid)
            if b"--service-name" in said:
                name = said[said.index(b"--service-name") + 1].decode()
                worked[name] = worked.get(name, 0.0) + _worked_s(pid)
            elif b"photosearch.own_process" in said:
                name = "reader" if b"reader" in _said(_parent(pid)) else "index"
                worked[name] = worked.get(name, 0.0) + _worked_s(pid)
            elif b"bentoml" in b" ".join(said):
                worked["search"] = worked.get("search", 0.0) + _worked_s(pid)
        return worked

    def batches(self) -> tuple[float, float]:
        """How often the encoder ran its model so far, and for how many photos in all."""
        return (
            self._metric("photosearch_encoder_batch_photos_count"),
            self._metric("photosearch_encoder_batch_photos_sum"),
        )

    def models_ms(self) -> dict[str, float]:
        """How long each model has run so far, by the stage it runs in."""
        name = 'photosearch_model_seconds_sum{model="%s"}'
        return {
            "embed": self._metric(name % "embed") * 1000,
            "objects": self._metric(name % "detect") * 1000,
        }

    def _metric(self, name: str) -> float:
        metrics = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=30).text
        told = re.findall(rf"^{re.escape(name)} ([\d.e+-]+)", metrics, re.MULTILINE)
        return sum(map(float, told))

    def resident_mb(self) -> float:
        """Of all its processes together; pages that two share count twice."""
        pages = 0
        for pid in (self.pid, *_children(self.pid)):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def service(release: Path, work: Path, *, encoder_threads: int) -> Iterator[Serving]:
    """Our service of a release, as `photosearch serve` starts it."""
    served = {"PHOTOSEARCH_RELEASE": str(release.resolve())}
    with _ours(served, work, encoder_threads) as serving:
        yield serving


@contextmanager
def following_service(home: Path, work: Path, *, encoder_threads: int) -> Iterator[Serving]:
    """Our service of a home's live release, as `photosearch serve --follow` starts it."""
    with _ours({"PHOTOSEARCH_HOME": str(home.resolve())}, work, encoder_threads) as serving:
        yield serving


@contextmanager
def _ours(served: dict[str, str], work: Path, encoder_threads: int) -> Iterator[Serving]:
    port = free_port()
    environment = (
        quiet_environment()
        | served
        | {
            "PHOTOSEARCH_ENCODER_THREADS": str(encoder_threads),
            "BENTOML_HOME": str(work / "bentoml"),
        }
    )
    with _started(
        serve_command("bentos.search:Search", port), environment, work / "service.log", port
    ) as pid:
        yield Serving(port, pid)


@contextmanager
def plain_service(release: Path, work: Path, *, threads: int) -> Iterator[Serving]:
    """The plain pipeline of online_plain.py."""
    port = free_port()
    plain = str(Path(__file__).with_name("online_plain.py"))
    command = [sys.executable, plain, str(release.resolve()), str(port), str(threads)]
    with _started(command, quiet_environment(), work / "plain.log", port) as pid:
        yield Serving(port, pid)


@contextmanager
def _started(
    command: list[str], environment: dict[str, str], log_file: Path, port: int
) -> Iterator[int]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, log_file, port)
        yield process.pid
    finally:
        # Not SIGINT: what a shell started in the background ignores it.
        process.terminate()
        process.wait(60)


def _wait_until_ready(process: subprocess.Popen[bytes], log_file: Path, port: int) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    sys.exit(f"The service did not become ready. The end of {log_file}:\n{_end(log_file)}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    """All processes below one."""
    of_threads = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    own = [child for told in of_threads for child in told.split()]
    return [int(child) for child in own] + [one for child in own for one in _children(int(child))]


def _said(pid: int) -> list[bytes]:
    """The command that started a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _worked_s(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_A_S


def _end(log_file: Path) -> str:
    return log_file.read_text(errors="replace")[-3000:]
