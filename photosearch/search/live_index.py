"""A release's index as the evaluation asks it: what it holds, and the same search as the page's."""

from pathlib import Path

import numpy as np

from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.evaluation.benchmark import Gallery
from photosearch.evaluation.folder import LiveIndex, Search
from photosearch.index.filters import Listing
from photosearch.index.vector_index import ExactIndex, VectorIndex, Vectors
from photosearch.release import Release
from photosearch.search.candidates import nearest_cards


def live_index(release: Release, index: VectorIndex, *, images: Path) -> LiveIndex:
    """What a release's index holds, in the order of its photo table, and its search."""
    group_of = {card.card_id: card.group_id for card in read_rows(release.cards, Card)}
    photos = read_rows(release.photos, CuratedPhoto)
    rows = {
        photo_id: vector
        for photo_ids, _, vectors in index.scroll()
        for photo_id, vector in zip(photo_ids, vectors, strict=True)
    }
    card_ids = [photo.card_id for photo in photos]
    groups = [group_of[card_id] for card_id in card_ids]
    stored = Gallery(card_ids, groups, np.stack([rows[photo.photo_id] for photo in photos]))
    photo_ids = [photo.photo_id for photo in photos]
    listings = [Listing(card_id) for card_id in card_ids]
    limit = release.manifest.hits_per_query

    def search_by(searched: VectorIndex) -> Search:
        return lambda vector: [
            card.card_id for card in nearest_cards(searched, vector, hits_per_query=limit)
        ]

    def search_exactly(vectors: Vectors) -> Search:
        exact = ExactIndex(vectors.shape[1])
        exact.add(photo_ids, listings, vectors)
        return search_by(exact)

    return LiveIndex(stored, photos, images, search_by(index), search_exactly)
