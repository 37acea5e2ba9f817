"""Picks pairs of training photos worth a question to people: hard ones first, no pair twice.

Knows nothing of who answers. Only `train` photos are asked about, so pairs never cross splits.
"""

import hashlib
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card, CuratedPhoto, Pair
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation.snapshot import VECTORS_NAME
from photosearch.embedding.embedder import Vectors
from photosearch.errors import BadTable
from photosearch.home import Home
from photosearch.progress import track
from photosearch.settings import PairsParams

PHOTOS_A_CARD = 500
"""Of a card with more, gallery photos and then the first others are paired: 500 squared is 1 MB."""
NEIGHBOURS_A_PHOTO = 5
MIN_LOOK_ALIKES_A_CARD = 4
BLOCK_ROWS = 512
BLOCK_COLUMNS = 4096
"""A block of cosines takes 8 MB, however many photos there are."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PairsReport:
    pairs: int
    same_card: int
    look_alikes: int
    cards_with_pairs: int
    train_photos: int
    """Photos that could be asked about."""


@dataclass(frozen=True, slots=True)
class _Train:
    photos: list[CuratedPhoto]
    vectors: Vectors
    """(n_photos, dim)."""
    groups: list[str]


def make_pairs(home: Home, *, params: PairsParams) -> PairsReport:
    """Reads the curated tables and vectors, writes build/pairs.parquet.

    Raises:
        BadTable: A curated table is missing, or the vectors belong to other photos.
    """
    train = _read(home.curated)
    pairs: dict[str, Pair] = {}  # gallery pictures that two offers share would give a pair twice
    for pair in _same_card_pairs(train, params.per_card_same):
        pairs.setdefault(pair.pair_id, pair)
    for pair in _look_alikes(train, params.look_alikes):
        pairs.setdefault(pair.pair_id, pair)
    write_table(home.pairs, Pair, sorted(pairs.values(), key=lambda pair: pair.pair_id))
    kinds = Counter(pair.kind for pair in pairs.values())
    report = PairsReport(
        pairs=len(pairs),
        same_card=kinds["same_card"],
        look_alikes=kinds["look_alike"],
        cards_with_pairs=len(
            {card for pair in pairs.values() for card in (pair.card_a, pair.card_b)}
        ),
        train_photos=len(train.photos),
    )
    log.info("picked %d pairs of one card, %d look-alikes", report.same_card, report.look_alikes)
    return report


def pair_id_of(sha256_a: str, sha256_b: str) -> str:
    """Identity of a question: 32 hex digits made of the two content hashes, in either order."""
    return hashlib.sha256("".join(sorted((sha256_a, sha256_b))).encode()).hexdigest()[:32]


def hardest_same(
    cosines: NDArray[np.float32], is_gallery: Sequence[bool], *, limit: int
) -> list[tuple[int, int]]:
    """Picks pairs of photos of one card: gallery with buyer's first, least alike first.

    Each buyer's photo is asked about once, or one strange photo would take every question.

    Args:
        cosines: Between all photos of the card, (n, n).
        is_gallery: By photo, (n,).
        limit: At most so many pairs.

    Returns:
        Rows (a, b), a < b.
    """
    rows, columns = np.triu_indices(len(is_gallery), 1)
    gallery = np.asarray(is_gallery, dtype=np.int64)
    # one gallery photo first, then none (two buyers), then two (the seller shows variants himself)
    rank = np.array([1, 0, 2])[gallery[rows] + gallery[columns]]
    asked: set[int] = set()
    picked: list[tuple[int, int]] = []
    for at in np.lexsort((columns, rows, cosines[rows, columns], rank)):
        if len(picked) >= limit:
            break
        pair = (int(rows[at]), int(columns[at]))
        buyers = {row for row in pair if not is_gallery[row]}
        if not buyers & asked:
            asked |= buyers
            picked.append(pair)
    return picked


def neighbours_of_others(
    vectors: Vectors, groups: Sequence[str], *, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Finds the nearest photos of other groups, in blocks of bounded memory.

    Args:
        vectors: Unit vectors, (n, dim).
        groups: Product group by photo, (n,).
        k: Neighbours a photo.

    Returns:
        Row numbers and cosines, both (n, k), best first; cosine -inf where there is no neighbour.
    """
    _, group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    n = len(vectors)
    best = np.zeros((n, k), np.int64)
    best_cosines = np.full((n, k), -np.inf, np.float32)
    starts = range(0, n, BLOCK_ROWS)
    for start in track(starts, "comparing photos, blocks", len(starts)):
        part = slice(start, start + BLOCK_ROWS)
        for left in range(0, n, BLOCK_COLUMNS):
            across = slice(left, left + BLOCK_COLUMNS)
            cosines = vectors[part] @ vectors[across].T
            cosines[group[part, None] == group[None, across]] = -np.inf
            found = np.concatenate([best_cosines[part], cosines], axis=1)
            order = np.argpartition(-found, k - 1, axis=1)[:, :k]
            known = np.take_along_axis(best[part], np.minimum(order, k - 1), axis=1)
            best[part] = np.where(order < k, known, order - k + left)
            best_cosines[part] = np.take_along_axis(found, order, axis=1)
    order = np.lexsort((best, -best_cosines), axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(best_cosines, order, axis=1)


def _read(curated: Path) -> _Train:
    group_of = {row.card_id: row.group_id for row in read_rows(curated / "cards.parquet", Card)}
    photos = read_rows(curated / "photos.parquet", CuratedPhoto)
    try:
        vectors = np.load(curated / VECTORS_NAME, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise BadTable(
            f"{curated / VECTORS_NAME} cannot be read ({error}). Run `photosearch curate`."
        ) from None
    if len(vectors) != len(photos):
        raise BadTable(
            f"{curated / VECTORS_NAME} holds {len(vectors)} vectors, photos.parquet {len(photos)} "
            "rows. Run `photosearch curate`, which writes both."
        )
    rows = [row for row, photo in enumerate(photos) if photo.split == "train"]
    train = [photos[row] for row in rows]
    return _Train(train, np.asarray(vectors[rows]), [group_of[photo.card_id] for photo in train])


def _same_card_pairs(train: _Train, per_card: int) -> Iterator[Pair]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, photo in enumerate(train.photos):
        rows_of[photo.card_id].append(row)
    for card_rows in rows_of.values():
        rows = sorted(card_rows, key=lambda row: train.photos[row].kind != "gallery")
        rows = rows[:PHOTOS_A_CARD]
        cosines = train.vectors[rows] @ train.vectors[rows].T
        is_gallery = [train.photos[row].kind == "gallery" for row in rows]
        for a, b in hardest_same(cosines, is_gallery, limit=per_card):
            yield _pair(train, (rows[a], rows[b]), "same_card", float(cosines[a, b]))


def _look_alikes(train: _Train, limit: int) -> list[Pair]:
    """Nearest pairs across groups, at most about twice its fair share a card."""
    best, cosines = neighbours_of_others(train.vectors, train.groups, k=NEIGHBOURS_A_PHOTO)
    found = {
        (min(row, int(other)), max(row, int(other))): float(cosine)
        for row in range(len(best))
        for other, cosine in zip(best[row], cosines[row], strict=True)
        if cosine > -np.inf
    }
    hardest = sorted(found, key=lambda rows: (-found[rows], rows))
    n_cards = len({photo.card_id for photo in train.photos})
    per_card = max(MIN_LOOK_ALIKES_A_CARD, math.ceil(4 * limit / max(n_cards, 1)))
    return [
        _pair(train, rows, "look_alike", found[rows])
        for rows in _varied(hardest, train.photos, limit=limit, per_card=per_card)
    ]


def _varied(
    ranked: Iterable[tuple[int, int]],
    photos: Sequence[CuratedPhoto],
    *,
    limit: int,
    per_card: int,
) -> list[tuple[int, int]]:
    """The first `limit` pairs in which no card appears more than `per_card` times."""
    times: Counter[str] = Counter()
    picked: list[tuple[int, int]] = []
    for rows in ranked:
        card_ids = [photos[row].card_id for row in rows]
        if len(picked) < limit and all(times[card_id] < per_card for card_id in card_ids):
            times.update(card_ids)
            picked.append(rows)
    return picked


def _pair(
    train: _Train, rows: tuple[int, int], kind: Literal["same_card", "look_alike"], cosine: float
) -> Pair:
    # in order of content hash: which side a photo is shown on tells nothing of what it is
    a, b = sorted((train.photos[row] for row in rows), key=lambda p: (p.sha256, p.photo_id))
    return Pair(
        pair_id=pair_id_of(a.sha256, b.sha256),
        photo_a=a.photo_id,
        photo_b=b.photo_id,
        card_a=a.card_id,
        card_b=b.card_id,
        sha256_a=a.sha256,
        sha256_b=b.sha256,
        kind=kind,
        cosine=round(min(1.0, max(-1.0, cosine)), 6),
    )
