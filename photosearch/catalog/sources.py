"""Where cards, reviews and photos come from: what a source is, and a folder; stores nothing."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.source_rows import BadRow, RawRow, SourceCard, SourceReview, checked
from photosearch.errors import (
    BadSource,
    HugePhoto,
    MissingPhoto,
    OutsidePhoto,
    UnreadablePhoto,
)

MAX_LINE_BYTES = 1_000_000


class Source(Protocol):
    """A marketplace as it is reached from here."""

    @property
    def name(self) -> str:
        """What people call it; part of the snapshot, so it holds nothing of this machine."""
        ...

    def cards(self) -> Iterator[RawRow]:
        """Every card as the source tells it; raises BadSource or SourceUnreachable."""
        ...

    def reviews(self) -> Iterator[RawRow]:
        """Every review as the source tells it; raises BadSource or SourceUnreachable."""
        ...

    def read_image(self, address: str) -> bytes:
        """The bytes of an image, at most `images.MAX_BYTES`; called from several threads.

        Raises:
            BadPhoto: This photo cannot be had: missing, too large, outside the source.
            SourceUnreachable: No photo can be had at the moment.
        """
        ...

    def mark(self, address: str) -> str:
        """Changes when the image at `address` may have changed; cheap, and never raises."""
        ...


def read_cards(source: Source) -> Iterator[SourceCard | BadRow]:
    """Checks every card of a source; the bad ones say why.

    Raises:
        BadSource: No card at all has `card_id`, `title` or `images`.
        SourceUnreachable: The source stopped answering.
    """
    return checked(source.cards(), SourceCard, source_name=source.name)


def read_reviews(source: Source) -> Iterator[SourceReview | BadRow]:
    """Checks every review of a source; the bad ones say why.

    Raises:
        BadSource: No review at all has `review_id`, `card_id` or `images`.
        SourceUnreachable: The source stopped answering.
    """
    return checked(source.reviews(), SourceReview, source_name=source.name)


class FolderSource:
    """A folder with `cards.jsonl`, `reviews.jsonl` if there are any, and images beside them."""

    def __init__(self, root: Path) -> None:
        """Looks only whether the folder is there.

        Raises:
            BadSource: There is no such folder, or it has no cards.jsonl.
        """
        if not root.is_dir():
            raise BadSource(f"{root} is not a folder. Name one that holds cards.jsonl and images.")
        if not (root / "cards.jsonl").is_file():
            raise BadSource(
                f"{root} has no cards.jsonl. Write one line of JSON a card into it: "
                '{"card_id": "1", "title": "Apple", "images": ["cards/1.jpg"]}.'
            )
        self.root = root.resolve()

    @property
    def name(self) -> str:
        return f"folder {self.root.name}"

    def cards(self) -> Iterator[RawRow]:
        return _json_lines(self.root / "cards.jsonl")

    def reviews(self) -> Iterator[RawRow]:
        path = self.root / "reviews.jsonl"
        return _json_lines(path) if path.exists() else iter(())

    def read_image(self, address: str) -> bytes:
        path = self._path(address)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                raise UnreadablePhoto(f"{address} is not a file. Put a photo there.")
            if status.st_size > MAX_BYTES:
                raise HugePhoto(
                    f"{address} has {status.st_size:,} bytes, more than {MAX_BYTES:,}. "
                    "Put a smaller file there."
                )
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingPhoto(f"{address} is not in {self.root}. Put it there.") from None
        except OSError as error:
            raise UnreadablePhoto(f"{address} cannot be read: {error.strerror}.") from None

    def mark(self, address: str) -> str:
        try:
            path = self._path(address)
            status = path.stat()
        except (OSError, OutsidePhoto):
            return ""
        return f"{path} {status.st_size} {status.st_mtime_ns}"

    def _path(self, address: str) -> Path:
        """Where the image lies; links are followed, and must stay inside the folder."""
        way_out = f"Put the photo into {self.root} and give its path from there."
        relative = PurePosixPath(address)
        if relative.is_absolute() or ".." in relative.parts or "\0" in address:
            raise OutsidePhoto(f"{address!r} is not a path inside the source. {way_out}")
        try:
            path = (self.root / relative).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
            raise UnreadablePhoto(f"{address!r} leads nowhere: {error}. {way_out}") from None
        if not path.is_relative_to(self.root):
            raise OutsidePhoto(f"{address!r} is a link that leaves the source. {way_out}")
        return path


def _json_lines(path: Path) -> Iterator[RawRow]:
    """Objects of a file with one a line; a line that holds none becomes a BadRow."""
    number = 1
    try:
        with path.open("rb") as file:
            # a line over the limit comes in pieces, each of them bad
            while line := file.readline(MAX_LINE_BYTES):
                if line.strip():
                    yield _json_object(line, place=f"{path.name} line {number}")
                number += line.endswith(b"\n")
    except OSError as error:
        raise BadSource(f"{path} cannot be read: {error.strerror}. Mend its permissions.") from None


def _json_object(line: bytes, *, place: str) -> RawRow:
    try:
        values = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # RecursionError: brackets nested too deep
        return BadRow(place, "not_json")
    return values if isinstance(values, dict) else BadRow(place, "not_an_object")
