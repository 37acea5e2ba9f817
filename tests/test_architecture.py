"""The shape that the architecture draws, held by tests."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import grimp
import pytest

from flows.package import CODE, SERVED_WITH

ROOT = Path(__file__).parents[1]
PACKAGES = ("photosearch", "training", "labeling", "flows", "bentos", "simulator")
MODULES = [
    str(p.relative_to(ROOT)) for name in PACKAGES for p in sorted((ROOT / name).rglob("*.py"))
]
MAX_LINES = 300
ONLY_WHERE_RELEASES_ARE_MADE = {"matplotlib"}
"""evaluation/calibration.py draws a curve when it has fitted one."""


def test_imports_go_down_and_each_framework_stays_in_its_folder():
    # A process of its own: called here, it would switch off the loggers of all tests to come.
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bento_brings_every_package_that_its_services_may_import():
    """Also inside functions: one that is missing is found when somebody starts the bento."""
    graph = grimp.build_graph(*CODE, include_external_packages=True)
    services = {"bentos", *graph.find_descendants("bentos")}
    reached = {name for service in services for name in graph.find_upstream_modules(service)}
    foreign = {name for name in reached if name.partition(".")[0] not in CODE}
    made_of = packages_distributions()
    brought = with_what_they_need({canonical(name) for name in SERVED_WITH})
    missing = {
        name
        for name in foreign - sys.stdlib_module_names - ONLY_WHERE_RELEASES_ARE_MADE
        if not {canonical(one) for one in made_of.get(name, [])} & brought
    }
    assert missing == set()


def with_what_they_need(names: set[str]) -> set[str]:
    """Distributions and all that they require without extras, canonical names."""
    known, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        needed = [one for one in requires(name) or [] if "extra ==" not in one and ";" not in one]
        waiting += [canonical(re.split(r"[^\w.-]", one)[0]) for one in needed]
    return known


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_file_is_longer_than_one_can_read_at_once():
    lengths = {module: len((ROOT / module).read_text().splitlines()) for module in MODULES}
    assert {module: n for module, n in lengths.items() if n > MAX_LINES} == {}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_in_its_first_line_what_it_is(module: str):
    docstring = ast.get_docstring(ast.parse((ROOT / module).read_text()))
    assert docstring, f"{module} has no docstring"
    assert docstring.splitlines()[0].endswith((".", ":", "?"))
