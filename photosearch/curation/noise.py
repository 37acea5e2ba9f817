"""Finds photos that do not show the card's product, from vectors alone; knows no files."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Photo, Rejected
from photosearch.embedding.embedder import Vectors, unit

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

MIN_PHOTOS_FOR_OUTLIERS = 3
"""With two photos there is no telling which is the stranger."""


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


def outlier_cosines(photos: Vectors, card_ids: Sequence[str]) -> NDArray[np.float64]:
    """Cosine of each photo to the mean of the card's other photos.

    Args:
        photos: Unit vectors, (n_photos, dim).
        card_ids: The card of each photo.

    Returns:
        (n_photos,), in [-1, 1]; NaN where the card has fewer than 3 photos.
    """
    if not len(photos):
        return np.empty(0)
    _, card, n_of_card = np.unique(
        np.asarray(card_ids, dtype=object), return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(n_of_card), photos.shape[1]))
    np.add.at(sums, card, photos.astype(np.float64))
    others = unit(sums[card] - photos)
    cosines = np.einsum("nd,nd->n", photos, others).clip(-1, 1).astype(np.float64)
    return np.where(n_of_card[card] >= MIN_PHOTOS_FOR_OUTLIERS, cosines, np.nan)


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


def not_products(
    photos: Sequence[Photo], margins: NDArray[np.float64], *, max_margin: float
) -> list[Rejected]:
    """Rejects photos whose `not_a_product_margins` exceed `max_margin`."""
    is_bad = spare_last_gallery(photos, margins > max_margin, margins)
    return _rejected(photos, is_bad, "not_a_product", margins)


def outliers(
    photos: Sequence[Photo], cosines: NDArray[np.float64], *, cosine_min: float
) -> list[Rejected]:
    """Rejects photos whose `outlier_cosines` are below `cosine_min`; NaN is no outlier."""
    is_bad = spare_last_gallery(photos, cosines < cosine_min, -cosines)
    return _rejected(photos, is_bad, "outlier", cosines)


def _rejected(
    photos: Sequence[Photo], is_bad: NDArray[np.bool_], reason: str, scores: NDArray[np.float64]
) -> list[Rejected]:
    return [
        Rejected(photo.photo_id, photo.card_id, reason, float(score))
        for photo, bad, score in zip(photos, is_bad, scores, strict=True)
        if bad
    ]
