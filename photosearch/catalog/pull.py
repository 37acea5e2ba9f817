"""Takes a snapshot of a source: cards, reviews and photos into tables and content-addressed files.

data/catalog/       cards, photos, reviews and rejected.parquet, snapshot.json; switched whole
data/images/        files named by their content
data/.pull/         only while a pull is under way or was cut off: its journal, the new tables
"""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from photosearch.catalog import images
from photosearch.catalog.download import Journal, Refused, Stored, Wanted, download
from photosearch.catalog.folder_switch import alone, repair, switch
from photosearch.catalog.schemas import Card, Photo, Rejected, Review
from photosearch.catalog.source_rows import BadRow, SourceCard, SourceReview
from photosearch.catalog.sources import Source, read_cards, read_reviews
from photosearch.catalog.tables import as_dict, read_table, rows_version, write_table
from photosearch.errors import BadTable, EmptySource, HomeNotReady
from photosearch.home import Home
from photosearch.progress import track
from photosearch.report import one_line, save_report

log = logging.getLogger(__name__)

SNAPSHOT = "snapshot.json"

Row = TypeVar("Row", SourceCard, SourceReview)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a catalog folder holds."""

    source: str
    cards: int
    photos: int
    reviews: int
    rejected: dict[str, int]
    """Rows and photos left out, by reason."""
    data_version: str
    """Made of the rows of all tables: the same rows have the same version on any machine."""


@dataclass(frozen=True, slots=True)
class PullReport:
    source: str
    cards: int
    photos: int
    reviews: int
    rejected: dict[str, int]
    """Rows and photos left out, by reason."""
    new_images: int
    """Images that the snapshot before this one did not have."""
    data_version: str


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the source says, before any photo is fetched."""

    cards: dict[str, SourceCard]
    reviews: dict[str, SourceReview]
    bad_cards: list[Rejected]
    bad_reviews: list[Rejected]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A photo before it is fetched."""

    photo_id: str
    card_id: str
    review: SourceReview | None
    """None: the photo is of the gallery."""
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class _Fetch:
    """What fetching needs, the same for galleries and reviews."""

    source: Source
    journal: Journal
    images_dir: Path
    threads: int


@dataclass(frozen=True, slots=True)
class _Tables:
    cards: list[Card]
    photos: list[Photo]
    reviews: list[Review]
    rejected: list[Rejected]

    def by_name(self) -> dict[str, tuple[type[Any], list[Any]]]:
        """Rows in an order that depends on nothing but themselves."""
        whole_row = attrgetter("card_id", "photo_id", "reason")
        return {
            "cards": (Card, sorted(self.cards, key=attrgetter("card_id"))),
            "photos": (Photo, sorted(self.photos, key=attrgetter("photo_id"))),
            "reviews": (Review, sorted(self.reviews, key=attrgetter("review_id"))),
            "rejected": (Rejected, sorted(self.rejected, key=whole_row)),
        }


def pull(source: Source, home: Home, *, threads: int = 8) -> PullReport:
    """Replaces the snapshot of a home by what the source says now.

    Readers see the old snapshot until the new one is whole. A pull that was cut off goes on where
    it was: images fetched since are not fetched again. Images that the new snapshot does not name
    are deleted at the end. Rows are held in memory, images are not.

    Args:
        source: Where from.
        home: Its `data/catalog` and `data/images` are replaced.
        threads: Images fetched at a time.

    Raises:
        BadSource: The source lacks a file or a column, or does not speak our language.
        SourceUnreachable: The source stopped answering; the next pull goes on from there.
        EmptySource: No card with a readable photo; the snapshot stays as it was.
        HomeNotReady: Another pull is at work here.
    """
    work = home.data / ".pull"
    with alone(home.data, doing="pulling"):
        repair(work, home.catalog)
        old_images = _images_of(home.catalog)
        listing = _list(source)
        with closing(Journal(work / "journal.jsonl", source)) as journal:
            tables = _read(listing, _Fetch(source, journal, home.images, threads))
        if tables.cards:
            snapshot = _write(work / "new", tables, source_name=source.name)
            switch(work, home.catalog)
        shutil.rmtree(work)  # nothing is left to go on with
        if not tables.cards:
            raise _empty(source.name, tables.rejected)
        new_images = {photo.sha256 for photo in tables.photos}
        images.delete_others(home.images, keep=new_images)
    report = PullReport(**as_dict(snapshot), new_images=len(new_images - old_images))
    log.info("pulled: %s", one_line(report))
    return report


def load_snapshot(catalog_dir: Path) -> Snapshot:
    """Reads what a catalog folder holds; raises HomeNotReady if there is no whole snapshot."""
    path = catalog_dir / SNAPSHOT
    try:
        return Snapshot(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise HomeNotReady(f"{path} does not exist. Run `photosearch pull` first.") from None
    except (OSError, TypeError, ValueError) as error:
        raise HomeNotReady(f"{path} is damaged ({error}). Run `photosearch pull` again.") from None


def _list(source: Source) -> _Listing:
    cards, bad_cards = _unique(read_cards(source))
    reviews, bad_reviews = _unique(read_reviews(source))
    return _Listing(cards, reviews, bad_cards, bad_reviews)


def _read(listing: _Listing, fetch: _Fetch) -> _Tables:
    """Fetches the photos: galleries first, for a card without one is left out with its reviews."""
    cards, reviews = listing.cards, listing.reviews.values()
    listed = [photo for card in cards.values() for photo in _gallery(card)]
    gallery, bad_gallery = _photos(fetch, listed, "pulling gallery photos")
    shown = {photo.card_id for photo in gallery}
    kept = [review for review in reviews if review.card_id in shown]
    listed = [photo for review in kept for photo in _review_photos(review)]
    photos, bad_photos = _photos(fetch, listed, "pulling review photos")
    unshown = [_rejected(card_id, "no_photos") for card_id in cards.keys() - shown]
    known = cards.keys() | {row.card_id for row in listing.bad_cards}
    orphans = [
        _rejected(each.card_id, "rejected_card" if each.card_id in known else "unknown_card")
        for each in reviews
        if each.card_id not in shown
    ]
    bad_rows = [*listing.bad_cards, *listing.bad_reviews, *unshown, *orphans]
    return _Tables(
        cards=[card.card() for card_id, card in cards.items() if card_id in shown],
        photos=gallery + photos,
        reviews=[review.review() for review in kept],
        rejected=bad_rows + bad_gallery + bad_photos,
    )


def _unique(rows: Iterator[Row | BadRow]) -> tuple[dict[str, Row], list[Rejected]]:
    """Sound rows by id, the first of each; and the others."""
    kept: dict[str, Row] = {}
    rejected = []
    for row in rows:
        if isinstance(row, BadRow):
            rejected.append(_rejected(row.place, row.reason))
        elif row.key in kept:
            rejected.append(_rejected(row.card_id, f"duplicate_{row.needed[0]}"))
        else:
            kept[row.key] = row
    return kept, rejected


def _gallery(card: SourceCard) -> list[_Listed]:
    return [
        _Listed(
            f"{card.card_id}/gallery/{number}", card.card_id, None, Wanted(address, card.updated_at)
        )
        for number, address in enumerate(card.images)
    ]


def _review_photos(review: SourceReview) -> list[_Listed]:
    prefix = f"{review.card_id}/review/{review.key}"
    return [
        _Listed(f"{prefix}/{number}", review.card_id, review, Wanted(address, review.updated_at))
        for number, address in enumerate(review.images)
    ]


def _photos(fetch: _Fetch, listed: list[_Listed], doing: str) -> tuple[list[Photo], list[Rejected]]:
    photos, rejected = [], []
    outcomes = download(
        fetch.source,
        [each.wanted for each in listed],
        images_dir=fetch.images_dir,
        journal=fetch.journal,
        threads=fetch.threads,
    )
    with closing(outcomes):  # an interrupt must end the threads before the journal is closed
        for each, outcome in zip(listed, track(outcomes, doing, len(listed)), strict=True):
            if isinstance(outcome, Refused):
                rejected.append(Rejected(each.photo_id, each.card_id, outcome.reason, None))
            else:
                photos.append(_photo(each, outcome))
    return photos, rejected


def _photo(listed: _Listed, stored: Stored) -> Photo:
    review = listed.review
    return Photo(
        photo_id=listed.photo_id,
        card_id=listed.card_id,
        kind="review" if review else "gallery",
        review_id=review.key if review else None,
        sha256=stored.sha256,
        width=stored.width,
        height=stored.height,
        split=review.split if review else None,
    )


def _rejected(card_id: str, reason: str) -> Rejected:
    """A row without a photo."""
    return Rejected(photo_id="", card_id=card_id, reason=reason, score=None)


def _empty(source_name: str, rejected: list[Rejected]) -> EmptySource:
    reasons = ", ".join(f"{reason} {n}" for reason, n in _by_reason(rejected).items())
    return EmptySource(
        f"{source_name} has no card with a readable gallery photo ("
        + (f"left out: {reasons}" if reasons else "it lists no cards")
        + "). Mend its cards and pictures, or name another source."
    )


def _by_reason(rejected: list[Rejected]) -> dict[str, int]:
    return dict(sorted(Counter(row.reason for row in rejected).items()))


def _write(folder: Path, tables: _Tables, *, source_name: str) -> Snapshot:
    rows_by_name = tables.by_name()
    for name, (row_type, rows) in rows_by_name.items():
        write_table(folder / f"{name}.parquet", row_type, rows)
    snapshot = Snapshot(
        source=source_name,
        cards=len(tables.cards),
        photos=len(tables.photos),
        reviews=len(tables.reviews),
        rejected=_by_reason(tables.rejected),
        data_version=rows_version({name: rows for name, (_, rows) in rows_by_name.items()}),
    )
    save_report(folder / SNAPSHOT, snapshot)
    return snapshot


def _images_of(catalog_dir: Path) -> set[str]:
    """Content hashes that the snapshot before this one names; none if there is none."""
    try:
        return set(read_table(catalog_dir / "photos.parquet", Photo)["sha256"].to_pylist())
    except BadTable:
        return set()
