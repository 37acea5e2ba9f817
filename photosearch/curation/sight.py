"""The rules that look with the tower: which photos show no product, and which another one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto, Photo, Rejected
from photosearch.curation import noise
from photosearch.curation.alike import near_vectors
from photosearch.curation.belonging import belonging
from photosearch.curation.duplicates import later_alikes, may_be_one, rejected
from photosearch.curation.looks import Look
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.tower import Tower
from photosearch.progress import track
from photosearch.settings import CurationParams

Encode = Callable[[Sequence[Image.Image]], Vectors]
ByPhoto = dict[str, Vectors]

BATCH = 64
TEXTS_CANNOT_SAY = 2.0
"""No difference of two cosines is above this, so the text rule is off."""
STRANGE_COMPANY = -0.08
"""Where a photo that does not belong resembles others that do not, none of them is a product."""


def pooled(tower: Tower) -> Encode:
    """Mean of a photo's tokens: what it looks like, whatever words the tower has for it."""
    return lambda photos: unit(tower.tokens(photos).mean(axis=1))


def embed(photos: Sequence[Photo], images_dir: Path, tower: Tower, encode: Encode) -> ByPhoto:
    """Unit vectors (dim,) by photo_id."""
    vectors: ByPhoto = {}
    batches = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
    for batch in track(batches, f"embedding photos, batches of {BATCH}", len(batches)):
        opened = [images.load(images_dir, photo.sha256, draft_px=tower.image_px) for photo in batch]
        made = encode(opened).astype(np.float32)
        vectors |= {photo.photo_id: made[row] for row, photo in enumerate(batch)}
    return vectors


def not_products_by_text(
    photos: Sequence[Photo],
    images_dir: Path,
    *,
    tower: Tower,
    cards: Mapping[str, Card],
    max_margin: float,
) -> list[Rejected]:
    """Rejects photos that fit texts of other things better than their card's title.

    Runs the tower once more over the photos, into the space that it shares with texts.
    """
    if max_margin >= TEXTS_CANNOT_SAY:
        return []
    vectors = embed(photos, images_dir, tower, tower.embed_photos)
    card_ids = sorted({photo.card_id for photo in photos})
    row_of = {card_id: row for row, card_id in enumerate(card_ids)}
    titles = _embed_texts([cards[card_id].title for card_id in card_ids], tower)
    margins = noise.not_a_product_margins(
        rows(photos, vectors),
        titles[[row_of[photo.card_id] for photo in photos]],
        product_texts=_embed_texts(noise.PRODUCT_TEXTS, tower),
        other_texts=_embed_texts(noise.NOT_A_PRODUCT_TEXTS, tower),
    )
    return noise.rejected_rows(
        photos, margins > max_margin, reason="not_a_product", scores=margins, badness=margins
    )


def strangers(
    photos: Sequence[Photo],
    vectors: Mapping[str, Vectors],
    *,
    group_of: Mapping[str, str],
    looks: Mapping[str, Look],
    params: CurationParams,
) -> list[Rejected]:
    """Rejects photos that do not belong to their card, by the name of what they seem to show.

    `person`: much skin in the middle. `not_a_product`: its like are found at many cards, where
    they do not belong either. `wrong_product`: its like are at home at another card.
    """
    found, company = belonging(
        rows(photos, vectors),
        [photo.card_id for photo in photos],
        [group_of[photo.card_id] for photo in photos],
    )
    skin = np.array([looks[photo.photo_id].skin for photo in photos])
    is_stranger = found < params.belonging_min  # NaN is none
    is_person = (skin >= params.person_skin_min) & (found < params.person_belonging_min)
    names = np.where(is_person, "person", "wrong_product")
    # parcels have the colour of skin, and are everywhere
    names = np.where(company < STRANGE_COMPANY, "not_a_product", names)
    is_bad = noise.spare_last_gallery(photos, is_stranger | is_person, -found)
    return [
        rejected(photo, str(name), float(score))
        for photo, bad, name, score in zip(photos, is_bad, names, found, strict=True)
        if bad
    ]


def semantic_duplicates(
    photos: Sequence[Photo],
    vectors: Mapping[str, Vectors],
    *,
    group_of: Mapping[str, str],
    spared: Collection[str],
    params: CurationParams,
) -> list[Rejected]:
    """Rejects photos whose vectors are that of an earlier photo.

    Args:
        photos: The most wanted first.
        vectors: By photo_id.
        group_of: Product group by card_id.
        spared: photo_ids that stay, whatever they are like.
        params: Two cosines, for photos of one product and of two; labels can teach the second, see
            `thresholds.py`.
    """
    within, across = params.semantic_duplicate_cosine, params.semantic_across_cosine
    pairs, cosines = near_vectors(rows(photos, vectors), cosine_min=min(within, across))
    alike = [
        (a, b, cosine)
        for (a, b), cosine in zip(pairs.tolist(), cosines.tolist(), strict=True)
        if may_be_one(photos[a], photos[b])
        and photos[b].photo_id not in spared
        and cosine
        >= (within if group_of[photos[a].card_id] == group_of[photos[b].card_id] else across)
    ]
    return later_alikes(photos, alike, "semantic_duplicate")


def rows(
    photos: Sequence[Photo] | Sequence[CuratedPhoto], vectors: Mapping[str, Vectors]
) -> Vectors:
    """(n_photos, dim)."""
    return np.stack([vectors[photo.photo_id] for photo in photos])


def _embed_texts(texts: Sequence[str], tower: Tower) -> Vectors:
    parts = [
        tower.embed_texts(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)
