"""The tables of a benchmark: by task and way to ask, by slice, by length; as text."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from photosearch.evaluation.contender import PAIRS, PHOTO
from photosearch.evaluation.intervals import Estimate
from photosearch.evaluation.suite import HEADLINE, BenchmarkReport, Row, Skipped
from photosearch.evaluation.views import WHOLE

RETRIEVAL = ("recall_at_1", "recall_at_10", "mrr", "map_at_10", "ndcg_at_10")
VERIFICATION = ("roc_auc", "f1", "precision", "recall", "calibration_error", "brier")


def as_markdown(report: BenchmarkReport) -> str:
    """The tables of the report as a person reads them."""
    parts = [told(report), ""]
    for title, header, rows in tables(report):
        parts += [f"**{title}**", "", f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
        parts += [f"| {' | '.join(row)} |" for row in rows]
        parts.append("")
    parts += [f"- Not measured: {line}" for line in not_measured(report)]
    return "\n".join(parts).rstrip("\n") + "\n"


def told(report: BenchmarkReport) -> str:
    """Who was measured on what, in one sentence or two."""
    against = f", compared with {report.champion} `{report.champion_id}`" if report.champion else ""
    return (
        f"Measured: {report.model} `{report.model_id}`{against}: {report.queries} held-out photos, "
        f"{report.cards} cards with {report.gallery_photos} pictures, data "
        f"`{report.data_version}`. Boxes: {report.drawn_boxes} given, the others are the middle of "
        "the photo. In brackets 95% of bootstrap samples of products."
    )


def not_measured(report: BenchmarkReport) -> list[str]:
    """Tasks that were not run, with the models and the reason; one line a reason."""
    by_reason: dict[str, list[Skipped]] = defaultdict(list)
    for one in report.skipped:
        by_reason[one.reason].append(one)
    return [
        f"{' and '.join(dict.fromkeys(one.task for one in of_it))} by "
        f"{' and '.join(dict.fromkeys(one.model for one in of_it))}: {reason}"
        for reason, of_it in by_reason.items()
    ]


Table = tuple[str, list[str], list[list[str]]]
"""Title, header, rows."""


def tables(report: BenchmarkReport) -> list[Table]:
    """By task and way; by slice; by length; pairs; each table only where it has rows."""
    longest = max((row.length for row in report.rows), default=0)
    at_longest = [row for row in report.rows if row.length == longest]
    finding = [row for row in at_longest if HEADLINE in row.model]
    whole = [row for row in report.rows if (row.task, row.way) == (PHOTO, WHOLE)]
    by_slice = [row for row in whole if row.length == longest]
    by_length = [row for row in report.rows if row.slice == "all" and row.way in {WHOLE, "pairs"}]
    made = [
        _retrieval(f"By task and way to ask, {longest} numbers, all queries", "task, way",
                   [row for row in finding if row.slice == "all"],
                   lambda row: f"{row.task}, {row.way}"),
        _retrieval(f"Whole photo -> card by slice, {longest} numbers", "slice", by_slice,
                   lambda row: row.slice),
        _retrieval("Whole photo -> card by length", "length",
                   [row for row in by_length if row.task == PHOTO], lambda row: str(row.length)),
        _seen(finding),
        _pairs(f"Same object, by slice, {longest} numbers",
               [row for row in at_longest if row.task == PAIRS], lambda row: row.slice),
        _pairs("Same object, by length",
               [row for row in by_length if row.task == PAIRS], lambda row: str(row.length)),
        _graded([row for row in report.rows if "graded_ndcg_at_10" in row.model]),
    ]  # fmt: skip
    return [table for table in made if table[2]]


Named = Callable[[Row], str]


def _retrieval(title: str, first: str, rows: Sequence[Row], name: Named) -> Table:
    header = [first, "queries", "products", "recall@1", "recall@10", "MRR", "mAP@10", "nDCG@10",
              "recall@1 of champion", "gain"]  # fmt: skip
    return title, header, [
        [name(row), str(row.queries), str(row.products),
         *(str(row.model[metric]) if metric == HEADLINE else f"{row.model[metric].value:.3f}"
           for metric in RETRIEVAL),
         str(row.champion[HEADLINE]) if row.champion else "–", _signed(row.gain)]
        for row in rows
    ]  # fmt: skip


def _seen(rows: Sequence[Row]) -> Table:
    """Each way on seen and on unseen cards, side by side."""
    names = list(dict.fromkeys((row.task, row.way) for row in rows))
    of = {(row.task, row.way, row.slice): row.model[HEADLINE] for row in rows}
    return "recall@1 on seen and unseen cards", ["task, way", "seen", "unseen"], [
        [f"{task}, {way}", *(str(of.get((task, way, part), "–")) for part in ("seen", "unseen"))]
        for task, way in names
    ]  # fmt: skip


def _pairs(title: str, rows: Sequence[Row], name: Named) -> Table:
    header = ["", "pairs", "products", "ROC AUC", "F1", "precision", "recall", "calibration error",
              "Brier", "ROC AUC of champion"]  # fmt: skip
    return title, header, [
        [name(row), str(row.queries), str(row.products),
         *(str(row.model[metric]) if metric in {"roc_auc", "f1"}
           else f"{row.model[metric].value:.3f}" for metric in VERIFICATION),
         str(row.champion["roc_auc"]) if row.champion else "–"]
        for row in rows
    ]  # fmt: skip


def _graded(rows: Sequence[Row]) -> Table:
    return "Graded relevance, 0 to 5", ["length", "queries", "nDCG@10", "of champion", "gain"], [
        [str(row.length), str(row.queries), str(row.model["graded_ndcg_at_10"]),
         str(row.champion["graded_ndcg_at_10"]) if row.champion else "–", _signed(row.gain)]
        for row in rows
    ]  # fmt: skip


def _signed(gain: Estimate | None) -> str:
    if gain is None:
        return "–"
    if gain.low is None or gain.high is None:
        return f"{gain.value:+.3f}"
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
