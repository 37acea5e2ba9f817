"""Builds the bento of the live release and serves it."""

import importlib.metadata
import logging
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from flows.processes import detached_command, start_detached, stop_detached, wait_until_ready
from photosearch.assembly_events import events_address
from photosearch.embedding.model import HEAD_WEIGHTS
from photosearch.embedding.tower import WEIGHTS
from photosearch.environment import quiet_environment
from photosearch.errors import PhotosearchError, StageFailed
from photosearch.home import Home
from photosearch.release import graph_of, live_release
from photosearch.report import write_text
from photosearch.settings import load_services

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
CODE = ("photosearch", "bentos")
"""Packages a bento carries; no flow, training, labelling or simulator among them."""
SERVED_WITH = (
    "bentoml", "httpx", "lightgbm", "numpy", "onnxruntime", "opencv-python-headless", "openvino",
    "pillow", "prometheus-client", "psycopg", "psycopg-binary", "pyarrow", "pydantic",
    "pydantic-settings", "python-multipart", "pyyaml", "qdrant-client", "qdrant-edge-py",
    "rapidocr", "safetensors", "scikit-learn", "scipy", "sqlalchemy", "starlette", "tenacity",
    "uvloop",
)  # fmt: skip
LEFT_AT_HOME = (WEIGHTS, HEAD_WEIGHTS)
"""Files of a release that only torch reads: the graph holds the same weights."""
BENTO = "search"
KEEP_ALIVE_S = 75
"""A connection may be silent for so long. A service that stood still for longer than this closes
connections that a request has just been written to: with BentoML's 5 s that was seen."""


def build_bento(home: Home) -> Path:
    """Runs `bentoml build` over our code and the live release; returns the bento's folder.

    The bento carries the release: it runs wherever its packages are installed, without the home.
    One that is there already is not built again.

    Raises:
        BadArtifact: The live release has no graph.
        StageFailed: `bentoml build` stopped.
    """
    release = live_release(home.releases)
    graph_of(release)
    store = home.root / "bentoml"
    version = release.manifest.release.lower()
    bento = store / "bentos" / BENTO / version
    if (bento / "bento.yaml").exists() and not _is_older_than_code(bento):
        return bento
    shutil.rmtree(bento, ignore_errors=True)
    context = store / "context"
    shutil.rmtree(context, ignore_errors=True)
    for package in CODE:
        shutil.copytree(
            ROOT / package, context / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copytree(
        release.folder, context / "release", ignore=shutil.ignore_patterns(*LEFT_AT_HOME)
    )
    write_text(context / "bentofile.yaml", yaml.safe_dump(_bentofile()))
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "."]
    done = subprocess.run(  # it reads nothing outside the folder it is started in
        command, cwd=context, env=_environment(home), text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise StageFailed(f"`bentoml build` stopped: {(done.stdout + done.stderr)[-1500:]}")
    shutil.rmtree(context)
    log.info("bento %s:%s built", BENTO, version)
    return bento


def serve_bento(home: Home, port: int) -> None:
    """Becomes the service of the live release's bento; stops on Ctrl-C."""
    bento = build_bento(home)
    command = serve_command(bento, port)
    os.execve(command[0], command, _environment(home))


def serve_home(home: Home, port: int) -> None:
    """Becomes the service of whatever is live in the home, now and after each switch."""
    graph_of(live_release(home.releases))
    command = serve_command("bentos.search:Search", port)
    where = {"PHOTOSEARCH_HOME": str(home.root.resolve())}
    os.chdir(ROOT)
    os.execve(command[0], command, _environment(home) | where)


def serve_in_background(home: Home, bento: Path, port: int) -> str:
    """Leaves the service running, in place of the one that an earlier run left.

    Returns:
        The page's address.

    Raises:
        PhotosearchError: Another program holds the port, or the service did not become ready.
    """
    pid_file, log_file = home.root / "serve.pid", home.root / "serve.log"
    stop_detached(pid_file, name="bentoml")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PhotosearchError(
                f"Port {port} of 127.0.0.1 is taken by another program. Stop it, or name another "
                "port with --port."
            ) from None
    process = start_detached(
        serve_command(bento, port),
        environment=_environment(home),
        log_file=log_file,
        pid_file=pid_file,
    )
    address = f"http://127.0.0.1:{port}"
    wait_until_ready(f"{address}/readyz", process, log_file)
    return address


def restart_page(home: Home) -> str | None:
    """Serves the live release in place of the one that a page shows; None if no page runs."""
    command = detached_command(home.root / "serve.pid", name="bentoml")
    if "--port" not in command:
        return None
    port = int(command[command.index("--port") + 1])
    return serve_in_background(home, build_bento(home), port)


def serve_command(bento: Path | str, port: int) -> list[str]:
    """Starts the service of a bento or of `bentos.search:Search` on this machine alone."""
    where = ["--host", "127.0.0.1", "--port", str(port), "--timeout-keep-alive", str(KEEP_ALIVE_S)]
    return [sys.executable, "-m", "bentoml", "serve", str(bento), *where]


def _bentofile() -> dict[str, object]:
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in SERVED_WITH]
    return {
        "service": "bentos.search:Search",
        "name": BENTO,
        "include": ["photosearch/**", "bentos/**", "release/**"],
        "python": {"packages": versions, "lock_packages": False},
    }


def _is_older_than_code(bento: Path) -> bool:
    built_at = (bento / "bento.yaml").stat().st_mtime
    files = (path for package in CODE for path in (ROOT / package).rglob("*") if path.is_file())
    return any(f.stat().st_mtime > built_at for f in files if "__pycache__" not in f.parts)


def _environment(home: Home) -> dict[str, str]:
    """Of the service and its build: it keeps the home's events, unless others are named."""
    return quiet_environment() | {
        "BENTOML_HOME": str(home.root / "bentoml"),
        "PHOTOSEARCH_EVENTS": events_address(load_services(), home),
    }
