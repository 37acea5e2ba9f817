"""A release's search by photo from its parts on disk, up to its ranker: before it is served."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from photosearch.embedding.embedder import Vectors
from photosearch.index.vector_index import SearchedIndex
from photosearch.release import CARDS, RANKER, TAGS, THUMBNAILS, Manifest
from photosearch.search.boosted_ranker import rank_by_photo
from photosearch.search.enrich import CardFactsTable
from photosearch.search.finding import Finder
from photosearch.search.found import FoundCard
from photosearch.search.query import Query, SearchRequest
from photosearch.search.rank import rank_by_evidence
from photosearch.search.ranker_folder import open_rankers
from photosearch.search.steps import Search, Step
from photosearch.tagging.tag_index import Carried, carried_tags


def rank_of(release: Path, tags: Carried | None, *, model_id: str, dim: int) -> Step:
    """How a release orders what a photo finds: by its ranker, or plainly where it has none.

    Args:
        release: Its folder; it need not be sealed.
        tags: Of its cards, where it has any.
        model_id: Of its model.
        dim: Vector length of its index.

    Raises:
        BadArtifact: The ranker is damaged, or of another model.
    """
    if (release / RANKER).exists():
        return rank_by_photo(open_rankers(release / RANKER, model_id=model_id), dim, tags)
    return rank_by_evidence(tags)


def search_of(release: Path, manifest: Manifest, index: SearchedIndex) -> Search:
    """Searches a release that is being made: whole photos, no words, no policies, no clicks.

    Raises:
        BadArtifact, BadTable: A part that it takes is not whole.
    """
    cards = CardFactsTable(release / CARDS, release / THUMBNAILS)
    tags = carried_tags(release / TAGS) if (release / TAGS).exists() else None
    rank = rank_of(release, tags, model_id=manifest.model_id, dim=index.dim)
    finder = Finder(index, manifest.hits_per_query)

    def search(vector: Vectors) -> Sequence[FoundCard]:
        query = Query(SearchRequest(), None, vector)
        found = finder.candidates(query)
        return rank(cards.enrich(found.cards), replace(query, hits=found.hits))

    return search
