"""Opens every photo once and measures its looks; compares those with near hashes closely."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.schemas import Photo, Rejected
from photosearch.curation.alike import near_hashes
from photosearch.curation.duplicates import later_alikes, may_be_one
from photosearch.curation.looks import LOOK_PX, Look, look_at
from photosearch.curation.overlay import OVERLAY_PX, likeness
from photosearch.errors import BadPhoto, HomeNotReady
from photosearch.progress import track
from photosearch.settings import CurationParams

PAIRS_A_BATCH = 500


def look_at_all(
    photos: Sequence[Photo], images_dir: Path, *, known: Mapping[str, Look]
) -> tuple[dict[str, Look], list[Rejected]]:
    """Looks by photo_id, and the photos that do not open; `known` is by the hash of the image."""
    looks: dict[str, Look] = {}
    unreadable: list[Rejected] = []
    for photo in track(photos, "looking at photos", len(photos)):
        path = images.path_of(images_dir, photo.sha256)
        if not path.exists():  # a broken home, not a bad photo: rejecting would lose it silently
            raise HomeNotReady(
                f"{path} of photo {photo.photo_id} is gone. Run `dvc checkout`, or pull again."
            )
        if photo.sha256 in known:
            looks[photo.photo_id] = known[photo.sha256]
            continue
        try:
            image = images.load(images_dir, photo.sha256, draft_px=LOOK_PX)
        except BadPhoto:
            unreadable.append(Rejected(photo.photo_id, photo.card_id, "unreadable", None))
        else:
            looks[photo.photo_id] = look_at(image)
    return looks, unreadable


def near_duplicates(
    photos: Sequence[Photo],
    images_dir: Path,
    *,
    looks: Mapping[str, Look],
    params: CurationParams,
) -> list[Rejected]:
    """Hashes name the candidates, a close comparison decides."""
    hashes, inner = (
        np.array([getattr(looks[photo.photo_id], name) for photo in photos], np.uint64)
        for name in ("hash", "inner_hash")
    )
    candidates = [
        (first, later)
        for first, later in near_hashes(hashes, inner, max_bits=params.near_duplicate_bits).tolist()
        if may_be_one(photos[first], photos[later])
    ]
    batches = [
        candidates[start : start + PAIRS_A_BATCH]
        for start in range(0, len(candidates), PAIRS_A_BATCH)
    ]
    alike = []
    for batch in track(batches, f"comparing photos, {PAIRS_A_BATCH} pairs", len(batches)):
        small = {
            row: _overlay_picture(images_dir, photos[row])
            for row in {row for pair in batch for row in pair}
        }
        ours, theirs = (np.stack([small[pair[side]] for pair in batch]) for side in (0, 1))
        for (first, later), like in zip(batch, likeness(ours, theirs).tolist(), strict=True):
            if like >= params.near_duplicate_likeness:
                alike.append((first, later, like))
    return later_alikes(photos, alike, "near_duplicate")


def _overlay_picture(images_dir: Path, photo: Photo) -> NDArray[np.float32]:
    image = images.load(images_dir, photo.sha256, draft_px=2 * OVERLAY_PX)
    return np.asarray(image.resize((OVERLAY_PX, OVERLAY_PX), Image.Resampling.BOX), np.float32)
