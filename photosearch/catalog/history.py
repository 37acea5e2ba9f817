"""Tells the snapshots of a home apart, by what each pull wrote into its commit."""

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from photosearch.catalog.pull import PullReport, load_snapshot
from photosearch.errors import HomeNotReady
from photosearch.home import Home

SUBJECT = re.compile(r"Pull (?P<data_version>\w+) from (?P<source>.*)")
FIELD, RECORD = "\x1f", "\x1e"


@dataclass(frozen=True, slots=True)
class PastPull:
    """One commit of a snapshot."""

    commit: str
    at: str
    """When it was committed, ISO 8601 with the zone of that machine."""
    data_version: str
    source: str
    is_current: bool
    """Whether `data/` holds this snapshot now."""
    report: dict[str, Any]
    """Fields of its PullReport; empty for a commit that says only version and source."""


def commit_message(report: PullReport) -> str:
    """What the commit of a pull says: for people in the first line, the whole report below."""
    subject = f"Pull {report.data_version} from {_one_line(report.source)}"
    return f"{subject}\n\n{json.dumps(asdict(report), sort_keys=True)}"


def read_history(home: Home, *, limit: int) -> list[PastPull]:
    """The newest pulls that were committed, newest first.

    Raises:
        HomeNotReady: The home is no git repository, or nothing was committed in it.
    """
    form = FIELD.join(("%h", "%cI", "%s", "%b")) + RECORD
    command = (
        "git",
        "log",
        f"--format={form}",
        "--extended-regexp",
        "--grep=^Pull [0-9a-f]+ from ",
    )
    done = subprocess.run(
        [*command, f"--max-count={limit}", "--", "data.dvc"],
        cwd=home.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise HomeNotReady(
            f"{home.root} has no history of snapshots ({done.stderr.strip().splitlines()[-1:]}). "
            "Run `photosearch pull` first."
        )
    try:
        current = load_snapshot(home.catalog).data_version
    except HomeNotReady:  # not checked out: the history is there all the same
        current = ""
    records = filter(None, (text.strip("\n") for text in done.stdout.split(RECORD)))
    return list(_past_pulls(records, current=current))


def as_text(pulls: list[PastPull]) -> str:
    """A few lines a snapshot, for people."""
    if not pulls:
        return "No snapshot was committed yet. Run `photosearch pull`."
    return "\n\n".join(_paragraph(pull) for pull in pulls)


def _past_pulls(records: Iterable[str], *, current: str) -> Iterable[PastPull]:
    is_found = False
    for record in records:
        commit, at, subject, body = [*record.split(FIELD), ""][:4]
        named = SUBJECT.fullmatch(subject)
        if named is None:
            continue
        version = named["data_version"]
        is_current = version == current and not is_found  # the newest of the same rows
        is_found |= is_current
        yield PastPull(commit, at, version, named["source"], is_current, _report(body))


def _report(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body.strip())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _paragraph(pull: PastPull) -> str:
    mark = "   <- data/ now" if pull.is_current else ""
    lines = [f"{pull.data_version}  {pull.at}  {pull.source}  (commit {pull.commit}){mark}"]
    report = pull.report
    if not report:
        return f"{lines[0]}\n  its commit does not say more"
    rejected = sum(report["rejected"].values())
    lines.append(
        f"  {report['cards']:,} cards, {report['photos']:,} photos, {report['reviews']:,} reviews; "
        f"{rejected:,} left out; {report['new_images']:,} new images"
    )
    lines += [
        f"  {table}: {rows['new']:,} new, {rows['changed']:,} changed, {rows['gone']:,} gone"
        for table, rows in report["changes"].items()
        if any(rows.values())
    ]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())
