"""Events a second that the service keeps, over HTTP, by batch size and engine.

`python -m benchmarks.events --home HOME` serves the home as `photosearch serve --follow` does, once
with SQLite and once with a PostgreSQL of its own (Debian's binaries), both with every commit on
disk, and has clients in another process send batches as fast as they are answered. Without a home
the call is served alone, by uvicorn: what the log and its HTTP cost without BentoML.
"""

import argparse
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from flows.package import serve_command

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # a PostgreSQL of one's own is started as the tests do
READY_WITHIN_S = 180
BATCHES = (1, 10, 100)


@dataclass(frozen=True, slots=True)
class Measured:
    engine: str
    batch: int
    clients: int
    events_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_event: float
    """Processor time of the search process, its log of events included."""
    lost: int
    """Answered as kept and not in the log."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--home", type=Path)
    asked.add_argument("--clients", type=int, default=8)
    asked.add_argument("--seconds", type=float, default=5)
    asked.add_argument("--engines", nargs="+", default=["sqlite", "postgresql"])
    told = asked.parse_args()
    made = [
        one
        for engine in told.engines
        for one in measure(engine, told.home, told.clients, told.seconds)
    ]
    sys.stdout.write(as_markdown(made))


def measure(engine: str, home: Path | None, clients: int, seconds: float) -> list[Measured]:
    """One engine, every batch size; then counts what the log holds of what was answered."""
    from photosearch.feedback.store import open_store

    made = []
    with database(engine) as address, service(home, address) as (url, pid):
        for batch in BATCHES:
            before_s = cpu_s(pid)
            sent = send(url, batch, clients, seconds)
            ids = {event_id for one in sent for event_id in one[0]}
            took_ms = np.array([ms for one in sent for ms in one[1]])
            with closing(open_store(address)) as store:
                there = {stored.event.event_id for stored in store.events()}
            made.append(
                Measured(
                    engine,
                    batch,
                    clients,
                    len(ids) / seconds,
                    float(np.percentile(took_ms, 50)),
                    float(np.percentile(took_ms, 99)),
                    1e6 * (cpu_s(pid) - before_s) / len(ids),
                    len(ids - there),
                )
            )
    return made


def send(url: str, batch: int, clients: int, seconds: float) -> list[tuple[list[str], list[float]]]:
    """What each client was answered: ids of events and times of requests in ms."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # apart from the service's process
        return pool.apply(_send_all, (url, batch, clients, seconds))


def _send_all(
    url: str, batch: int, clients: int, seconds: float
) -> list[tuple[list[str], list[float]]]:
    made: list[tuple[list[str], list[float]]] = [([], []) for _ in range(clients)]
    ready = threading.Barrier(clients)

    def run(number: int) -> None:
        ids, took_ms = made[number]
        with httpx.Client(base_url=url, timeout=30) as api:
            ready.wait()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                events = [_an_event() for _ in range(batch)]
                body = json.dumps({"events": events}).encode()
                began = time.perf_counter()
                response = api.post(
                    "/v1/events", content=body, headers={"Content-Type": "application/json"}
                )
                took_ms.append(1000 * (time.perf_counter() - began))
                response.raise_for_status()
                ids += [event["event_id"] for event in events]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def _an_event() -> dict[str, str | int]:
    return {
        "event_id": uuid.uuid4().hex, "kind": "impression", "shopper": uuid.uuid4().hex,
        "query_id": uuid.uuid4().hex, "card_id": "card-000123", "rank": 3,
        "at": datetime.now(UTC).isoformat(),
    }  # fmt: skip


@contextmanager
def database(engine: str) -> Iterator[str]:
    """An empty one; gone at the end."""
    if engine == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/events.sqlite"
        return
    from postgres_server import postgres_server

    with postgres_server(survives_power_cuts=True) as server:
        yield server.address


@contextmanager
def service(home: Path | None, address: str) -> Iterator[tuple[str, int]]:
    """The service on a free port: its address, and the id of the process that keeps events."""
    if home is None:
        command = [sys.executable, str(ROOT / "tests" / "events_service.py"), address]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as alone:
            assert alone.stdout is not None
            try:
                yield f"http://127.0.0.1:{int(alone.stdout.readline())}", alone.pid
            finally:
                alone.terminate()
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = os.environ | {"PHOTOSEARCH_HOME": str(home), "PHOTOSEARCH_EVENTS": address}
    process = subprocess.Popen(
        serve_command("bentos.search:Search", port),
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process)
        yield url, _search_process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise SystemExit(f"{url} was not ready within {READY_WITHIN_S} s")


def _search_process(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    named = "--service-name\0search\0"
    return next(int(pid) for pid in children if named in Path(f"/proc/{pid}/cmdline").read_text())


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def as_markdown(made: list[Measured]) -> str:
    lines = [
        "| engine | a request | clients | events/s | p50 ms | p99 ms | CPU us each | lost |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.engine} | {one.batch} | {one.clients} | {one.events_per_s:,.0f} | "
        f"{one.p50_ms:.0f} | {one.p99_ms:.0f} | {one.cpu_us_per_event:,.0f} | {one.lost} |"
        for one in made
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
