"""What docs/api.md tells to do, done: every curl line of it, and its lines of Python.

Lines of probes, which BentoML answers: tests/test_served_bento.py.
"""

import dataclasses
import re
import shlex
import subprocess
from pathlib import Path

import httpx
import pytest
import whole_shop
from asking import RED, search
from small_shop import (
    colour,
    jpeg,
    painted,
)

from bentos.openapi_calls import CALLS
from photosearch.client import Client
from photosearch.release import Manifest

DOCS = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
CURLS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("curl ")
]
(PYTHON,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
ADDRESS = "http://127.0.0.1:3000"
PROBES = tuple(ADDRESS + call.path for call in CALLS if call.is_probe)
NAMED_OTHERWISE = {"search_text": "search_words"}
"""The client's name of a call."""
NOT_FOR_THE_CLIENT = {
    "openapi": "generators of clients read it",
    "metrics": "Prometheus does",
    "healthz": "supervisors and balancers ask it",
    "livez": "they do",
    "readyz": "they do",
}
shop, api = whole_shop.shop, whole_shop.api


def test_all_that_a_release_tells_of_itself_is_explained():
    section = DOCS.split("## `GET /v1/release`\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    assert {field.name for field in dataclasses.fields(Manifest)} <= named


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the photos that the lines send."""
    shelf = painted(colour("red"), colour("green"), size=(640, 480))
    (tmp_path / "shelf.jpg").write_bytes(jpeg(shelf))
    (tmp_path / "mug.jpg").write_bytes(RED)
    return tmp_path


def as_here(line: str, api: httpx.Client) -> str:
    """The line with the address of the test's service, and ids that it knows."""
    found = search(api, explain="true").json()
    thumbnail = found["cards"][0]["card"]["thumbnail"]
    here = line.replace(ADDRESS, str(api.base_url).rstrip("/"))
    here = here.replace("golden-delicious", "red").replace("$PHOTOSEARCH_KEY", "any")
    here = re.sub(r"/v1/thumbnails/[0-9a-f]{64}\.jpg", thumbnail, here)
    return re.sub(r"/queries/[0-9a-f]{32}/", f"/queries/{found['query_id']}/", here)


@pytest.mark.parametrize("line", [line for line in CURLS if not line.endswith(PROBES)])
def test_each_curl_line_of_the_docs_does_what_it_says(api: httpx.Client, folder: Path, line: str):
    command = ["curl", "--silent", "--show-error", "--fail", *shlex.split(as_here(line, api))[1:]]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_docs_have_a_curl_line_for_each_call():
    def told(path: str) -> str:
        return ADDRESS + re.sub(r"\\\{\w+\\\}", "[^/?]+", re.escape(path))

    for call in CALLS:
        assert any(re.search(told(call.path) + r"(?=[\s\"'?]|$)", line) for line in CURLS), call.id


def test_the_python_lines_of_the_docs_run(api: httpx.Client, folder: Path, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(PYTHON.replace(ADDRESS, str(api.base_url).rstrip("/")), names)
    assert len(capsys.readouterr().out.splitlines()) == len(names["answer"].cards)
    assert names["read"].state == "read"


def test_the_docs_have_a_python_line_for_each_call_of_the_client():
    assert {name for name in client_calls() if f"api.{name}(" not in PYTHON} == set()


def test_the_client_has_every_call_of_the_api_but_those_for_other_programs():
    of_the_api = {NAMED_OTHERWISE.get(call.id, call.id) for call in CALLS}
    assert of_the_api == client_calls() | NOT_FOR_THE_CLIENT.keys()


def client_calls() -> set[str]:
    return {name for name in vars(Client) if not name.startswith("_")} - {"close"}
