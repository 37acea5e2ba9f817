"""The results of `benchmarks/index.py` as tables."""

import json
from pathlib import Path
from typing import Any

Results = dict[tuple[int, str, str], dict[str, Any]]
"""By size, quantisation (`peers` for other engines) and part."""


def read_results(work: Path) -> Results:
    found: Results = {}
    for file in work.glob("result.*.json"):
        _, size, kind, part, _ = file.name.split(".")
        found[int(size), kind, part] = json.loads(file.read_text())
    return dict(sorted(found.items()))


def show(work: Path) -> str:
    """All that is in a work folder."""
    results = read_results(work)
    lines = [
        "| products | codes | recall@10 | p50 ms | p99 ms | processor p50, p99 | "
        "least filtered recall | filtered p99 ms, of all, of the slowest | build s | "
        "bytes on disk | bytes resident | of these not a file's |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(_engine(size, kind, results) for size, kind, part in results if part == "search"),
        *(_peer(size, part, one) for (size, kind, part), one in results.items() if kind == "peers"),
        "",
        "| products | codes | filter | share | recall@10 | p50 ms | p99 ms | processor p50, p99 |",
        "|---|---|---|---|---|---|---|---|",
        *(line for (size, kind, _), one in results.items() for line in _filters(size, kind, one)),
        "",
        "| products | codes | copy s | vectors s | prices s | optimise s | recall@10 after |",
        "|---|---|---|---|---|---|---|",
        *(_refresh(*key[:2], one) for key, one in results.items() if key[2] == "refresh"),
    ]
    return "\n".join(lines) + "\n"


def _engine(size: int, kind: str, results: Results) -> str:
    asked, built = results[size, kind, "search"], results[size, kind, "build"]
    whole = asked["filters"]["none"]
    filtered = [one for name, one in asked["filters"].items() if name != "none"]
    least = min(one["recall_at_10"] for one in filtered)
    return (
        f"| {size:,} | {kind} | {whole['recall_at_10']:.4f} | {whole['p50_ms']:.2f} | "
        f"{whole['p99_ms']:.2f} | {_processor(whole)} | {least:.4f} | "
        f"{asked['filtered_p99_ms']:.1f}, {max(one['p99_ms'] for one in filtered):.1f} | "
        f"{built['optimize_s']:.0f} | "
        f"{built['disk_bytes']:.0f} | {asked['resident_bytes']:.0f} | "
        f"{asked['anonymous_bytes']:.0f} |"
    )


def _peer(size: int, name: str, one: dict[str, float]) -> str:
    return (
        f"| {size:,} | {name} | {one['recall_at_10']:.4f} | {one['p50_ms']:.2f} | "
        f"{one['p99_ms']:.2f} | {_processor(one)} | | | {one['build_s']:.0f} | "
        f"{one['disk_bytes']:.0f} | | |"
    )


def _filters(size: int, kind: str, one: dict[str, Any]) -> list[str]:
    return [
        f"| {size:,} | {kind} | {name} | {asked['share']:.4f} | {asked['recall_at_10']:.4f} | "
        f"{asked['p50_ms']:.2f} | {asked['p99_ms']:.2f} | {_processor(asked)} |"
        for name, asked in one.get("filters", {}).items()
    ]


def _refresh(size: int, kind: str, one: dict[str, float]) -> str:
    return (
        f"| {size:,} | {kind} | {one['copy_s']:.1f} | {one['vectors_s']:.2f} | "
        f"{one['listings_s']:.2f} | {one['optimize_s']:.1f} | {one['recall_at_10']:.4f} |"
    )


def _processor(one: dict[str, float]) -> str:
    return f"{one['processor_p50_ms']:.2f}, {one['processor_p99_ms']:.2f}"
