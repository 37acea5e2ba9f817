"""Where settings become graphs of models and trials of runtimes; the rest is in assembly.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from photosearch.assembly_serving import graph_runtimes
from photosearch.release import graph_of, live_release
from photosearch.settings import Settings

if TYPE_CHECKING:
    from PIL import Image

    from photosearch.embedding.export import GraphReport
    from photosearch.embedding.runtime_choice import Trial

PHOTOS_IN_TURN = (1, 8)
"""Photos in a batch of the timings."""


@dataclass(frozen=True, slots=True)
class Bench:
    release: str
    photos: int
    threads: int
    """0 means all cores."""
    trials: "list[Trial]"
    """Of the runtimes of the graph, and of PyTorch behind them."""
    chosen: str
    reason: str


def export_model(settings: Settings, model: Path | None, graph: Path) -> "GraphReport":
    """Writes the graph of a model folder, or of the live release's model, into another folder.

    Raises:
        HomeNotReady: Nothing is live, and no model is named; or nothing is curated.
        BadArtifact: The model is incomplete.
        GraphDisagrees: The graph makes other vectors than the model.
    """
    from photosearch.embedding.export import export_graph

    chosen = live_release(settings.home.releases).model if model is None else model
    return export_graph(chosen, graph, _real_photos(settings, 16))


def bench_runtimes(settings: Settings, *, threads: int, n_photos: int) -> Bench:
    """Tries every runtime of the live release on this machine and real photos of the home.

    Raises:
        HomeNotReady: Nothing is live.
        BadArtifact: The live release has no graph.
    """
    import torch

    from photosearch.embedding.export import golden_vectors, load_torch
    from photosearch.embedding.graph import GraphEmbedder, read_golden
    from photosearch.embedding.runtime_choice import Runtime, choose, try_runtimes

    release = live_release(settings.home.releases)
    graph, model = graph_of(release), release.model
    read_golden(graph, model=model)  # a graph of another model is told before it is timed
    if threads:
        torch.set_num_threads(threads)
    of_graph = graph_runtimes(graph, threads)
    runtimes = [
        *of_graph,
        Runtime("torch", "fp32", lambda: load_torch(model, precision="fp32")),
        Runtime("torch", "bf16", lambda: load_torch(model, precision="bf16")),
    ]
    golden = golden_vectors(model, _real_photos(settings, n_photos))
    embedders = [GraphEmbedder(model, runtime.load()) for runtime in runtimes]
    trials = try_runtimes(runtimes, embedders, golden, batches=PHOTOS_IN_TURN)
    number, reason = choose(trials[: len(of_graph)])
    chosen = f"{trials[number].name} {trials[number].precision}"
    return Bench(release.manifest.release, len(golden.pixels), threads, trials, chosen, reason)


def _real_photos(settings: Settings, n: int) -> "Sequence[Image.Image]":
    """At most `n` curated photos, from all over the catalogue."""
    from photosearch.catalog.images import load
    from photosearch.catalog.schemas import CuratedPhoto
    from photosearch.catalog.tables import read_rows

    photos = read_rows(settings.home.curated / "photos.parquet", CuratedPhoto)
    spread = photos[:: -(-len(photos) // n)]
    return [load(settings.home.images, photo.sha256) for photo in spread]
