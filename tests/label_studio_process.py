"""A Label Studio of its own as a process, and the people who sign up there and answer."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from processes import free_port

from flows.local_labeling import LABEL_STUDIO, Login, label_studio_environment
from labeling.server import Server

REPOSITORY = Path(__file__).parent.parent
START_S = 600
"""The first run on a machine downloads the server; a later one is up within a minute."""


class RealServer:
    """A Label Studio of its own: own environment, port, database and document root."""

    def __init__(self, uv: str, root: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.token, self.document_root = secrets.token_hex(20), root / "documents"
        self.document_root.mkdir()
        self.password = secrets.token_hex(8)
        login = Login("owner@example.com", self.password, self.token)
        settings = label_studio_environment(root, login)
        settings["SSRF_PROTECTION_ENABLED"] = "false"  # webhooks of this machine
        command = [uv, "tool", "run", "--python", sys.executable, "--from", LABEL_STUDIO]
        command += ["label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1"]
        self._log = root / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--port", self.url.rsplit(":", 1)[1]],
                env=os.environ | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that the server, a grandchild, stops with uv
            )

    def wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health", timeout=5).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        pytest.fail(f"{LABEL_STUDIO} did not start:\n{self._log.read_text()[-3000:]}")

    def stop(self) -> None:
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                os.killpg(self._process.pid, kind)
                try:
                    self._process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    continue

    def connect(self, token: str | None = None) -> Server:
        return Server(self.url, token or self.token)

    def sign_up(self, email: str) -> "Person":
        """Somebody new follows the owner's invitation link and signs up on the page."""
        owner = {"Authorization": f"Token {self.token}"}
        link = httpx.get(f"{self.url}/api/invite", headers=owner, timeout=60).json()["invite_url"]
        with httpx.Client(base_url=self.url, follow_redirects=True, timeout=60) as browser:
            browser.get(link)
            form = {"email": email, "password": secrets.token_hex(8)}
            form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
            browser.post(link, data=form, headers={"Referer": self.url}).raise_for_status()
            token = browser.get("/api/current-user/token").json()["token"]
        return Person(self.url, email, token)


class Person:
    """An annotator with an account, who takes questions as the page does: the next one, please."""

    def __init__(self, url: str, email: str, token: str) -> None:
        self.email = email
        self._ask = httpx.Client(
            base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60
        )

    def answer_all(self, project: str, choose: Callable[[dict[str, Any]], str]) -> dict[str, int]:
        """Answers until nothing is left; returns the number of the annotation of each pair."""
        number, made = project.rsplit("/", 1)[1], {}
        while (reply := self._ask.get(f"/api/projects/{number}/next")).is_success:
            question = reply.json()
            path = f"/api/tasks/{question['id']}/annotations/"
            made[question["data"]["pair_key"]] = self._send(path, choose(question))
        assert reply.status_code == 404, reply.text
        self._ask.close()
        return made

    def _send(self, path: str, choice: str) -> int:
        reply = self._ask.post(path, json={"result": result_of(choice)})
        return int(reply.raise_for_status().json()["id"])


def result_of(choice: str) -> list[dict[str, Any]]:
    """What the page sends when a choice was made and submitted."""
    value = {"choices": [choice]}
    return [{"from_name": "answer", "to_name": "photo_a", "type": "choices", "value": value}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    own = REPOSITORY / ".tools" / "bin" / "uv"
    uv = shutil.which("uv") or (str(own) if own.exists() else None)
    if uv is None:
        pytest.skip("uv is neither on PATH nor in .tools/bin; `make test` installs it")
    server = RealServer(uv, tmp_path_factory.mktemp("label-studio"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()
