"""Whether what is asked was seen in training: a gain over leaked queries proves nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from photosearch.catalog.schemas import CuratedPhoto, Label


@dataclass(frozen=True, slots=True)
class Leak:
    kind: str
    """`same_bytes`, `same_review`, `seen_product`, `trained_query`, `labelled_query`."""
    said: str
    """How many, the first one, and what to do."""


def find_leaks(
    photos: Sequence[CuratedPhoto],
    group_of_card: Mapping[str, str],
    *,
    trained_ids: Iterable[str],
    labels: Sequence[Label],
) -> list[Leak]:
    """Looks for ways from the queries into training; empty if there is none.

    Args:
        photos: All curated photos.
        group_of_card: Product group by card_id.
        trained_ids: Photos whose tokens are for training.
        labels: Answers of people; training uses them all.
    """
    queries = [photo for photo in photos if photo.kind == "review" and photo.split != "train"]
    known = [photo for photo in photos if photo.split == "train" or photo.kind == "gallery"]
    training = [photo for photo in photos if photo.split == "train"]
    bytes_known = {photo.sha256 for photo in known}
    reviews = {_review(photo) for photo in training if photo.kind == "review"}
    groups = {group_of_card[photo.card_id] for photo in training}
    trained, labelled = set(trained_ids), {n for row in labels for n in (row.photo_a, row.photo_b)}
    held_out = [photo for photo in photos if photo.split != "train"]
    found = {
        "same_bytes": ("are byte for byte a photo of training or gallery; run `photosearch curate`",
                       [p for p in queries if p.sha256 in bytes_known]),
        "same_review": ("are of a review that is in training too; give whole reviews a split",
                        [p for p in queries if _review(p) in reviews]),
        "seen_product": ("count as unseen but their product is in training; run `photosearch "
                         "curate`",
                         [p for p in queries
                          if not p.is_card_seen and group_of_card[p.card_id] in groups]),
        "trained_query": ("are for training by the token cache; run `photosearch tokens` and "
                          "`photosearch train`",
                          [p for p in held_out if p.photo_id in trained]),
        "labelled_query": ("are in pairs that people answered, which training uses; take these "
                           "labels out or move the photos to training",
                           [p for p in held_out if p.photo_id in labelled]),
    }  # fmt: skip
    return [
        Leak(
            kind,
            f"leak {kind}: {len(leaked)} held-out photos {why}; the first is {leaked[0].photo_id}",
        )
        for kind, (why, leaked) in found.items()
        if leaked
    ]


def _review(photo: CuratedPhoto) -> str:
    """`CARD/review/REVIEW`."""
    return photo.photo_id.rpartition("/")[0]
