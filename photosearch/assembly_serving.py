"""Where a release becomes what a service runs: graph and index; no training, no torch."""

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from photosearch.errors import BadParams
from photosearch.perception_settings import OcrParams
from photosearch.release import Release, graph_of
from photosearch.settings import Services

if TYPE_CHECKING:
    from PIL import Image

    from photosearch.embedding.graph import GraphEmbedder
    from photosearch.embedding.runtime_choice import Precision, Runtime
    from photosearch.embedding.short_tokens import Projection
    from photosearch.index.qdrant_connection import QdrantConnection
    from photosearch.index.qdrant_edge import QdrantEdgeIndex
    from photosearch.index.vector_index import SearchedIndex, VectorIndex
    from photosearch.perception.onnx_detector import OnnxDetector
    from photosearch.perception.reader import Reader

    DrawMap = Callable[[Image.Image, Image.Image | None], bytes]
    """The searched part of a photo, and another photo or None -> a PNG file."""


def load_served_detector(release: Release) -> "OnnxDetector | None":
    """What a release finds things on photos with; None where it searches whole photos.

    Raises:
        BadArtifact: The release's detector is damaged.
    """
    from photosearch.search.seeing import graph_of_detector, read_seeing

    seeing = read_seeing(release.folder)
    if seeing is None or seeing.detector is None:
        return None
    from photosearch.embedding.openvino_runtime import has_bf16
    from photosearch.perception.detector_graphs import by_onnxruntime, by_openvino
    from photosearch.perception.onnx_detector import OnnxDetector

    # what bf16 does to boxes was measured of this format alone: docs/experiments/detector.md
    is_fast = seeing.detector.format == "ours" and has_bf16()
    return OnnxDetector(
        graph_of_detector(release.folder),
        format_=seeing.detector.format,
        classes=seeing.detector.classes,
        confidence_min=seeing.detector.confidence_min,
        overlap_max=seeing.detector.overlap_max,
        keep_masks=False,
        threads=seeing.detector.threads,
        open_graph=by_openvino if is_fast else by_onnxruntime,
    )


def load_served_reader(release: Release) -> "Reader | None":
    """What a release reads words on photos with; None where it reads none.

    Raises:
        BadArtifact: RapidOCR's models are not here, or do not read.
    """
    from photosearch.search.seeing import read_seeing

    seeing = read_seeing(release.folder)
    return None if seeing is None else load_reader(seeing.ocr)


def load_reader(ocr: OcrParams) -> "Reader | None":
    """What reads words on photos, ready to be asked; None where params turn it off.

    Raises:
        BadArtifact: RapidOCR's models are not here, or do not read.
    """
    match ocr.reader:
        case "rapidocr":
            from photosearch.perception.ocr import RapidReader

            return RapidReader(
                side_px=ocr.side_px, confidence_min=ocr.confidence_min, threads=ocr.threads
            )
        case "off":
            return None


log = logging.getLogger(__name__)


def load_served_embedder(
    release: Release, services: Services, *, sees: bool = False
) -> "GraphEmbedder":
    """A release's graph, warm, run by the runtime that was asked for or is fastest here.

    Args:
        release: Has a graph.
        services: How many threads it may use, and which runtime; the log says why it is this one.
        sees: Whether tokens and attention are wanted beside vectors, for `GraphEmbedder.see`. A
            graph that gives none is loaded for its vectors, and the log says so.

    Raises:
        BadArtifact: The release has no graph, or none that loads.
        BadParams: This machine does not have the runtime that was asked for.
        GraphDisagrees: No runtime makes the model's vectors.
    """
    from photosearch.embedding.graph import SIGHT, VECTORS, read_golden
    from photosearch.embedding.runtime_choice import load_fastest

    graph = graph_of(release)
    golden = read_golden(graph, model=release.model)
    if sees and golden.outputs != SIGHT:
        log.warning(
            "release %s: its graph gives no tokens and no attention, so there are no maps and no "
            "late interaction. It is of before there were any, or its model has no attention head.",
            release.manifest.release,
        )
    outputs = golden.outputs if sees else (VECTORS,)
    runtimes = graph_runtimes(graph, services.encoder_threads, outputs)
    return load_fastest(asked_for(services.encoder_runtime, runtimes), release.model, golden)


def asked_for(runtime: str, runtimes: "Sequence[Runtime]") -> "Sequence[Runtime]":
    """Those of this machine that a setting leaves to choose from: see `Services.encoder_runtime`.

    Raises:
        BadParams: This machine does not have it.
    """
    if runtime == "fastest":
        return runtimes
    asked = [one for one in runtimes if one.in_words == runtime]
    if not asked:
        raise BadParams(
            f"PHOTOSEARCH_ENCODER_RUNTIME is {runtime!r}, and this machine has "
            f"{', '.join(one.in_words for one in runtimes)}. Name one of these, or 'fastest'."
        )
    return asked


def graph_runtimes(
    graph: Path, threads: int, outputs: Sequence[str] = ("vectors",)
) -> "list[Runtime]":
    """Every way to run a graph on this machine.

    Args:
        graph: Its folder.
        threads: Of one batch; 0 takes all cores.
        outputs: What is wanted of it, vectors first.
    """
    from photosearch.embedding.onnx_runtime import load_onnx
    from photosearch.embedding.openvino_runtime import (
        has_bf16,
        read_openvino,
        run_in_lanes,
        run_whole,
    )
    from photosearch.embedding.runtime_choice import Runtime

    read = cache(partial(read_openvino, graph, outputs))  # its weights once, however it is run

    def by_openvino(precision: "Precision") -> Runtime:
        return Runtime(
            "openvino",
            precision,
            lambda: run_whole(read(), threads=threads, precision=precision),
            lambda: run_in_lanes(read(), threads=threads, precision=precision),
        )

    by_onnx = Runtime(
        "onnxruntime", "fp32", lambda: load_onnx(graph, threads=threads, outputs=outputs)
    )
    runtimes = [by_onnx, by_openvino("fp32")]
    return [*runtimes, by_openvino("bf16")] if has_bf16() else runtimes


def load_map_drawer(release: Release) -> "DrawMap | None":
    """What draws the maps of a release; None where its graph gives no attention.

    It loads one runtime and compares none: maps are few, and none is worth a trial of seconds.

    Raises:
        BadArtifact: The release's graph or tokens are damaged.
    """
    from photosearch.embedding.graph import SIGHT, GraphEmbedder, read_golden
    from photosearch.embedding.onnx_runtime import load_onnx
    from photosearch.search.explain import map_of

    graph = graph_of(release)
    if read_golden(graph, model=release.model).outputs != SIGHT:
        return None
    embedder = GraphEmbedder(release.model, load_onnx(graph, threads=1, outputs=SIGHT))
    projection = projection_of(release)
    return lambda photo, other: map_of(embedder, photo, other, projection)


def projection_of(release: Release) -> "Projection | None":
    """How a release's searches shorten tokens; None where they compare none.

    Raises:
        BadArtifact: Its tokens are damaged.
    """
    from photosearch.search.photo_tokens import tokens_of_release

    tokens = tokens_of_release(release)
    return tokens.projection if tokens else None


def open_index(release: Release, services: Services) -> "VectorIndex":
    """The index of a release, for searching; close it to remove the private copy.

    Raises:
        BadParams: The release's index is on a server, and no address is set.
        IndexUnavailable, ForeignIndex: See the engines.
    """
    manifest = release.manifest
    match manifest.index_kind:
        case "qdrant_edge":
            return _open_edge(release)
        case "qdrant_server" if services.qdrant_url:
            from photosearch.index.qdrant_server import QdrantServerIndex

            return QdrantServerIndex.open(
                connect_qdrant(services),
                collection_of(manifest.release),
                model_id=manifest.model_id,
            )
    raise BadParams(
        f"Release {manifest.release} keeps its index in {manifest.index_kind}. Set "
        "PHOTOSEARCH_QDRANT_URL to that server, or build a release without it."
    )


def open_index_apart(release: Release, services: Services) -> "SearchedIndex":
    """The same, in a process of its own where the engine would hold up this one."""
    if release.manifest.index_kind != "qdrant_edge":
        return open_index(release, services)
    from photosearch.index.index_process import IndexProcess

    return IndexProcess(partial(_open_known, release))


def _open_edge(release: Release) -> "QdrantEdgeIndex":
    from photosearch.index.lifecycle import warm_up
    from photosearch.index.qdrant_edge import QdrantEdgeIndex

    index = QdrantEdgeIndex.open_copy(release.index, model_id=release.manifest.model_id)
    warm_up(index)
    return index


def _open_known(release: Release) -> "SearchedIndex":
    from photosearch.catalog.schemas import CuratedPhoto
    from photosearch.catalog.tables import read_table
    from photosearch.index.point_photos import KnownIndex, PointPhotos

    known = PointPhotos(read_table(release.photos, CuratedPhoto))
    return KnownIndex(_open_edge(release), known)


def point_alias(release: Release, services: Services) -> None:
    """Leads the server's alias to a release's collection; an embedded index has none.

    Raises:
        IndexUnavailable: The server has no such collection, or does not answer.
    """
    if release.manifest.index_kind != "qdrant_server":
        return
    from photosearch.index.qdrant_server import switch_alias

    with closing(connect_qdrant(services)) as connection:
        switch_alias(connection, services.qdrant_alias, collection_of(release.manifest.release))


def connect_qdrant(services: Services) -> "QdrantConnection":
    """A connection to the Qdrant server that the environment names."""
    from photosearch.index.qdrant_connection import QdrantConnection

    return QdrantConnection.connect(
        services.qdrant_url, api_key=services.qdrant_api_key.get_secret_value()
    )


def collection_of(release: str) -> str:
    """Name of a release's collection on a Qdrant server."""
    return f"photosearch-{release}"
