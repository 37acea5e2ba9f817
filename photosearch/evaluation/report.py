"""The offline report: model against mean pooling, by vector length and slice; JSON, table, plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.evaluation.benchmark import Ranking, averages, measure
from photosearch.report import save_report, write_text

ByLength = dict[str, dict[str, float]]
"""Vector length, as text, to metrics by name."""


@dataclass(frozen=True, slots=True)
class SliceReport:
    queries: int
    lengths: ByLength
    baseline: ByLength


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    queries: int
    cards: int
    """In the gallery."""
    gallery: str
    """`source`: the cards' own pictures; `index`: a live index, buyers' photos included."""
    lengths: ByLength
    baseline: ByLength
    """The same for mean pooling of the same tower's tokens."""
    slices: dict[str, SliceReport]
    """`seen`: cards with other photos in training; `unseen`: cards with none."""
    skipped: int
    """Queries left out: their product is not in the gallery."""
    release: str
    model_id: str
    data_version: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Rankings of one set of queries by the model and by mean pooling, by vector length."""

    model: Mapping[int, Ranking]
    baseline: Mapping[int, Ranking]
    is_seen: NDArray[np.bool_]
    """(n_queries,)"""


def slice_reports(measured: Measured) -> dict[str, SliceReport]:
    """The report of all queries and of each slice that is not empty: `all`, `seen`, `unseen`."""
    everything = np.ones(len(measured.is_seen), np.bool_)
    members = {"all": everything, "seen": measured.is_seen, "unseen": ~measured.is_seen}
    model = {length: measure(ranking) for length, ranking in measured.model.items()}
    baseline = {length: measure(ranking) for length, ranking in measured.baseline.items()}
    return {
        name: SliceReport(
            queries=int(keep.sum()),
            lengths={str(length): averages(values, keep) for length, values in model.items()},
            baseline={str(length): averages(values, keep) for length, values in baseline.items()},
        )
        for name, keep in members.items()
        if keep.any()
    }


def save_evaluation(folder: Path, report: EvaluationReport) -> None:
    """Writes report.json, report.md and recall.png."""
    save_report(folder / "report.json", report)
    write_text(folder / "report.md", as_markdown(report))
    _plot(folder / "recall.png", report)


def as_markdown(report: EvaluationReport) -> str:
    """A table a person reads: rows are slices and lengths, model beside mean pooling."""
    lines = [
        f"{report.queries} queries, {report.cards} cards, gallery `{report.gallery}`, release "
        f"`{report.release}`, model `{report.model_id}`, data `{report.data_version}`",
        "",
        "| slice | length | model | recall@1 | recall@5 | recall@10 | MRR | mAP@10 | nDCG@10 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    whole = SliceReport(report.queries, report.lengths, report.baseline)
    for name, part in ({"all": whole} | report.slices).items():
        for length in part.lengths:
            named = (("this", part.lengths), ("mean pooling", part.baseline))
            lines += [
                f"| {name} ({part.queries}) | {length} | {model} | {_cells(by_length[length])} |"
                for model, by_length in named
                if length in by_length
            ]
    return "\n".join(lines) + "\n"


def _cells(values: Mapping[str, float]) -> str:
    names = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "map_at_10", "ndcg_at_10")
    return " | ".join(f"{values[name]:.3f}" for name in names)


def _plot(path: Path, report: EvaluationReport) -> None:
    """Recall@1 by vector length, model against mean pooling, one panel a slice."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    whole = SliceReport(report.queries, report.lengths, report.baseline)
    parts = {"all": whole} | report.slices
    figure, panels = pyplot.subplots(1, len(parts), figsize=(4 * len(parts), 3.2), squeeze=False)
    for panel, (name, part) in zip(panels[0], parts.items(), strict=True):
        for label, by_length in (("this model", part.lengths), ("mean pooling", part.baseline)):
            lengths: Sequence[int] = sorted(int(length) for length in by_length)
            recalls = [by_length[str(length)]["recall_at_1"] for length in lengths]
            panel.plot(lengths, recalls, "o-", label=label)
        panel.set(title=f"{name}: {part.queries} queries", xlabel="vector length", ylim=(0, 1))
        panel.set_xscale("log", base=2)
    panels[0][0].set_ylabel("recall@1")
    panels[0][0].legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
