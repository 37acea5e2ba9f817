"""Takes a snapshot of a source: cards, reviews and photos into tables and content-addressed files.

data/catalog/       cards, photos, reviews and rejected.parquet, snapshot.json; switched whole
data/images/        files named by their content
data/.pull/         only while tables are written: the new ones
resume/pull.sqlite  what pulls know so far; see pull_state.py
"""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from photosearch.catalog import images
from photosearch.catalog.changes import Changes, changes_between
from photosearch.catalog.download import download
from photosearch.catalog.folder_switch import alone, repair, switch
from photosearch.catalog.listing import bring_up_to_date
from photosearch.catalog.pull_state import PullState, Wanted, WantedPhoto
from photosearch.catalog.pulled_rows import PulledRows
from photosearch.catalog.schemas import Card, Photo, Rejected, Review
from photosearch.catalog.sources import Source
from photosearch.catalog.tables import RowsVersion, as_dict, write_table
from photosearch.errors import EmptySource, HomeNotReady
from photosearch.home import Home
from photosearch.report import one_line, save_report

log = logging.getLogger(__name__)

SNAPSHOT = "snapshot.json"


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
    data_version: str
    told: dict[str, int]
    """Rows that the source told by table: what changed, or all of them where it cannot tell."""
    changes: dict[str, Changes]
    """By table, against the snapshot before this one."""
    new_images: int
    """Images that the snapshot before this one did not have."""


def pull(source: Source, home: Home, *, threads: int = 8) -> PullReport:
    """Replaces the snapshot of a home by what the source says now.

    Readers see the old snapshot until the new one is whole. A pull that was cut off goes on where
    it was, and one that follows another asks only for what changed, if the source can tell; the
    snapshot is the same as that of a first pull. Images that it does not name are deleted at the
    end. Neither rows nor images are held in memory.

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
    with (
        alone(home.data, doing="pulling"),
        closing(PullState(home.resume / "pull.sqlite", source.name)) as state,
    ):
        repair(work, home.catalog)
        told = bring_up_to_date(state, source)
        _fetch(state, source, images_dir=home.images, threads=threads)
        rows = PulledRows(state)
        if not rows.has_cards():
            state.end_pull()
            raise _empty(source.name, rows.by_reason())
        snapshot = _write(work / "new", rows, source_name=source.name)
        changes = changes_between(home.catalog, work / "new")
        new_images = rows.n_new_images(home.catalog)
        switch(work, home.catalog)
        shutil.rmtree(work)
        state.end_pull()
        images.delete_others(home.images, keep=rows.kept_images())
    report = PullReport(**as_dict(snapshot), told=told, changes=changes, new_images=new_images)
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


def _fetch(state: PullState, source: Source, *, images_dir: Path, threads: int) -> None:
    """Fetches the photos: galleries first, for a card without one is left out with its reviews."""
    state.forget_photos()
    state.want(_gallery(state))
    download(state, source, kind="gallery", images_dir=images_dir, threads=threads)
    state.want(_review_photos(state))
    download(state, source, kind="review", images_dir=images_dir, threads=threads)


def _gallery(state: PullState) -> Iterator[WantedPhoto]:
    for card in state.cards():
        for number, address in enumerate(card.images):
            yield WantedPhoto(
                f"{card.card_id}/gallery/{number}", card.card_id, Wanted(address, card.updated_at)
            )


def _review_photos(state: PullState) -> Iterator[WantedPhoto]:
    for review in state.reviews():
        for number, address in enumerate(review.images):
            yield WantedPhoto(
                f"{review.card_id}/review/{review.key}/{number}",
                review.card_id,
                Wanted(address, review.updated_at),
                review.key,
                review.split,
            )


def _empty(source_name: str, rejected: dict[str, int]) -> EmptySource:
    reasons = ", ".join(f"{reason} {n}" for reason, n in rejected.items())
    return EmptySource(
        f"{source_name} has no card with a readable gallery photo ("
        + (f"left out: {reasons}" if reasons else "it lists no cards")
        + "). Mend its cards and pictures, or name another source."
    )


def _write(folder: Path, rows: PulledRows, *, source_name: str) -> Snapshot:
    version = RowsVersion()
    tables = (
        ("cards", Card, rows.cards()),
        ("photos", Photo, rows.photos()),
        ("reviews", Review, rows.reviews()),
        ("rejected", Rejected, rows.rejected()),
    )
    n_rows = {
        name: write_table(folder / f"{name}.parquet", row_type, version.passing(name, table))
        for name, row_type, table in tables
    }
    snapshot = Snapshot(
        source=source_name,
        cards=n_rows["cards"],
        photos=n_rows["photos"],
        reviews=n_rows["reviews"],
        rejected=rows.by_reason(),
        data_version=version.text,
    )
    save_report(folder / SNAPSHOT, snapshot)
    return snapshot
