"""Decides which photos are for training and which only ask questions; knows no pixels.

The choice depends on ids alone, so it stays the same when other cards come and go.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from photosearch.catalog.schemas import CuratedPhoto, Photo, Review, Split


def given_splits(photos: Iterable[Photo], reviews: Iterable[Review]) -> dict[str, Split]:
    """What the source says, by photo_id; a photo without a split of its own has its review's."""
    of_review = {(row.card_id, row.review_id): row.split for row in reviews}
    splits = {
        photo.photo_id: photo.split or of_review.get((photo.card_id, photo.review_id or ""))
        for photo in photos
    }
    return {photo_id: split for photo_id, split in splits.items() if split is not None}


def assign_splits(
    photos: Sequence[Photo],
    group_of: Mapping[str, str],
    *,
    given: Mapping[str, Split],
    test_card_share: float,
    test_photo_share: float,
) -> list[CuratedPhoto]:
    """Gives each photo its split.

    A source that names any split is honoured; what it leaves open is training. Otherwise a share of
    the product groups is never seen: all their photos are `test`, the gallery too, which is then
    searched but never learned from. Of the other groups a share of the reviews is `test`; photos
    of one review stay together, for they show one thing on one table.

    Args:
        photos: Near duplicates within a group must be gone, or answers leak.
        group_of: Product group by card_id.
        given: What the source says, by photo_id; empty if it says nothing.
        test_card_share: Share of groups never seen, in [0, 1).
        test_photo_share: Share of the reviews of seen groups that become queries, in [0, 1).
    """

    def split_of(photo: Photo) -> Split:
        if given:
            return given.get(photo.photo_id, "train")
        if share_point(group_of[photo.card_id]) < test_card_share:
            return "test"
        if photo.kind == "gallery":
            return "train"
        return "test" if share_point(_review_of(photo)) < test_photo_share else "train"

    splits = [split_of(photo) for photo in photos]
    seen = {
        group_of[photo.card_id]
        for photo, split in zip(photos, splits, strict=True)
        if split == "train"
    }
    return [
        CuratedPhoto(
            photo.photo_id,
            photo.card_id,
            photo.kind,
            photo.sha256,
            split,
            is_card_seen=group_of[photo.card_id] in seen,
        )
        for photo, split in zip(photos, splits, strict=True)
    ]


def share_point(name: str) -> float:
    """A fixed number in [0, 1) for a name, evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48


def _review_of(photo: Photo) -> str:
    return f"{photo.card_id}/{photo.review_id}" if photo.review_id else photo.photo_id
