"""Runs expectations on a frame and writes what came out as pages; knows no table of ours."""

import html
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photosearch.report import write_text

if TYPE_CHECKING:
    import pandas as pd

MAX_EXAMPLES = 5

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem; }
th, td { text-align: left; vertical-align: top; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid #8884; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .85em; overflow-wrap: anywhere; }
.ok { color: #18794e; } .bad { color: #d13415; font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one expectation found in one table."""

    column: str
    """Empty if it is about the whole table."""
    expectation: str
    meaning: str
    """In words, what must hold."""
    is_met: bool
    rows: int
    bad_rows: int
    examples: list[str]
    """Keys of bad rows, at most 5; or what was observed, if it is about the whole table."""

    def as_text(self, key: str) -> str:
        """One line for an error message; `key` is the column that names rows."""
        where = f"column {self.column}: " if self.column else ""
        found = (
            f"{self.bad_rows} of {self.rows} rows are bad, {key} {', '.join(self.examples)}"
            if self.bad_rows
            else f"found {', '.join(self.examples)}"
        )
        return f"{where}{self.expectation} ({self.meaning}): {found}"


def new_context() -> Any:
    """A Great Expectations context in memory: no project folder, no telemetry, no bars."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.data_sources.add_pandas("tables")
    return context


def check_frame(
    context: Any, name: str, frame: "pd.DataFrame", expectations: Sequence[Any], *, key: str
) -> list[Finding]:
    """Validates a frame; the context remembers the result for `write_pages`.

    Args:
        context: Of `new_context`.
        name: Of the table; names asset and suite.
        frame: Any rows.
        expectations: Each with `notes` that say in words what must hold.
        key: The column that names a row.
    """
    import great_expectations as gx

    asset = context.data_sources.get("tables").add_dataframe_asset(name)
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=list(expectations)))
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=name, data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
        )
    )
    result = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": [key],
            "partial_unexpected_count": MAX_EXAMPLES,
        },
    )
    return [_finding(one, key, len(frame)) for one in result.results]


def write_pages(context: Any, folder: Path, findings: Mapping[str, Sequence[Finding]]) -> None:
    """Replaces `folder`: index.html of Great Expectations, and our summary.html beside it.

    The pages of Great Expectations carry the time of the run, so they differ from run to run and
    need a network for their styles; summary.html depends on `findings` alone.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        context.add_data_docs_site(
            "local",
            {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(partial.absolute()),
                },
            },
        )
        context.build_data_docs(site_names=["local"])
        write_text(partial / "summary.html", summary_page(findings))
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def summary_page(findings: Mapping[str, Sequence[Finding]]) -> str:
    """One page of HTML that needs no other file; `findings` by table."""
    every = [finding for of_table in findings.values() for finding in of_table]
    failed = sum(not finding.is_met for finding in every)
    verdict = (
        f'<p class="bad">{failed} of {len(every)} expectations do not hold.</p>'
        if failed
        else f'<p class="ok">All {len(every)} expectations hold.</p>'
    )
    tables = "".join(_table_html(name, of_table) for name, of_table in findings.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Data checks</title>'
        f"<style>{STYLE}</style><h1>Data checks</h1>{verdict}{tables}"
        '<p><a href="index.html">Data Docs of Great Expectations</a></p></html>\n'
    )


def _table_html(name: str, findings: Sequence[Finding]) -> str:
    rows = "".join(_row_html(finding) for finding in findings)
    n_rows = findings[0].rows if findings else 0
    return (
        f"<h2>{html.escape(name)}, {n_rows} rows</h2><table><tr><th></th><th>must hold</th>"
        f"<th>column</th><th>expectation</th><th>bad rows</th><th>for example</th></tr>"
        f"{rows}</table>"
    )


def _row_html(finding: Finding) -> str:
    mark = '<td class="ok">ok</td>' if finding.is_met else '<td class="bad">bad</td>'
    examples = ", ".join(finding.examples) if not finding.is_met else ""
    return (
        f"<tr>{mark}<td>{html.escape(finding.meaning)}</td>"
        f"<td><code>{html.escape(finding.column)}</code></td>"
        f"<td><code>{html.escape(finding.expectation)}</code></td>"
        f'<td class="n">{finding.bad_rows}</td><td><code>{html.escape(examples)}</code></td></tr>'
    )


def _finding(one: Any, key: str, n_rows: int) -> Finding:
    config, result = one.expectation_config, one.result or {}
    bad = result.get("partial_unexpected_index_list") or []
    columns = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", []))
    examples = [str(row[key]) for row in bad][:MAX_EXAMPLES]
    raised = [str(info) for info in (one.exception_info or {}).values() if info]
    return Finding(
        column=columns,
        expectation=config.type,
        meaning=str(config.notes),
        is_met=bool(one.success),
        rows=n_rows,
        bad_rows=int(result.get("unexpected_count", 0)),
        examples=examples or [str(result.get("observed_value", "; ".join(raised)[:200]))],
    )
