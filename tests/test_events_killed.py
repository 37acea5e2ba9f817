"""A service that is killed under load has every event that it said it kept."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from postgres_server import is_here, postgres_server
from processes import ROOT, environment_of
from told_events import an_event

from photosearch.feedback.store import open_store

pytestmark = pytest.mark.slow

N_KILLS, N_CLIENTS = 4, 6
ANSWERED_WITHIN_S = 120


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/events.sqlite"
        return
    if not is_here():
        pytest.skip("there is no PostgreSQL on this machine: install Debian's `postgresql`")
    with postgres_server() as server:
        yield server.address


def test_a_service_that_is_killed_again_and_again_loses_nothing_it_answered(
    address: str, tmp_path: Path
):
    answered: list[str] = []
    unanswered = 0
    for number in range(N_KILLS):
        with service(address, tmp_path) as (process, url):
            clients = [Client(url) for _ in range(N_CLIENTS)]
            wait_for_answers(clients, 60 + 35 * number)
            process.kill()
        for client in clients:
            client.thread.join()
            answered += client.answered
            unanswered += client.unanswered
    with closing(open_store(address)) as store:
        times = Counter(stored.event.event_id for stored in store.events())
    assert unanswered >= N_KILLS  # each kill came in the middle of somebody's request
    assert [event_id for event_id in answered if event_id not in times] == []
    assert set(times.values()) == {1}


@contextmanager
def service(address: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, str(ROOT / "tests" / "events_service.py"), address]
    environment = environment_of(folder, PYTHONPATH=str(ROOT))
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def wait_for_answers(clients: "list[Client]", n_events: int) -> None:
    until = time.monotonic() + ANSWERED_WITHIN_S
    while sum(len(client.answered) for client in clients) < n_events:
        assert time.monotonic() < until, f"not even {n_events} events were kept"
        time.sleep(0.005)


class Client:
    """Sends batch after batch until nobody answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answered: list[str] = []
        self.unanswered = 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with suppress(httpx.TransportError), httpx.Client(base_url=self._url, timeout=120) as api:
            while True:
                events = [an_event() for _ in range(5)]
                body = {"events": [json.loads(event.model_dump_json()) for event in events]}
                self.unanswered += 1
                response = api.post("/v1/events", json=body)
                self.unanswered -= 1
                if response.status_code == 503:  # a machine so busy that the deadline passed
                    continue
                assert response.json() == {"kept": 5, "known": 0}
                self.answered += [event.event_id for event in events]
