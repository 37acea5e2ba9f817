"""What `photosearch benchmark` leaves: report.json, report.md, report.html and curves."""

from pathlib import Path

from photosearch.evaluation.held_out import HeldOut
from photosearch.evaluation.suite import Benchmark
from photosearch.evaluation.suite_page import benchmark_page
from photosearch.evaluation.suite_plots import plot_lengths, plot_reliability, plot_roc
from photosearch.evaluation.suite_tables import as_markdown
from photosearch.report import save_report, write_text


def save_benchmark(folder: Path, held: HeldOut, benchmark: Benchmark) -> None:
    """Writes all files into a folder, which is made; the report that machines read last."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    curves = [folder / "lengths.png"]
    plot_lengths(curves[0], benchmark)
    if benchmark.model.judged:
        curves += [folder / "roc.png", folder / "reliability.png"]
        plot_roc(curves[1], held, benchmark)
        plot_reliability(curves[2], held, benchmark)
    # a home commits all reports; megabytes of pictures in each commit would only grow it
    write_text(folder / ".gitignore", "/report.html\n")
    write_text(folder / "report.md", as_markdown(benchmark.report))
    write_text(folder / "report.html", benchmark_page(held, benchmark, curves=curves))
    save_report(folder / "report.json", benchmark.report)
