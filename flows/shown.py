"""Shows a stage's report as an artifact in the Prefect page."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact


def show_table(key: str, report: Any) -> None:
    """A table of a report dataclass: one row a field."""
    _show_fields(key, dataclasses.asdict(report))


def show_rows(key: str, rows: list[dict[str, Any]]) -> None:
    """A table of rows; nothing if there are none."""
    if rows:
        create_table_artifact(rows, key=key, description=f"Rows of `{key}`")


def show_markdown(key: str, path: Path) -> None:
    """A report that was written as markdown."""
    create_markdown_artifact(path.read_text(), key=key)


def show_json(key: str, path: Path) -> None:
    """A table of a report that a DVC stage kept as JSON."""
    _show_fields(key, json.loads(path.read_text()))


def _show_fields(key: str, values: dict[str, Any]) -> None:
    rows = [
        {"field": name, "value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in values.items()
    ]
    create_table_artifact(rows, key=key, description=f"Report of `{key}`")
