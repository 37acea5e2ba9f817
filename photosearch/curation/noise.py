"""Texts of what is no product, and the rule that a card keeps a gallery picture; knows no files."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Photo, Rejected
from photosearch.embedding.embedder import Vectors

NOT_A_PRODUCT_TEXTS = (
    "an advertising banner with large text",  # sellers put sales into the gallery
    "a size chart or a table with numbers",  # helpful on the page, useless for search
    "a screenshot of a phone",  # buyers attach order pages and chats
    "a document, a receipt or a certificate",
    "a shop logo on a plain background",
    "a selfie, the face of a person",  # privacy too: not to be indexed
    "a closed delivery box or a plastic bag",  # shows what it came in
    "a blank or completely dark picture",  # lens cap, failed upload
)
PRODUCT_TEXTS = (
    "a photo of a product",
    "a product held in a hand",  # how buyers take photos
    "a product on a white background",  # how sellers do
    "a product on a shelf in a shop",
)
"""A photo may fit these when it does not fit a title of few or odd words."""


def not_a_product_margins(
    photos: Vectors, titles: Vectors, *, product_texts: Vectors, other_texts: Vectors
) -> NDArray[np.float64]:
    """How much better a photo fits "not a product" than a product; all vectors of unit length.

    Args:
        photos: (n_photos, dim).
        titles: The title of each photo's card, (n_photos, dim).
        product_texts: (n_product_texts, dim).
        other_texts: (n_other_texts, dim).

    Returns:
        Largest cosine to `other_texts` less the largest to title and `product_texts`, (n_photos,).
    """
    to_title = np.einsum("nd,nd->n", photos, titles)
    to_product = np.maximum(to_title, (photos @ product_texts.T).max(axis=1))
    margins: NDArray[np.float64] = ((photos @ other_texts.T).max(axis=1) - to_product).astype(
        np.float64
    )
    return margins


def spare_last_gallery(
    photos: Sequence[Photo], is_bad: NDArray[np.bool_], badness: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Takes back the mildest verdict where a model would leave a card without a gallery photo.

    Args:
        photos: All photos still in the running.
        is_bad: What the model would reject, (n_photos,).
        badness: Larger is worse, (n_photos,).

    Returns:
        What may be rejected, (n_photos,).
    """
    galleries: dict[str, list[int]] = defaultdict(list)
    for row, photo in enumerate(photos):
        if photo.kind == "gallery":
            galleries[photo.card_id].append(row)
    verdict = is_bad.copy()
    for rows in galleries.values():
        if verdict[rows].all():
            verdict[min(rows, key=lambda row: (badness[row], row))] = False
    return verdict


def rejected_rows(
    photos: Sequence[Photo],
    is_bad: NDArray[np.bool_],
    *,
    reason: str,
    scores: NDArray[np.float64],
    badness: NDArray[np.float64],
) -> list[Rejected]:
    """Rejects the bad photos, but never the last gallery picture of a card.

    Args:
        photos: All photos still in the running.
        is_bad: What the rule would reject, (n_photos,).
        reason: The rule's name.
        scores: What it measured, told with the photo, (n_photos,).
        badness: Larger is worse, (n_photos,).
    """
    may_go = spare_last_gallery(photos, is_bad, badness)
    return [
        Rejected(photo.photo_id, photo.card_id, reason, float(score))
        for photo, bad, score in zip(photos, may_go, scores, strict=True)
        if bad
    ]
