"""What pulls of one source know so far, in a file: rows, cursors and images; fetches nothing.

It lies outside the data: were it lost, the next pull would ask for everything and end with the
same snapshot. Everything is kept in SQLite, so that a catalogue of any size needs no memory.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from photosearch.catalog.schemas import Split
from photosearch.catalog.source_rows import BadRow, Cursor, Deleted, SourceCard, SourceReview

log = logging.getLogger(__name__)

FORMAT = "1"
PHOTOS_A_STEP = 1_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value NOT NULL);
CREATE TABLE IF NOT EXISTS listing (
    kind TEXT PRIMARY KEY, generation INTEGER NOT NULL, page INTEGER NOT NULL,
    cursor TEXT NOT NULL, is_done INTEGER NOT NULL, is_whole INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS listed (
    kind TEXT, key TEXT, n INTEGER, generation INTEGER NOT NULL, page INTEGER NOT NULL,
    updated_at TEXT, card_id TEXT NOT NULL, reason TEXT, row TEXT,
    PRIMARY KEY (kind, key, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image (
    address TEXT PRIMARY KEY, pull INTEGER NOT NULL, updated_at TEXT, mark TEXT NOT NULL,
    sha256 TEXT, n_bytes INTEGER, width INTEGER, height INTEGER, reason TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS image_sha256 ON image (sha256);
CREATE TABLE IF NOT EXISTS photo (
    photo_id TEXT PRIMARY KEY, card_id TEXT NOT NULL, kind TEXT NOT NULL, review_id TEXT,
    split TEXT, address TEXT NOT NULL, updated_at TEXT);
CREATE INDEX IF NOT EXISTS photo_card ON photo (card_id, kind);
CREATE INDEX IF NOT EXISTS photo_address ON photo (address);
"""

Kind = Literal["cards", "reviews"]
ROWS = {"cards": SourceCard, "reviews": SourceReview}


@dataclass(frozen=True, slots=True)
class Stored:
    """An image that was fetched, decoded whole and kept."""

    sha256: str
    n_bytes: int
    width: int
    """Pixels, after the EXIF turn."""
    height: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An image that cannot be had."""

    reason: str
    """`missing`, `too_large`, `outside_source` or `unreadable`."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier look at an image found."""

    outcome: Stored | Refused
    updated_at: str | None
    """Of the row that named it."""
    mark: str
    is_of_this_pull: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that a row names."""

    address: str
    updated_at: str | None
    """When the row last changed, if the source says so."""


@dataclass(frozen=True, slots=True)
class WantedPhoto:
    """A photo before it is fetched."""

    photo_id: str
    card_id: str
    image: Wanted
    review_key: str | None = None
    """None: the photo is of the gallery."""
    split: Split | None = None


class PullState:
    """One file, used by one thread of one process at a time."""

    def __init__(self, path: Path, source_name: str) -> None:
        """Opens or makes it; what is damaged, or of another source, is begun anew."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = _open(path, source_name)
        (self._pull,) = self.db.execute("SELECT value FROM fact WHERE name = 'pull'").fetchone()
        self._generation = self._page = 0

    def close(self) -> None:
        self.db.close()

    # ---- rows

    def begin(self, kind: Kind) -> str:
        """Starts listing, or goes on with a listing that was cut off; returns where to ask from."""
        found = self.db.execute(
            "SELECT generation, page, cursor, is_done FROM listing WHERE kind = ?", (kind,)
        ).fetchone()
        self._generation, self._page, cursor, is_done = found or (0, 0, "", True)
        self.db.execute("BEGIN")
        if is_done:
            self._generation, self._page = self._generation + 1, 0
            self.db.execute(
                "INSERT OR REPLACE INTO listing VALUES (?, ?, 0, ?, FALSE, ?)",
                (kind, self._generation, cursor, cursor == ""),
            )
        return str(cursor)

    def add(self, kind: Kind, row: SourceCard | SourceReview | BadRow | Deleted) -> None:
        """Keeps what a row says; it takes the place of all that earlier listings said of its id."""
        key = row.key or getattr(row, "place", "")
        old = "DELETE FROM listed WHERE kind = ? AND key = ?"
        if isinstance(row, Deleted):
            self.db.execute(old, (kind, key))
            return
        self.db.execute(f"{old} AND generation < ?", (kind, key, self._generation))
        said = self.db.execute(
            "SELECT n, page, updated_at, reason FROM listed WHERE kind = ? AND key = ?", (kind, key)
        ).fetchall()
        n, reason = 1 + max((each[0] for each in said), default=-1), None
        values: tuple[str | None, ...]
        if isinstance(row, BadRow):
            values = (None, row.place, row.reason, None)
        else:
            for sound in (each for each in said if each[3] is None):
                if sound[1] < self._page and sound[2] != row.updated_at:
                    n = sound[0]  # it changed while its table was listed
                else:
                    reason = f"duplicate_{row.needed[0]}"
            values = (
                row.updated_at,
                row.card_id,
                reason,
                None if reason else row.model_dump_json(),
            )
        self.db.execute(
            "INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (kind, key, n, self._generation, self._page, *values),
        )

    def end_page(self, kind: Kind, cursor: Cursor) -> None:
        """Makes the rows so far and the place where to go on durable, together."""
        self.db.execute(
            "UPDATE listing SET page = page + 1, cursor = ?, is_done = ? WHERE kind = ?",
            (cursor.text, cursor.is_end, kind),
        )
        if cursor.is_end:
            self.db.execute(
                "DELETE FROM listed WHERE kind = ?1 AND generation < (SELECT generation FROM "
                "listing WHERE kind = ?1 AND is_whole)",
                (kind,),
            )
        self.db.execute("COMMIT")
        self._page += 1
        if not cursor.is_end:
            self.db.execute("BEGIN")

    def drop_page(self) -> None:
        """Forgets rows since the last page; nothing happens where there are none."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def forget_cursor(self, kind: Kind) -> None:
        """Makes the next listing a whole one."""
        self.db.execute("UPDATE listing SET cursor = '', is_done = 1 WHERE kind = ?", (kind,))

    def cards(self, *, is_shown: bool = False) -> Iterator[SourceCard]:
        """Sound cards, by id; with `is_shown` those that have a readable gallery photo."""
        for (row,) in self._sound("cards", f"AND card_id IN ({SHOWN})" if is_shown else ""):
            yield SourceCard.model_validate_json(row)

    def reviews(self) -> Iterator[SourceReview]:
        """Sound reviews of cards with a photo, by id."""
        for (row,) in self._sound("reviews", f"AND card_id IN ({SHOWN})"):
            yield SourceReview.model_validate_json(row)

    def _sound(self, kind: Kind, more: str = "") -> Iterable[tuple[str]]:
        return self.db.execute(
            f"SELECT row FROM listed WHERE kind = ? AND reason IS NULL {more} ORDER BY key", (kind,)
        )

    # ---- photos

    def want(self, photos: Iterable[WantedPhoto]) -> None:
        """Adds photos of the listing."""
        self.db.execute("BEGIN")
        for photo in photos:
            self.db.execute(
                "INSERT INTO photo VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(photo.photo_id, photo.card_id, "review" if photo.review_key else "gallery"),
                    *(photo.review_key, photo.split, photo.image.address, photo.image.updated_at),
                ),
            )
        self.db.execute("COMMIT")

    def forget_photos(self) -> None:
        self.db.execute("DELETE FROM photo")

    def n_wanted(self, kind: str) -> int:
        found = self.db.execute("SELECT COUNT(*) FROM photo WHERE kind = ?", (kind,)).fetchone()
        return int(found[0])

    def wanted(self, kind: str) -> Iterator[Wanted]:
        """Images of the photos of a kind, in the order they were added."""
        last = 0
        while photos := self.db.execute(
            "SELECT rowid, address, updated_at FROM photo WHERE kind = ? AND rowid > ? "
            "ORDER BY rowid LIMIT ?",
            (kind, last, PHOTOS_A_STEP),
        ).fetchall():  # in steps: a statement that stayed open would keep the log from shrinking
            last = photos[-1][0]
            for _, address, updated_at in photos:
                yield Wanted(address, updated_at)

    def recall(self, address: str) -> Known | None:
        found = self.db.execute(
            "SELECT pull, updated_at, mark, sha256, n_bytes, width, height, reason FROM image "
            "WHERE address = ?",
            (address,),
        ).fetchone()
        if found is None:
            return None
        pull, updated_at, mark, *stored, reason = found
        outcome = Refused(reason) if reason else Stored(*stored)
        return Known(outcome, updated_at, mark, pull == self._pull)

    def remember(self, wanted: Wanted, outcome: Stored | Refused, mark: str) -> None:
        """Keeps what became of an image; durable at once."""
        values: tuple[str | int | None, ...]
        match outcome:
            case Stored(sha256, n_bytes, width, height):
                values = (sha256, n_bytes, width, height, None)
            case Refused(reason):
                values = (None, None, None, None, reason)
        self.db.execute(
            "INSERT OR REPLACE INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (wanted.address, self._pull, wanted.updated_at, mark, *values),
        )

    def end_pull(self) -> None:
        """Forgets images that no row names any more; what comes now is another pull."""
        self.db.execute("BEGIN")
        self.db.execute("DELETE FROM image WHERE address NOT IN (SELECT address FROM photo)")
        self.db.execute("UPDATE fact SET value = value + 1 WHERE name = 'pull'")
        self.db.execute("COMMIT")
        self._pull += 1


SHOWN = (
    "SELECT card_id FROM photo JOIN image USING (address) "
    "WHERE kind = 'gallery' AND sha256 IS NOT NULL"
)
"""Cards with a readable gallery photo."""


def _open(path: Path, source_name: str) -> sqlite3.Connection:
    try:
        return _prepared(path, source_name)
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        log.warning("%s cannot be gone on with (%s): everything is asked for anew", path, error)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _prepared(path, source_name)


def _prepared(path: Path, source_name: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # safe against a kill of this process
        db.executescript(SCHEMA)
        facts = dict(db.execute("SELECT name, value FROM fact"))
        if facts and (facts["format"], facts["source"]) != (FORMAT, source_name):
            raise ValueError(f"it is of {facts['source']}")
        if not facts:
            facts = {"format": FORMAT, "source": source_name, "pull": 1}
            db.executemany("INSERT INTO fact VALUES (?, ?)", facts.items())
    except BaseException:
        db.close()
        raise
    return db
