"""Finds photos that are one: the same bytes, or the same look by a perceptual hash.

Knows nothing of files and models. Hashes see grey shapes only, not colours: look-alike cards have
pictures 6 bits apart, so the look is compared within a product group, never across groups.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from PIL import Image

from photosearch.catalog.schemas import Photo, Rejected

HASH_BITS = 64
SHARED_BY_GROUPS = 3
"""An image that so many different products show is a banner, a logo or "no photo"."""


def look_hash(image: Image.Image) -> int:
    """64-bit perceptual hash; half of its bits are set, so distances are even numbers."""
    import imagehash

    return int(str(imagehash.phash(image)), 16)


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
            found += [_rejected(photo, "shared_by_cards", n_groups) for photo in same]
        else:
            found += [_rejected(photo, "exact_duplicate") for photo in _repeats(same, group_of)]
    return found


def same_look(
    photos: Sequence[Photo],
    group_of: Mapping[str, str],
    *,
    hashes: Mapping[str, int],
    max_bits: int,
) -> list[Rejected]:
    """Rejects photos that look like an earlier one of the same group.

    Photos of a whole group are compared, not of one card: a split may put two photos of a group on
    different sides, and an answer must not leak.

    Args:
        photos: The most wanted first.
        group_of: Product group by card_id.
        hashes: `look_hash` by photo_id.
        max_bits: Hashes that differ in at most so many bits are one look.
    """
    groups: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        groups[group_of[photo.card_id]].append(photo)
    found: list[Rejected] = []
    for group in groups.values():
        alike = first_alikes(
            [hashes[photo.photo_id] for photo in group],
            max_bits=max_bits,
            may_be_one=lambda a, b, group=group: not _are_two_offers(group[a], group[b]),  # type: ignore[misc]
        )
        found += [_rejected(group[row], "near_duplicate", bits) for row, (_, bits) in alike.items()]
    return found


def first_alikes(
    hashes: Sequence[int],
    *,
    max_bits: int,
    may_be_one: Callable[[int, int], bool] = lambda _a, _b: True,
) -> dict[int, tuple[int, int]]:
    """Finds hashes close to an earlier one that stays; no two that stay are close.

    Hashes that differ in at most `d` bits agree wholly in one of any `d + 1` bands, so only those
    that share a band are compared: not all pairs.

    Args:
        hashes: 64-bit numbers, the most wanted first.
        max_bits: Largest distance that counts as close.
        may_be_one: Whether two rows are to be compared at all.

    Returns:
        For each row that goes: the nearest row that stays (the first of equals), and the distance.

    Source: pigeonhole blocks as in Manku et al. 2007, "Detecting near-duplicates for web crawling".
    """
    edges = [band * HASH_BITS // (max_bits + 1) for band in range(max_bits + 2)]
    stays: dict[tuple[int, int], list[int]] = defaultdict(list)
    goes: dict[int, tuple[int, int]] = {}
    for row, value in enumerate(hashes):
        bands = [(low, (value >> low) & ((1 << (high - low)) - 1)) for low, high in pairwise(edges)]
        near = {other for band in bands for other in stays.get(band, ())}
        distances = [
            ((value ^ hashes[other]).bit_count(), other) for other in near if may_be_one(other, row)
        ]
        bits, first = min(distances, default=(HASH_BITS + 1, -1))
        if bits <= max_bits:
            goes[row] = (first, bits)
            continue
        for band in bands:
            stays[band].append(row)
    return goes


def _repeats(same: Sequence[Photo], group_of: Mapping[str, str]) -> list[Photo]:
    """All but the first, and but gallery pictures of other offers of the same product."""
    stays: list[Photo] = []
    goes: list[Photo] = []
    for photo in same:
        is_repeat = any(
            group_of[other.card_id] != group_of[photo.card_id] or not _are_two_offers(other, photo)
            for other in stays
        )
        (goes if is_repeat else stays).append(photo)
    return goes


def _are_two_offers(a: Photo, b: Photo) -> bool:
    """Gallery pictures of two cards of a group: each card needs its own, and both share a split."""
    return a.kind == b.kind == "gallery" and a.card_id != b.card_id


def _rejected(photo: Photo, reason: str, score: float | None = None) -> Rejected:
    return Rejected(photo.photo_id, photo.card_id, reason, None if score is None else float(score))
