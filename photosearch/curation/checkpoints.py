"""A checkpoint of a flow: runs suites over tables, writes pages, names bad rows, stops if any."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photosearch.curation.data_docs import Finding, check_frame, new_context, write_pages
from photosearch.errors import BadData
from photosearch.report import write_text

if TYPE_CHECKING:
    import pandas as pd

CHECKS = "checks"
"""Folder in build/ with pages of the checkpoints that are no DVC stage: raw, labels."""
FAILURES_TOLD = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ValidationReport:
    rows: dict[str, int]
    """By table."""
    expectations: dict[str, int]
    """How many hold, by table: all of them, or the flow would have stopped."""


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    path: Path
    key: str
    """The column that names a row in messages."""
    frame: "pd.DataFrame"
    suite: Callable[[], list[Any]]
    """Makes the expectations; called late, for Great Expectations takes seconds to import."""


def run_checkpoint(
    name: str, tables: Sequence[Table], *, docs: Path, reports: Path
) -> ValidationReport:
    """Checks tables; pages and failures are written also when something is wrong.

    Args:
        name: Of the checkpoint.
        tables: With their suites.
        docs: Folder of the pages. index.html is that of Great Expectations and takes its styles
            from the internet; summary.html needs nothing but itself.
        reports: Where the failures go, see `failures_of`.

    Raises:
        BadData: Something that must hold does not; names table, column, expectation and rows.
    """
    context = new_context()
    findings = {
        table.name: check_frame(context, table.name, table.frame, table.suite(), key=table.key)
        for table in tables
    }
    write_pages(context, docs, findings)
    failed = [
        (table, finding)
        for table in tables
        for finding in findings[table.name]
        if not finding.is_met
    ]
    _keep_failures(reports / _file(name), failed)
    if failed:
        raise BadData(_message(failed, docs))
    report = ValidationReport(
        rows={table.name: len(table.frame) for table in tables},
        expectations={table: len(found) for table, found in findings.items()},
    )
    log.info("%s: all %d expectations hold", name, sum(report.expectations.values()))
    return report


def checks_folder(build: Path, name: str) -> Path:
    """Where the pages of a checkpoint that is no DVC stage go; outside of a home's history."""
    write_text(build / CHECKS / ".gitignore", "*\n")  # the pages differ from run to run
    return build / CHECKS / name


def failures_of(name: str, reports: Path) -> list[dict[str, Any]]:
    """Expectations that failed when the checkpoint ran last: table, column, rows, for example."""
    path = reports / _file(name)
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return rows


def _file(name: str) -> str:
    return f"failed-{name}.json"


def _keep_failures(path: Path, failed: Sequence[tuple[Table, Finding]]) -> None:
    """Written for the flow, which sees only that a stage stopped; gone when all is well."""
    if not failed:
        path.unlink(missing_ok=True)
        return
    rows = [
        {
            "table": table.name,
            "column": finding.column,
            "must hold": finding.meaning,
            "bad rows": f"{finding.bad_rows} of {finding.rows}",
            table.key if finding.bad_rows else "found": ", ".join(finding.examples),
        }
        for table, finding in failed
    ]
    write_text(path, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def _message(failed: Sequence[tuple[Table, Finding]], docs: Path) -> str:
    told = [f"{table.path}: {finding.as_text(table.key)}" for table, finding in failed]
    more = f"; and {len(told) - FAILURES_TOLD} more" if len(told) > FAILURES_TOLD else ""
    return (
        f"{'; '.join(told[:FAILURES_TOLD])}{more}. See {docs / 'summary.html'}. "
        "Mend the source and pull again; if the table is old, delete it and run its stage."
    )
