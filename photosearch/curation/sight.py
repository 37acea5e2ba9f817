"""The rules that look with the tower: which photos show no product, and which another one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto, Photo, Rejected
from photosearch.curation import noise
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.tower import Tower
from photosearch.progress import track

BATCH = 64


def embed(photos: Sequence[Photo], images_dir: Path, tower: Tower) -> dict[str, Vectors]:
    """Unit vectors (dim,) by photo_id."""
    vectors: dict[str, Vectors] = {}
    batches = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
    for batch in track(batches, f"embedding photos, batches of {BATCH}", len(batches)):
        opened = [images.load(images_dir, photo.sha256, draft_px=tower.image_px) for photo in batch]
        made = tower.embed_photos(opened).astype(np.float32)
        vectors |= {photo.photo_id: made[row] for row, photo in enumerate(batch)}
    return vectors


def _embed_texts(texts: Sequence[str], tower: Tower) -> Vectors:
    parts = [
        tower.embed_texts(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)


def not_products(
    photos: Sequence[Photo],
    vectors: dict[str, Vectors],
    tower: Tower,
    cards: dict[str, Card],
    max_margin: float,
) -> list[Rejected]:
    """Rejects photos that fit texts of other things better than their card's title."""
    card_ids = sorted({photo.card_id for photo in photos})
    row_of = {card_id: row for row, card_id in enumerate(card_ids)}
    titles = _embed_texts([cards[card_id].title for card_id in card_ids], tower)
    margins = noise.not_a_product_margins(
        rows(photos, vectors),
        titles[[row_of[photo.card_id] for photo in photos]],
        product_texts=_embed_texts(noise.PRODUCT_TEXTS, tower),
        other_texts=_embed_texts(noise.NOT_A_PRODUCT_TEXTS, tower),
    )
    return noise.not_products(photos, margins, max_margin=max_margin)


def outliers(
    photos: Sequence[Photo], vectors: dict[str, Vectors], cosine_min: float
) -> list[Rejected]:
    """Rejects photos far from the other photos of their card."""
    card_ids = [photo.card_id for photo in photos]
    cosines = noise.outlier_cosines(rows(photos, vectors), card_ids)
    return noise.outliers(photos, cosines, cosine_min=cosine_min)


def rows(photos: Sequence[Photo] | Sequence[CuratedPhoto], vectors: dict[str, Vectors]) -> Vectors:
    """(n_photos, dim)."""
    return np.stack([vectors[photo.photo_id] for photo in photos])
