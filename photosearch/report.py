"""Keeps what a stage says of its run: a frozen dataclass in, JSON or a few lines of text out."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any


def as_values(report: Any) -> dict[str, Any]:
    """The fields of a report dataclass by name, dataclasses within too."""
    return dataclasses.asdict(report)


def save_report(path: Path, report: Any) -> None:
    """Writes a report dataclass as JSON, atomically."""
    write_text(path, json.dumps(dataclasses.asdict(report), indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def one_line(report: Any) -> str:
    """`cards=240 photos=1820 rejected={'near_duplicate': 31}`."""
    values = dataclasses.asdict(report).items()
    return " ".join(f"{name}={value}" for name, value in values)
