"""Where settings become what `photosearch ranker` trains on, and what a release gets of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from photosearch.assembly import load_embedder, model_to_release
from photosearch.search.boosted_ranker import VERDICT, is_better, read_manifest
from photosearch.settings import Settings

if TYPE_CHECKING:
    from photosearch.embedding.catalog_vectors import VectorsOf


def vectors_to_rank(settings: Settings) -> "tuple[str, VectorsOf]":
    """The id of the model that the next release gets, and its vectors of curated photos.

    Raises:
        HomeNotReady: No candidate was judged yet.
    """
    from photosearch.embedding.catalog_vectors import catalog_vectors

    model = model_to_release(settings)
    embedder = load_embedder(model)
    return embedder.model_id, catalog_vectors(settings.home, model, embedder)


def ranker_to_release(settings: Settings, model_id: str) -> Path | None:
    """The folder of the ranker that goes into a release of this model; None: there is none.

    One goes if `ranking.ranker.use` is true and the ranker trained last is of this model and
    ranked better than no ranker.

    Raises:
        BadArtifact: The trained ranker is damaged.
    """
    folder = settings.home.ranker
    if not settings.params.ranking.ranker.use or not (folder / VERDICT).exists():
        return None
    of_model = read_manifest(folder).model_id == model_id
    return folder if of_model and is_better(folder) else None
