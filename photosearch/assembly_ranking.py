"""Where settings become what `photosearch ranker` trains on."""

from typing import TYPE_CHECKING

from photosearch.assembly import load_embedder, model_to_release
from photosearch.settings import Settings

if TYPE_CHECKING:
    from photosearch.embedding.catalog_vectors import ModelVectors


def vectors_to_rank(settings: Settings) -> "ModelVectors":
    """Vectors of curated photos by the model that the next release gets.

    Raises:
        HomeNotReady: No candidate was judged yet.
    """
    from photosearch.embedding.catalog_vectors import ModelVectors, catalog_vectors

    model = model_to_release(settings)
    embedder = load_embedder(model)
    return ModelVectors(embedder.model_id, catalog_vectors(settings.home, model, embedder))
