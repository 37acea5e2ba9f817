"""The rows of a snapshot, out of what a pull knows; each table in an order of its own rows."""

from collections.abc import Iterator
from pathlib import Path

from photosearch.catalog.pull_state import SHOWN, PullState
from photosearch.catalog.schemas import Card, Photo, Rejected, Review
from photosearch.catalog.tables import stream_rows
from photosearch.errors import BadTable

REJECTED = f"""
    SELECT '' AS photo_id, card_id, reason FROM listed WHERE reason IS NOT NULL
UNION ALL
    SELECT '', card_id, 'no_photos' FROM listed
    WHERE kind = 'cards' AND reason IS NULL AND card_id NOT IN ({SHOWN})
UNION ALL
    SELECT '', card_id, CASE WHEN card_id IN (SELECT card_id FROM listed WHERE kind = 'cards')
        THEN 'rejected_card' ELSE 'unknown_card' END
    FROM listed WHERE kind = 'reviews' AND reason IS NULL AND card_id NOT IN ({SHOWN})
UNION ALL
    SELECT photo_id, card_id, reason FROM photo JOIN image USING (address)
    WHERE reason IS NOT NULL
"""


class PulledRows:
    """What becomes of the rows and images of a pull whose images were all looked at."""

    def __init__(self, state: PullState) -> None:
        self._state, self._db = state, state.db

    def has_cards(self) -> bool:
        return bool(self._db.execute(f"SELECT EXISTS ({SHOWN})").fetchone()[0])

    def cards(self) -> Iterator[Card]:
        """Cards with a readable gallery photo, by id."""
        for row in self._state.cards(is_shown=True):
            yield row.card()

    def reviews(self) -> Iterator[Review]:
        """Reviews of these cards, by id."""
        for row in self._state.reviews():
            yield row.review()

    def photos(self) -> Iterator[Photo]:
        """Readable photos, by id."""
        for row in self._db.execute(
            "SELECT photo_id, card_id, kind, review_id, sha256, width, height, split "
            "FROM photo JOIN image USING (address) WHERE sha256 IS NOT NULL ORDER BY photo_id"
        ):
            yield Photo(*row)

    def rejected(self) -> Iterator[Rejected]:
        """Rows and photos left out, by card, photo and reason."""
        for photo_id, card_id, reason in self._db.execute(
            f"SELECT photo_id, card_id, reason FROM ({REJECTED}) ORDER BY card_id, photo_id, reason"
        ):
            yield Rejected(photo_id, card_id, reason, score=None)

    def by_reason(self) -> dict[str, int]:
        """How many rows and photos were left out, by reason."""
        return dict(
            self._db.execute(
                f"SELECT reason, COUNT(*) FROM ({REJECTED}) GROUP BY reason ORDER BY reason"
            )
        )

    def n_new_images(self, old_catalog: Path) -> int:
        """How many images the snapshot in `old_catalog` did not have; all, if there is none."""
        self._db.execute("CREATE TEMP TABLE old_image (sha256 TEXT PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")
        try:
            for photo in stream_rows(old_catalog / "photos.parquet", Photo):
                self._db.execute("INSERT OR IGNORE INTO old_image VALUES (?)", (photo.sha256,))
        except BadTable:  # what there was cannot be read, so that all is new
            self._db.execute("DELETE FROM old_image")
        self._db.execute("COMMIT")
        (n_new,) = self._db.execute(
            "SELECT COUNT(DISTINCT sha256) FROM photo JOIN image USING (address) "
            "WHERE sha256 IS NOT NULL AND sha256 NOT IN (SELECT sha256 FROM old_image)"
        ).fetchone()
        return int(n_new)

    def kept_images(self) -> "KeptImages":
        return KeptImages(self._state)


class KeptImages:
    """The content hashes that a snapshot names, asked for one by one."""

    def __init__(self, state: PullState) -> None:
        self._db = state.db

    def __contains__(self, sha256: object) -> bool:
        found = self._db.execute("SELECT 1 FROM image WHERE sha256 = ?", (sha256,)).fetchone()
        return found is not None
