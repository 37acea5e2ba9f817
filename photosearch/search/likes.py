"""Liked and disliked results move the query: towards the ones, away from the others."""

from collections.abc import Sequence

import numpy as np

from photosearch.embedding.embedder import Vectors, unit
from photosearch.text_search_settings import LikesParams

CARDS_MOST = 10
"""Liked, and disliked, cards that count: the last ones."""


def moved_by_likes(
    query: Vectors, liked: Sequence[Vectors], disliked: Sequence[Vectors], *, likes: LikesParams
) -> Vectors:
    """The query's unit vector after a shopper's likes and dislikes, (dim,).

    Each card counts once, by the mean of its photos. However many there are, the query keeps a
    cosine of at least `likes.cosine_min` to where it was: likes refine a search, they do not
    replace it.

    Args:
        query: Unit vector, (dim,).
        liked: Vectors of each card's photos, (n_photos, dim), in the order of the likes.
        disliked: The same for dislikes.
        likes: See params.yaml.

    Source: Rocchio 1971, "Relevance feedback in information retrieval"; weights from Manning et
    al. 2008, "Introduction to Information Retrieval", 9.1.1.
    """
    moved = query + likes.liked * _centre(liked, query) - likes.disliked * _centre(disliked, query)
    return _held(query, unit(moved), likes.cosine_min)


def _centre(cards: Sequence[Vectors], query: Vectors) -> Vectors:
    """Mean of the cards' own directions; zero where there is no card."""
    if not cards:
        return np.zeros_like(query)
    means = np.stack([photos.mean(axis=0) for photos in cards[-CARDS_MOST:]])
    centre: Vectors = unit(means).mean(axis=0)
    return centre


def _held(query: Vectors, moved: Vectors, cosine_min: float) -> Vectors:
    """`moved`, or the nearest point on its way whose cosine to the query is `cosine_min`."""
    cosine = float(query @ moved)
    if cosine >= cosine_min:
        return moved
    across = unit(moved - cosine * query)
    # unit: where dislikes undo the query there is no way across, and the query stays
    return unit(cosine_min * query + np.sqrt(1 - cosine_min**2) * across)
