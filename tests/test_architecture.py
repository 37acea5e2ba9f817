"""The shape that the architecture draws, held by tests."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("photosearch", "training", "labeling", "flows", "bentos", "simulator")
MODULES = [
    str(p.relative_to(ROOT)) for name in PACKAGES for p in sorted((ROOT / name).rglob("*.py"))
]
MAX_LINES = 300


def test_imports_go_down_and_each_framework_stays_in_its_folder():
    # A process of its own: called here, it would switch off the loggers of all tests to come.
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_longer_than_one_can_read_at_once():
    lengths = {module: len((ROOT / module).read_text().splitlines()) for module in MODULES}
    assert {module: n for module, n in lengths.items() if n > MAX_LINES} == {}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_in_its_first_line_what_it_is(module: str):
    docstring = ast.get_docstring(ast.parse((ROOT / module).read_text()))
    assert docstring, f"{module} has no docstring"
    assert docstring.splitlines()[0].endswith((".", ":", "?"))
