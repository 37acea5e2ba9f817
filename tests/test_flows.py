"""Flows: their versions and schedules, and once with a real Prefect server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from distributed import Client
from prefect.states import Failed
from processes import BIN, ROOT, environment_of, free_port
from small_shop import jpeg, painted
from starlette.testclient import TestClient

from flows.cluster import task_runner
from flows.deployments import deployments
from flows.retries import only_for
from flows.versions import prepare_home
from flows.webhook import webhook_app
from photosearch.catalog import images
from photosearch.catalog.pull import Snapshot
from photosearch.curation.look_shards import SHARDS, known_looks, measure_shard
from photosearch.curation.looks import LOOK_PX, look_at
from photosearch.errors import BadParams, ClusterUnreachable, LabelingRefused, LabelingUnavailable
from photosearch.home import Home
from photosearch.report import save_report

PARAMS = ROOT / "simulator" / "params.yaml"
WITHIN_S = 120
REINDEX_HOURS = {9, 12, 15, 18, 21}
FLOWS = {
    "pull-catalog",
    "build-dataset",
    "sync-labels",
    "learn-from-feedback",
    "train-model",
    "release-model",
    "refresh-index",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with git, DVC and a snapshot of nothing."""
    home = Home(tmp_path / "shop")
    prepare_home(home, PARAMS)
    save_report(home.catalog / "snapshot.json", Snapshot("folder toys", 1, 1, 0, {}, "d1"))
    return home


@contextmanager
def dask_cluster(folder: Path, n_workers: int) -> Iterator[str]:
    """The address of a scheduler with workers, each a process of its own."""
    address = f"tcp://127.0.0.1:{free_port()}"
    dask, port = str(BIN / "dask"), address.rpartition(":")[2]
    parts = [["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]]
    parts += [["worker", address, "--nthreads", "1", "--no-dashboard"]] * n_workers
    started = [
        subprocess.Popen(
            [dask, *part], cwd=folder, env=environment_of(folder), start_new_session=True
        )
        for part in parts
    ]
    try:
        with Client(address, timeout=WITHIN_S) as client:
            client.wait_for_workers(n_workers, timeout=WITHIN_S)
        yield address
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)  # workers have a nanny and a Prefect server
        for process in started:
            process.wait(timeout=WITHIN_S)


LOOK_AT_PHOTOS = """
import sys
from pathlib import Path
from flows.cluster import task_runner
from flows.look_at_photos import look_at_photos
print(look_at_photos.with_options(task_runner=task_runner())(Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of distributed
def test_mapped_tasks_run_on_a_dask_cluster_of_two_workers(home: Home, tmp_path: Path):
    photos = [painted((n, 80, 160), (200, n, 10)) for n in range(40)]
    stored = {images.store(home.images, jpeg(photo)) for photo in photos}
    command = [sys.executable, "-c", LOOK_AT_PHOTOS, str(home.root)]
    with dask_cluster(tmp_path, 2) as address, Client(address, timeout=WITHIN_S) as client:
        client.get_task_stream()  # from now on
        done = subprocess.run(
            command, cwd=ROOT, env=environment_of(tmp_path, PHOTOSEARCH_DASK_ADDRESS=address),
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        workers = {ran["worker"] for ran in client.get_task_stream()}
    assert done.stdout.split()[-1] == str(len(stored))
    assert len(workers) == 2
    assert known_looks(home).keys() == stored
    for sha256, look in known_looks(home).items():
        assert look == look_at(images.load(home.images, sha256, draft_px=LOOK_PX))
    assert sum(measure_shard(home, shard) for shard in SHARDS) == 0  # nothing is measured twice


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("flows.cluster.ANSWER_WITHIN_S", 1)
    monkeypatch.setenv("PHOTOSEARCH_DASK_ADDRESS", "tcp://127.0.0.1:9")
    with pytest.raises(
        ClusterUnreachable, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"
    ):
        task_runner()


@pytest.mark.parametrize(
    "file",
    sorted(path.name for path in (ROOT / "flows").glob("*.py") if "@flow" in path.read_text()),
)
def test_a_flow_file_is_short(file: str):
    assert len((ROOT / "flows" / file).read_text().splitlines()) < 100


def test_every_flow_has_a_schedule_and_reindexing_five_a_day(home: Home):
    plan = {
        deployment.flow_name: deployment
        for deployment in deployments(home.root, source="http://market")
    }
    assert set(plan) == FLOWS
    for deployment in plan.values():
        assert deployment.name == "shop"
        assert deployment.parameters["home"] == str(home.root)
        assert deployment.concurrency_limit == 1
        (when,) = deployment.schedules
        assert when.schedule.timezone == "Europe/Moscow"
    assert plan["pull-catalog"].parameters["source"] == "http://market"
    assert plan["refresh-index"].parameters == {"home": str(home.root), "source": "http://market"}
    (reindex,) = plan["refresh-index"].schedules
    minute, hours, *days = reindex.schedule.cron.split()
    assert {int(hour) for hour in hours.split(",")} == REINDEX_HOURS
    assert (minute, days) == ("0", ["*", "*", "*"])


@pytest.mark.slow
def test_a_prefect_server_knows_and_schedules_every_flow(home: Home, tmp_path: Path):
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = environment_of(
        tmp_path,
        PREFECT_API_URL=api,
        PREFECT_SERVER_UI_ENABLED="false",
        PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS="2",
    )
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    flows = [str(BIN / "photosearch"), "flows", "serve", "--home", str(home.root)]
    flows += ["--source", "http://market"]
    with (
        process([*server, "--port", str(port)], environment, log=tmp_path / "server.log"),
        httpx.Client(base_url=api, timeout=60) as client,
    ):
        until(lambda: client.get("/health").status_code == 200, log=tmp_path / "server.log")
        with process(flows, environment, log=tmp_path / "flows.log"):
            until(lambda: len(registered(client)) == len(FLOWS), log=tmp_path / "flows.log")
            assert {row["entrypoint"].split(":")[-1] for row in registered(client)} == {
                name.replace("-", "_") for name in FLOWS
            }
            (reindex,) = [
                row for row in registered(client) if row["entrypoint"].endswith("refresh_index")
            ]
            before = runs_of(client, "sync-labels")
            told = [sys.executable, "-c", PLAN_TWO_POLLS, str(home.root)]
            subprocess.run(told, cwd=ROOT, env=environment, check=True, timeout=240)
            assert len(runs_of(client, "sync-labels") - before) == 1
            until(lambda: bool(hours(client, reindex["id"])), log=tmp_path / "server.log")
            assert hours(client, reindex["id"]) <= REINDEX_HOURS


PLAN_TWO_POLLS = """
import sys, time
from pathlib import Path
from flows.webhook import plan_poll
from photosearch.home import Home
second = time.time() % 60
time.sleep(60 - second if second > 20 else 0)  # both within one minute
plan_poll(Home(Path(sys.argv[1])))
plan_poll(Home(Path(sys.argv[1])))
"""


def runs_of(client: httpx.Client, flow: str) -> set[str]:
    """Ids of the flow's runs that were not planned by the clock."""
    body = {"flows": {"name": {"any_": [flow]}}, "limit": 200}
    runs = client.post("/flow_runs/filter", json=body).raise_for_status().json()
    return {run["id"] for run in runs if not run["auto_scheduled"]}


def test_a_task_is_tried_again_after_what_may_pass_and_not_after_what_stays_wrong():
    may_pass = only_for(LabelingUnavailable, but=(LabelingRefused,))
    assert not may_pass(None, None, Failed(data=LabelingRefused("The token is unknown.")))
    assert may_pass(None, None, Failed(data=LabelingUnavailable("It restarts.")))
    assert not may_pass(None, None, Failed(data=BadParams("There is nobody to ask.")))


def test_a_webhook_polls_for_who_knows_the_secret_only():
    polls: list[int] = []
    client = TestClient(webhook_app(lambda: polls.append(1), secret="s" * 32))
    known = {"X-Photosearch-Secret": "s" * 32}
    assert client.post("/label-studio").status_code == 401
    assert client.post("/label-studio", headers={"X-Photosearch-Secret": "t"}).status_code == 401
    assert client.get("/label-studio", headers=known).status_code == 405
    assert polls == []
    assert client.post("/label-studio", headers=known, content=b"}{").status_code == 202
    assert polls == [1]


def test_a_webhook_without_prefect_says_so():
    def fail() -> None:
        raise httpx.ConnectError("refused")

    client = TestClient(webhook_app(fail, secret="s" * 32))
    answer = client.post("/label-studio", headers={"X-Photosearch-Secret": "s" * 32})
    assert answer.status_code == 503
    assert answer.json() == {"detail": "Prefect does not plan a poll now."}


def registered(client: httpx.Client) -> list[dict]:
    return client.post("/deployments/filter", json={}).raise_for_status().json()


def hours(client: httpx.Client, deployment: str) -> set[int]:
    """Hours of the day, by the marketplace's clock, for which runs are planned."""
    body = {"deployments": {"id": {"any_": [deployment]}}}
    runs = client.post("/flow_runs/filter", json=body).raise_for_status().json()
    times = [datetime.fromisoformat(run["expected_start_time"]) for run in runs]
    return {time.astimezone(ZoneInfo("Europe/Moscow")).hour for time in times}


@contextmanager
def process(command: list[str], environment: dict[str, str], *, log: Path) -> Iterator[None]:
    """A process that is asked to stop at the end, and has to."""
    with log.open("wb") as kept:
        started = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=kept, stderr=kept
        )
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
            raise


def until(holds: Callable[[], bool], *, log: Path) -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"waited in vain for {WITHIN_S} s:\n{log.read_text()[-3000:]}")
