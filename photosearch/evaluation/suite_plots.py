"""The curves of a benchmark: recall by vector length and view, ROC, reliability."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photosearch.evaluation.calibration import calibration_error, reliability
from photosearch.evaluation.contender import PHOTO, Outcome
from photosearch.evaluation.held_out import HeldOut
from photosearch.evaluation.suite import HEADLINE, Benchmark
from photosearch.evaluation.views import VIEWS, WHOLE


def plot_lengths(path: Path, benchmark: Benchmark) -> None:
    """Recall@1 of photo -> card by vector length, a line a view; the champion's whole photo too."""
    rows = [row for row in benchmark.report.rows if (row.task, row.slice) == (PHOTO, "all")]
    with _panel(path, 6.4) as panel:
        for view in VIEWS:
            points = sorted((r.length, r.model[HEADLINE]) for r in rows if r.way == view)
            style = {"lw": 2.5} if view == WHOLE else {"alpha": 0.75}
            panel.plot([n for n, _ in points], [e.value for _, e in points], "o-", label=view,
                       **style)  # fmt: skip
        others = sorted(
            (row.length, row.champion[HEADLINE].value)
            for row in rows
            if row.way == WHOLE and row.champion
        )
        if others:
            panel.plot(*zip(*others, strict=True), "k--", label="champion, whole photo")
        panel.set(xlabel="vector length", ylabel="recall@1", ylim=(0, 1))
        panel.set_xscale("log", base=2)
        lengths = sorted({row.length for row in rows})
        panel.set_xticks(lengths, labels=[str(length) for length in lengths])
        panel.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def plot_roc(path: Path, held: HeldOut, benchmark: Benchmark) -> None:
    """True against false positives of same-object verification, all pairs and look-alikes."""
    from sklearn.metrics import roc_curve  # type: ignore[import-untyped]

    pairs = held.pairs
    hard = pairs.is_same | pairs.is_hard
    with _panel(path, 4.2) as panel:
        for name, outcome in _outcomes(benchmark):
            judged = outcome.judged[max(outcome.judged)]
            for keep, of, style in ((slice(None), "all pairs", "-"), (hard, "look-alikes", "--")):
                false, true, _ = roc_curve(pairs.is_same[keep], judged.cosines[keep])
                panel.plot(false, true, style, label=f"{name}, {of}")
        panel.plot([0, 1], [0, 1], ":", color="grey")
        panel.set(xlabel="other products called the same", ylabel="same products found",
                  xlim=(0, 1), ylim=(0, 1))  # fmt: skip
        panel.legend(fontsize=7)


def plot_reliability(path: Path, held: HeldOut, benchmark: Benchmark) -> None:
    """What the probability of "same object" says against what is so; on products held out."""
    with _panel(path, 4.2) as panel:
        for name, outcome in _outcomes(benchmark):
            said = outcome.judged[max(outcome.judged)].said
            bins = reliability(said, held.pairs.is_same)
            panel.plot([part.said for part in bins], [part.happened for part in bins], "o-",
                       label=f"{name}: error {calibration_error(bins):.3f}")  # fmt: skip
        panel.plot([0, 1], [0, 1], ":", color="grey")
        panel.set(xlabel="probability said", ylabel="share that is the same", xlim=(0, 1),
                  ylim=(0, 1))  # fmt: skip
        panel.legend(fontsize=7)


def _outcomes(benchmark: Benchmark) -> Iterator[tuple[str, Outcome]]:
    yield benchmark.report.model, benchmark.model
    if benchmark.champion is not None and benchmark.champion.judged:
        yield benchmark.report.champion, benchmark.champion


@contextmanager
def _panel(path: Path, width: float) -> Iterator[Any]:
    """One panel, saved as PNG at the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(width, 4))
    yield panel
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
