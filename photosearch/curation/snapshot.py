"""Turns the raw snapshot into clean tables: rules in order, and a photo left out keeps its reason.

    data/catalog/{cards,photos,reviews,rejected}.parquet, data/images/
        unknown_card -> too_small -> exact_duplicate, shared_by_cards -> unreadable
        -> too_dark -> blurred -> screenshot -> banner -> collage -> near_duplicate
        -> card_without_photos
        -> not_a_product, wrong_product, person -> semantic_duplicate          (with the tower)
    build/curated/{cards,photos}.parquet, vectors.npy; build/rejected.parquet

Cheap rules come first, so that the tower sees as few photos as possible.
"""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np

from photosearch.catalog.schemas import Card, CuratedPhoto, Photo, Rejected, Review, Split
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation import pixels, sight
from photosearch.curation.duplicates import same_bytes
from photosearch.curation.look_shards import known_looks
from photosearch.curation.looks import Look
from photosearch.curation.pixel_rules import PIXEL_RULES, by_pixels
from photosearch.curation.splits import assign_splits, given_splits
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.tower import Tower
from photosearch.errors import BadData, EmptySource
from photosearch.home import Home
from photosearch.settings import CurationParams

VECTORS_NAME = "vectors.npy"
"""In the curated folder: mean tokens of the tower, (n_photos, width) float32, unit length, in the
order of photos.parquet."""

QUERY_SPLITS = {"val", "test"}

Rule = Callable[[list[Photo]], list[Rejected]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CurationReport:
    cards: int
    cards_dropped: int
    cards_never_seen: int
    """Cards of product groups without a photo in training."""
    photos: int
    photos_by_split: dict[str, int]
    rejected: dict[str, int]
    """Photos left out, by reason; those that the pull could not take are included."""


@dataclass(frozen=True, slots=True)
class _Raw:
    cards: dict[str, Card]
    group_of: dict[str, str]
    photos: list[Photo]
    """The most wanted first."""
    given: dict[str, Split]
    rejected: list[Rejected]


def curate(home: Home, tower: Tower, *, params: CurationParams) -> CurationReport:
    """Reads the raw snapshot and writes the curated tables; the same input gives the same bytes.

    Raises:
        BadData: A card or a photo is listed twice.
        BadTable: A catalog table is missing or has other columns.
        EmptySource: No card keeps a gallery photo.
        HomeNotReady: An image of the snapshot is gone.
    """
    raw = _read(home.catalog)
    kept, left_out, looks = _sift_without_tower(home, raw, params)
    if not kept:
        raise EmptySource(
            f"No card keeps a gallery photo; left out: {_counts(raw.rejected + left_out)}. "
            "Pull a source with readable card pictures, or lower `curation` in params.yaml."
        )
    vectors = sight.embed(kept, home.images, tower, sight.pooled(tower))
    queries = {photo_id for photo_id, split in raw.given.items() if split in QUERY_SPLITS}
    kept, doubtful = _sift(
        kept,
        lambda photos: _sparing(queries, sight.not_products_by_text(
            photos, home.images,
            tower=tower, cards=raw.cards, max_margin=params.not_a_product_margin,
        )),
        lambda photos: _sparing(queries, sight.strangers(
            photos, vectors, group_of=raw.group_of, looks=looks, params=params
        )),
        lambda photos: sight.semantic_duplicates(
            photos, vectors, group_of=raw.group_of, spared=queries, params=params
        ),
    )  # fmt: skip
    photos = _split(kept, raw, params)
    rejected = raw.rejected + left_out + doubtful
    _write(home, raw, photos, sight.rows(photos, vectors), rejected)
    return _report(raw, photos, rejected)


def photos_for_tower(home: Home, params: CurationParams) -> list[CuratedPhoto]:
    """Training photos as far as they are known before there is a tower.

    The rules that need none are applied, so a tower trained on these has seen no query, and no
    near duplicate of one. Raises what `curate` raises.
    """
    raw = _read(home.catalog)
    kept, _, _ = _sift_without_tower(home, raw, params)
    return [photo for photo in _split(kept, raw, params) if photo.split == "train"]


def _sift_without_tower(
    home: Home, raw: _Raw, params: CurationParams
) -> tuple[list[Photo], list[Rejected], dict[str, Look]]:
    """What stays, what goes, and how the photos look by photo_id."""
    kept, cheap = _sift(
        raw.photos,
        lambda photos: _of_unknown_cards(photos, raw.cards),
        lambda photos: _too_small(photos, params.min_side_px),
        lambda photos: same_bytes(photos, raw.group_of),
    )
    looks, unreadable = pixels.look_at_all(kept, home.images, known=known_looks(home))
    kept, seen = _sift(
        [photo for photo in kept if photo.photo_id in looks],
        *(partial(by_pixels, name, looks=looks, params=params) for name in PIXEL_RULES),
        lambda photos: pixels.near_duplicates(photos, home.images, looks=looks, params=params),
        _of_cards_without_gallery,
    )
    return kept, cheap + unreadable + seen, looks


def _split(kept: Sequence[Photo], raw: _Raw, params: CurationParams) -> list[CuratedPhoto]:
    return assign_splits(
        sorted(kept, key=lambda photo: photo.photo_id),
        raw.group_of,
        given=raw.given,
        test_card_share=params.test_card_share,
        test_photo_share=params.test_photo_share,
    )


def _read(catalog: Path) -> _Raw:
    cards = read_rows(catalog / "cards.parquet", Card)
    photos = read_rows(catalog / "photos.parquet", Photo)
    _check_unique(catalog / "cards.parquet", [card.card_id for card in cards])
    _check_unique(catalog / "photos.parquet", [photo.photo_id for photo in photos])
    given = given_splits(photos, read_rows(catalog / "reviews.parquet", Review))
    return _Raw(
        {card.card_id: card for card in cards},
        {card.card_id: card.group_id for card in cards},
        sorted(photos, key=lambda photo: _wanted(photo, given.get(photo.photo_id))),
        given,
        read_rows(catalog / "rejected.parquet", Rejected),
    )


def _wanted(photo: Photo, split: Split | None) -> tuple[bool, bool, str]:
    """Sorts gallery pictures first, then queries that the source chose, then the rest.

    Of a query and its near duplicate in training the query stays: a benchmark keeps its questions,
    and the model does not see the answers.
    """
    return photo.kind != "gallery", split not in QUERY_SPLITS, photo.photo_id


def _check_unique(path: Path, ids: Sequence[str]) -> None:
    repeated = sorted(name for name, times in Counter(ids).items() if times > 1)
    if repeated:
        raise BadData(
            f"{path} lists {len(repeated)} ids more than once: {', '.join(repeated[:5])}. "
            "Mend the source and pull again."
        )


def _sift(photos: Sequence[Photo], *rules: Rule) -> tuple[list[Photo], list[Rejected]]:
    """Applies rules in order; each sees what the one before it left."""
    kept, rejected = list(photos), list[Rejected]()
    for rule in rules:
        found = rule(kept)
        gone = {row.photo_id for row in found}
        kept = [photo for photo in kept if photo.photo_id not in gone]
        rejected += found
    return kept, rejected


def _sparing(queries: set[str], found: list[Rejected]) -> list[Rejected]:
    """Without queries that the source chose: a tower must not choose its own exam."""
    return [row for row in found if row.photo_id not in queries]


def _of_unknown_cards(photos: Sequence[Photo], cards: dict[str, Card]) -> list[Rejected]:
    return [
        Rejected(photo.photo_id, photo.card_id, "unknown_card", None)
        for photo in photos
        if photo.card_id not in cards
    ]


def _too_small(photos: Sequence[Photo], min_side_px: int) -> list[Rejected]:
    return [
        Rejected(photo.photo_id, photo.card_id, "too_small", float(min(photo.width, photo.height)))
        for photo in photos
        if min(photo.width, photo.height) < min_side_px
    ]


def _of_cards_without_gallery(photos: Sequence[Photo]) -> list[Rejected]:
    """Runs before the rules of the tower, which never take the last gallery photo of a card."""
    with_gallery = {photo.card_id for photo in photos if photo.kind == "gallery"}
    return [
        Rejected(photo.photo_id, photo.card_id, "card_without_photos", None)
        for photo in photos
        if photo.card_id not in with_gallery
    ]


def _write(
    home: Home,
    raw: _Raw,
    photos: Sequence[CuratedPhoto],
    vectors: Vectors,
    rejected: Sequence[Rejected],
) -> None:
    """Writes everything under temporary names first, so that a killed run leaves the old tables."""
    card_ids = sorted({photo.card_id for photo in photos})
    partial = home.build / f".curated.{os.getpid()}"
    try:
        write_table(partial / "cards.parquet", Card, [raw.cards[card_id] for card_id in card_ids])
        write_table(partial / "photos.parquet", CuratedPhoto, photos)
        np.save(partial / VECTORS_NAME, vectors)
        by_id = sorted(rejected, key=attrgetter("card_id", "photo_id", "reason"))
        write_table(partial / "rejected.parquet", Rejected, by_id)
        home.curated.mkdir(parents=True, exist_ok=True)
        for name in ("cards.parquet", "photos.parquet", VECTORS_NAME):
            (partial / name).replace(home.curated / name)
        (partial / "rejected.parquet").replace(home.rejected)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _report(
    raw: _Raw, photos: Sequence[CuratedPhoto], rejected: Sequence[Rejected]
) -> CurationReport:
    card_ids = {photo.card_id for photo in photos}
    log.info("curated %d photos of %d cards", len(photos), len(card_ids))
    return CurationReport(
        cards=len(card_ids),
        cards_dropped=len(raw.cards) - len(card_ids),
        cards_never_seen=len({photo.card_id for photo in photos if not photo.is_card_seen}),
        photos=len(photos),
        photos_by_split=_tally(photo.split for photo in photos),
        rejected=_counts(rejected),
    )


def _counts(rejected: Iterable[Rejected]) -> dict[str, int]:
    return _tally(row.reason for row in rejected)


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
