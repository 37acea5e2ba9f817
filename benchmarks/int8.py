"""What an int8 graph costs in retrieval and brings in time; see docs/experiments/export.md.

    python benchmarks/int8.py --home home/simulator --photos 128

The queries of the home ask for its card pictures, both embedded by the runtime of the row; the loss
is against PyTorch in fp32. Calibrated on training photos, which are no queries.
"""

import argparse
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from photosearch.assembly import find_home
from photosearch.catalog.images import load
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.embedding.export import load_torch
from photosearch.embedding.graph import GRAPH, PIXELS, Golden, GraphEmbedder
from photosearch.embedding.onnx_runtime import load_onnx
from photosearch.embedding.openvino_runtime import has_bf16, load_openvino
from photosearch.embedding.runtime_choice import Precision, Runtime, try_runtimes
from photosearch.evaluation.benchmark import measure
from photosearch.evaluation.photo_to_card import Task, embedded_vectors, load_task, rank_task
from photosearch.home import Home
from photosearch.progress import configure_logging
from photosearch.release import live_release

RESAMPLES = 10_000


class Photos(CalibrationDataReader):
    """Training photos one by one, as the graph takes them."""

    def __init__(self, batches: Iterator[NDArray[np.float32]]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {PIXELS: batch}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--photos", type=int, default=128, help="to calibrate on")
    asked = parser.parse_args()
    configure_logging(logging.WARNING)
    home = find_home(asked.home)
    release = live_release(home.releases)
    reference = GraphEmbedder(release.model, load_torch(release.model, precision="fp32"))
    with tempfile.TemporaryDirectory() as made:
        int8 = Path(made)
        quantise(release.graph, int8, batches(home, reference, asked.photos))
        runtimes = runtimes_of(release.graph, int8)
        embedders = [GraphEmbedder(release.model, runtime.load()) for runtime in runtimes]
        tell(home, reference, runtimes, embedders)


def quantise(graph: Path, int8: Path, calibration: Iterator[NDArray[np.float32]]) -> None:
    """Writes the int8 form: one scale a channel of weights, one scale a layer's output."""
    quantize_static(
        graph / GRAPH, int8 / GRAPH, Photos(calibration), quant_format=QuantFormat.QDQ,
        per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )  # fmt: skip


def runtimes_of(graph: Path, int8: Path) -> list[Runtime]:
    """Plain and int8; the precision is that of what is not int8."""
    rest: Precision = "bf16" if has_bf16() else "fp32"
    return [
        Runtime("onnxruntime", "fp32", lambda: load_onnx(graph, threads=1)),
        Runtime("openvino", rest, lambda: load_openvino(graph, threads=1, precision=rest)),
        Runtime("onnxruntime int8", "fp32", lambda: load_onnx(int8, threads=1)),
        Runtime("openvino int8", rest, lambda: load_openvino(int8, threads=1, precision=rest)),
    ]


def batches(home: Home, embedder: GraphEmbedder, n: int) -> Iterator[NDArray[np.float32]]:
    """Training photos from all over the catalogue, each a batch."""
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    training = [photo for photo in photos if photo.split == "train"]
    for photo in training[:: -(-len(training) // n)]:
        yield embedder.preprocessing.batch([load(home.images, photo.sha256)])


def tell(
    home: Home,
    reference: GraphEmbedder,
    runtimes: Sequence[Runtime],
    embedders: Sequence[GraphEmbedder],
) -> None:
    task = load_task(home)
    queries = task.queries[:: -(-len(task.queries) // 64)]
    pixels = [reference.preprocessing.pixels(load(home.images, p.sha256)) for p in queries]
    stacked = np.stack(pixels)
    golden = Golden(reference.model_id, stacked, reference.embed_pixels(stacked))
    trials = try_runtimes(runtimes, embedders, golden, batches=(1, 8))
    truth = hits(home, task, reference)
    typer.echo(
        f"\n{home.root.name}, {len(task.queries)} queries; PyTorch fp32: recall@1 "
        f"{truth[0].mean():.4f}, recall@10 {truth[1].mean():.4f}, MRR {truth[2].mean():.4f}\n"
    )
    typer.echo(
        "| runtime | rest in | ms, 1 | ms, 8 | least cosine | points of recall@1 lost (95%) "
        "| recall@10 lost | MRR lost |\n|---|---|---|---|---|---|---|---|"
    )
    for trial, embedder in zip(trials, embedders, strict=True):
        lost = truth - hits(home, task, embedder)
        low, high = interval(lost[0])
        at_1, at_10, mrr = lost.mean(axis=1) * 100
        times = f"{trial.ms_a_photo[1]:.2f} | {trial.ms_a_photo[8]:.2f}"
        typer.echo(
            f"| {trial.name} | {trial.precision} | {times} | {trial.min_cosine:.5f} | "
            f"{at_1:.2f} ({low:.2f} to {high:.2f}) | {at_10:.2f} | {mrr:.2f} |"
        )


def hits(home: Home, task: Task, embedder: GraphEmbedder) -> NDArray[np.float64]:
    """recall@1, recall@10 and reciprocal rank, (3, n_queries)."""
    length = max(embedder.lengths)
    ranking = rank_task(task, embedded_vectors(home, embedder), [length])[length]
    told = measure(ranking)
    return np.stack([told["recall_at_1"], told["recall_at_10"], told["mrr"]])


def interval(lost: NDArray[np.float64]) -> tuple[float, float]:
    """95% of the paired bootstrap's means, in points."""
    rows = np.random.default_rng(7).integers(0, len(lost), (RESAMPLES, len(lost)))
    low, high = np.percentile(lost[rows].mean(axis=1) * 100, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
