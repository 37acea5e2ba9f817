"""Label Studio on this machine, for one home: started, filled with the home's pairs, left running.

For trying it out and for one team on one machine; a server of your own is set by the environment.
"""

import json
import logging
import os
import secrets
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from flows.processes import start_detached, wait_until_ready
from flows.sync_labels import label_files
from labeling.answers import ask_and_collect
from labeling.boxes import BoxProject
from labeling.photos import LocalFiles
from labeling.project import LabelStudio
from labeling.server import Server
from photosearch.errors import HomeNotReady, LabelingRefused
from photosearch.home import Home
from photosearch.settings import load_params

LABEL_STUDIO = "label-studio==1.23.2"
"""In an environment of its own, made by uv; its dependencies do not fit into ours."""
READY_WITHIN_S = 600.0
"""The first start makes the database: 30 s on an idle core, minutes on a busy machine."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Login:
    email: str
    password: str
    token: str


@dataclass(frozen=True, slots=True)
class Opened:
    project: str
    """Address of the pairs project."""
    asked: int
    email: str
    password: str
    pid_file: Path


def open_label_studio(home: Home, *, port: int) -> Opened:
    """Starts Label Studio for a home unless it runs, creates the projects, pushes the pairs.

    Raises:
        HomeNotReady: The home has no pairs yet.
        LabelingRefused: The server cannot be installed.
        LabelingUnavailable: Another one holds the port.
        PhotosearchError: It does not become ready.
    """
    if not home.pairs.exists():
        raise HomeNotReady(f"{home.pairs} does not exist. Run `photosearch demo` first.")
    folder = home.root / "label-studio"
    login = _login(folder)
    url = f"http://127.0.0.1:{port}"
    pid_file = folder / "server.pid"
    if not _is_up(url):
        _start(folder, login, url=url, pid_file=pid_file)
    params = load_params(home.root / "params.yaml").labels
    photos = LocalFiles(folder / "documents")
    with Server(url, login.token) as server:
        people = LabelStudio(server, photos, votes_first=params.votes_first)
        report = ask_and_collect(label_files(home), people, params=params)
        BoxProject(server, photos).push(home, n_photos=params.boxes)
    return Opened(
        people.project, report.asked + report.already_asked, login.email, login.password, pid_file
    )


def _login(folder: Path) -> Login:
    """The owner's login, made once; readable by this user only."""
    path = folder / "login.json"
    if path.exists():
        return Login(**json.loads(path.read_text()))
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    login = Login("owner@example.com", secrets.token_urlsafe(9), secrets.token_hex(20))
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(asdict(login)))
    partial.replace(path)
    return login


def _start(folder: Path, login: Login, *, url: str, pid_file: Path) -> None:
    command = [sys.executable, "-m", "uv", "tool", "run", "--python", sys.executable]
    command += ["--from", LABEL_STUDIO, "label-studio"]
    environment = os.environ | label_studio_environment(folder, login)
    log.info("installing %s in an environment of its own, once", LABEL_STUDIO)
    installed = subprocess.run(
        [*command, "version"], env=environment, capture_output=True, text=True, check=False
    )
    if installed.returncode:
        raise LabelingRefused(
            f"{LABEL_STUDIO} cannot be installed: {installed.stderr.strip()[-500:]} Mend it, or "
            "set PHOTOSEARCH_LABEL_STUDIO_URL to a server of your own."
        )
    port = url.rsplit(":", 1)[1]
    start = ["start", "--no-browser", "--internal-host", "127.0.0.1", "--port", port]
    log_file = folder / "server.log"
    process = start_detached(
        [*command, *start], environment=environment, log_file=log_file, pid_file=pid_file
    )
    wait_until_ready(f"{url}/health", process, log_file, within_s=READY_WITHIN_S)


def label_studio_environment(folder: Path, login: Login) -> dict[str, str]:
    """Settings of a server that keeps its data in `folder` and tells nobody about it."""
    return {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_USERNAME": login.email,
        "LABEL_STUDIO_PASSWORD": login.password,
        "LABEL_STUDIO_USER_TOKEN": login.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(folder / "documents"),
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5.0).status_code == 200
    except httpx.TransportError:
        return False
