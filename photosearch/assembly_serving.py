"""Where a release becomes what a service runs: graph and index; no training, no torch."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from photosearch.errors import BadParams
from photosearch.release import Release, graph_of
from photosearch.settings import Services

if TYPE_CHECKING:
    from photosearch.embedding.graph import GraphEmbedder
    from photosearch.embedding.runtime_choice import Runtime
    from photosearch.index.qdrant_connection import QdrantConnection
    from photosearch.index.vector_index import VectorIndex


def load_served_embedder(release: Release, services: Services) -> "GraphEmbedder":
    """A release's graph, run by the runtime that is fastest here; the log says why, and it is warm.

    Raises:
        BadArtifact: The release has no graph, or none that loads.
        GraphDisagrees: No runtime makes the model's vectors.
    """
    from photosearch.embedding.graph import read_golden
    from photosearch.embedding.runtime_choice import load_fastest

    graph = graph_of(release)
    golden = read_golden(graph, model=release.model)
    runtimes = graph_runtimes(graph, services.encoder_threads)
    return load_fastest(runtimes, release.model, golden)


def graph_runtimes(graph: Path, threads: int) -> "list[Runtime]":
    """Every way to run a graph on this machine; `threads` of one batch, 0 takes all cores."""
    from photosearch.embedding.onnx_runtime import load_onnx
    from photosearch.embedding.openvino_runtime import has_bf16, load_openvino
    from photosearch.embedding.runtime_choice import Runtime

    runtimes = [
        Runtime("onnxruntime", "fp32", lambda: load_onnx(graph, threads=threads)),
        Runtime(
            "openvino", "fp32", lambda: load_openvino(graph, threads=threads, precision="fp32")
        ),
    ]
    if has_bf16():
        runtimes.append(
            Runtime(
                "openvino", "bf16", lambda: load_openvino(graph, threads=threads, precision="bf16")
            )
        )
    return runtimes


def open_index(release: Release, services: Services) -> "VectorIndex":
    """The index of a release, for searching; close it to remove the private copy.

    Raises:
        BadParams: The release's index is on a server, and no address is set.
        IndexUnavailable, ForeignIndex: See the engines.
    """
    manifest = release.manifest
    match manifest.index_kind:
        case "qdrant_edge":
            from photosearch.index.qdrant_edge import QdrantEdgeIndex

            return QdrantEdgeIndex.open_copy(release.index, model_id=manifest.model_id)
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
