"""Rules for photos that are one: the same bytes, the same look, or the same vector.

Knows no files: hashes, likeness and vectors are given. Two gallery pictures are never compared by
look or vector: a seller chose both, and products that are alike are photographed alike.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from photosearch.catalog.schemas import Photo, Rejected

SHARED_BY_GROUPS = 3
"""An image that so many different products show is a banner, a logo or "no photo"."""

Alike = tuple[int, int, float]
"""Two rows, the lower one first, and how alike they are."""


def same_bytes(photos: Sequence[Photo], group_of: Mapping[str, str]) -> list[Rejected]:
    """Rejects repeated images, and all copies of an image that many products share.

    Within a group, and between two groups, the first copy in the given order stays: two sellers
    who use one picture are common, and a thief must not take the owner's card down. An image of
    `SHARED_BY_GROUPS` or more groups does not tell which product it shows, so no copy stays.

    Args:
        photos: The most wanted first.
        group_of: Product group by card_id.
    """
    copies: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        copies[photo.sha256].append(photo)
    found: list[Rejected] = []
    for same in copies.values():
        n_groups = len({group_of[photo.card_id] for photo in same})
        if n_groups >= SHARED_BY_GROUPS:
            found += [rejected(photo, "shared_by_cards", n_groups) for photo in same]
        else:
            found += [rejected(photo, "exact_duplicate") for photo in _repeats(same, group_of)]
    return found


def later_alikes(photos: Sequence[Photo], alike: Iterable[Alike], reason: str) -> list[Rejected]:
    """Rejects photos alike to an earlier one that stays; no two that stay are alike.

    Args:
        photos: The most wanted first.
        alike: Pairs of rows of `photos`; what `may_be_one` denies must not be among them.
        reason: The rule's name; the score is the likeness to the most alike photo that stays.
    """
    earlier: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for first, later, likeness in alike:
        earlier[later].append((likeness, first))
    gone: dict[int, float] = {}
    for row in sorted(earlier):
        staying = [likeness for likeness, first in earlier[row] if first not in gone]
        if staying:
            gone[row] = max(staying)
    return [rejected(photos[row], reason, likeness) for row, likeness in gone.items()]


def may_be_one(a: Photo, b: Photo) -> bool:
    """Whether two photos are compared at all; without a split to cross, two of sellers are not."""
    return "review" in {a.kind, b.kind}


def rejected(photo: Photo, reason: str, score: float | None = None) -> Rejected:
    """A photo that goes, and why."""
    return Rejected(photo.photo_id, photo.card_id, reason, None if score is None else float(score))


def _repeats(same: Sequence[Photo], group_of: Mapping[str, str]) -> list[Photo]:
    """All but the first, and but gallery pictures of other offers of the same product."""
    stays: list[Photo] = []
    goes: list[Photo] = []
    for photo in same:
        is_repeat = any(
            group_of[other.card_id] != group_of[photo.card_id]
            or not _are_of_two_galleries(other, photo)
            for other in stays
        )
        (goes if is_repeat else stays).append(photo)
    return goes


def _are_of_two_galleries(a: Photo, b: Photo) -> bool:
    return a.kind == b.kind == "gallery" and a.card_id != b.card_id
