"""Where settings become the engine that new releases keep their index in."""

from pathlib import Path
from typing import TYPE_CHECKING

from photosearch.assembly_serving import collection_of, connect_qdrant, open_index
from photosearch.settings import Services

if TYPE_CHECKING:
    from photosearch.index.vector_index import VectorIndex
    from photosearch.index_settings import Quantisation
    from photosearch.release import Release
    from photosearch.search.release_recipe import IndexEngine


def index_engine(services: Services, quantisation: "Quantisation") -> "IndexEngine":
    """Qdrant Edge in this process, or a Qdrant server where PHOTOSEARCH_QDRANT_URL names one."""
    return _on_server(services, quantisation) if services.qdrant_url else _embedded(quantisation)


def _embedded(quantisation: "Quantisation") -> "IndexEngine":
    from photosearch.index.index_folder import copy_folder, held
    from photosearch.index.qdrant_edge import QdrantEdgeIndex
    from photosearch.search.release_recipe import IndexEngine

    def create(folder: Path, _name: str, dim: int, model_id: str) -> "VectorIndex":
        return QdrantEdgeIndex.create(folder, dim=dim, model_id=model_id, quantisation=quantisation)

    def copy(release: "Release", folder: Path, _name: str) -> "VectorIndex":
        with held(release.index, shared=True):
            copy_folder(release.index, folder)
        return QdrantEdgeIndex.open(folder, model_id=release.manifest.model_id)

    return IndexEngine("qdrant_edge", create, copy, discard=lambda _name: None)


def _on_server(services: Services, quantisation: "Quantisation") -> "IndexEngine":
    from photosearch.index.qdrant_server import QdrantServerIndex
    from photosearch.index.server_requests import Keeping
    from photosearch.search.release_recipe import IndexEngine

    keeping = Keeping(quantisation, services.qdrant_shards, services.qdrant_replicas)

    def create(_folder: Path, name: str, dim: int, model_id: str) -> "VectorIndex":
        return QdrantServerIndex.create(
            connect_qdrant(services), collection_of(name), dim=dim, model_id=model_id,
            keeping=keeping,
        )  # fmt: skip

    def copy(release: "Release", folder: Path, name: str) -> "VectorIndex":
        # The server copies no collection by itself: points go through this process.
        manifest = release.manifest
        source = open_index(release, services)
        try:
            made = create(folder, name, manifest.dim, manifest.model_id)
            for batch in source.scroll():
                made.add(*batch)
        finally:
            source.close()
        return made

    def discard(name: str) -> None:
        connection = connect_qdrant(services)
        try:
            connection.ask(lambda client: client.delete_collection(collection_of(name)))
        finally:
            connection.close()

    return IndexEngine("qdrant_server", create, copy, discard)
