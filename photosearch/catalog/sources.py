"""Where cards, reviews and photos come from: what a source is, and a folder; stores nothing."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.source_rows import (
    BadRow,
    Cursor,
    Deleted,
    RawRow,
    SourceCard,
    SourceReview,
    checked,
)
from photosearch.errors import (
    BadSource,
    HugePhoto,
    MissingPhoto,
    OutsidePhoto,
    UnreadablePhoto,
)

MAX_LINE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image as it lies at its source."""

    content: bytes
    """At most `images.MAX_BYTES`."""
    mark: str
    """Changes when the image does; empty where the source cannot tell."""


class Source(Protocol):
    """A marketplace as it is reached from here."""

    @property
    def name(self) -> str:
        """What people call it; part of the snapshot, so it holds nothing of this machine."""
        ...

    @property
    def is_near(self) -> bool:
        """Whether asking if an image changed costs nothing, so that each is asked each time."""
        ...

    def cards(self, since: str = "") -> Iterator[RawRow]:
        """Cards as the source tells them: all of them, or what changed since a cursor.

        Raises:
            BadSource: The source does not speak our language.
            CursorRefused: It does not know `since` any more; ask without.
            SourceUnreachable: It stopped answering.
        """
        ...

    def reviews(self, since: str = "") -> Iterator[RawRow]:
        """Reviews, as for `cards`."""
        ...

    def read_image(self, address: str, *, known_mark: str = "") -> ImageFile | None:
        """An image, or None where it is still the one of `known_mark`; called from many threads.

        Raises:
            BadPhoto: This photo cannot be had: missing, too large, outside the source.
            SourceUnreachable: No photo can be had at the moment.
        """
        ...


def read_cards(source: Source, since: str = "") -> Iterator[SourceCard | BadRow | Deleted | Cursor]:
    """Checks every card of a source; the bad ones say why.

    Raises:
        BadSource: No card at all has `card_id`, `title` or `images`.
        CursorRefused: The source does not know `since`.
        SourceUnreachable: The source stopped answering.
    """
    return checked(source.cards(since), SourceCard, source_name=source.name, since=since)


def read_reviews(
    source: Source, since: str = ""
) -> Iterator[SourceReview | BadRow | Deleted | Cursor]:
    """Checks every review of a source; raises what `read_cards` raises."""
    return checked(source.reviews(since), SourceReview, source_name=source.name, since=since)


class FolderImages:
    """Images inside one folder; a path or a link that leads out of it is refused."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def read(self, address: str, *, known_mark: str = "") -> ImageFile | None:
        """As `Source.read_image`; the mark is made of the path, the size and the time of change."""
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
            mark = f"{path} {status.st_size} {status.st_mtime_ns}"
            if mark == known_mark:
                return None
            with path.open("rb") as file:
                return ImageFile(file.read(MAX_BYTES + 1), mark)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingPhoto(f"{address} is not in {self.root}. Put it there.") from None
        except OSError as error:
            raise UnreadablePhoto(f"{address} cannot be read: {error.strerror}.") from None

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


class FolderSource:
    """A folder with `cards.jsonl`, `reviews.jsonl` if there are any, and images beside them."""

    is_near = True

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
        self._images = FolderImages(root)

    @property
    def name(self) -> str:
        return f"folder {self.root.name}"

    def cards(self, since: str = "") -> Iterator[RawRow]:  # noqa: ARG002 - it tells everything
        return _lines_of(self.root / "cards.jsonl")

    def reviews(self, since: str = "") -> Iterator[RawRow]:  # noqa: ARG002 - it tells everything
        path = self.root / "reviews.jsonl"
        return _lines_of(path) if path.exists() else iter(())

    def read_image(self, address: str, *, known_mark: str = "") -> ImageFile | None:
        return self._images.read(address, known_mark=known_mark)


def _lines_of(path: Path) -> Iterator[RawRow]:
    try:
        with path.open("rb") as file:
            yield from json_lines(file, name=path.name)
    except OSError as error:
        raise BadSource(f"{path} cannot be read: {error.strerror}. Mend its permissions.") from None


def json_lines(file: IO[bytes], *, name: str) -> Iterator[RawRow]:
    """Objects of a file with one a line; a line that holds none becomes a BadRow."""
    number = 1
    # a line over the limit comes in pieces, each of them bad
    while line := file.readline(MAX_LINE_BYTES):
        if line.strip():
            yield _json_object(line, place=f"{name} line {number}")
        number += line.endswith(b"\n")


def _json_object(line: bytes, *, place: str) -> RawRow:
    try:
        values = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # RecursionError: brackets nested too deep
        return BadRow(place, "not_json")
    return values if isinstance(values, dict) else BadRow(place, "not_an_object")
