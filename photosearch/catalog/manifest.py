"""A source that is a table of cards, JSONL, CSV or Parquet, at any address that fsspec opens.

The images are named by paths inside one folder (by default the table's own), or by addresses:
HTTP ones as `web.py` allows, others only inside folders that were allowed by name.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import fsspec
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.marketplace import read_image_at
from photosearch.catalog.source_rows import BadRow, RawRow
from photosearch.catalog.sources import FolderImages, ImageFile, json_lines
from photosearch.catalog.web import HTTP_PORTS, Manners, Web
from photosearch.errors import (
    BadSource,
    HugePhoto,
    MissingPhoto,
    OutsidePhoto,
    SourceUnreachable,
)

SUFFIXES = (".jsonl", ".csv", ".parquet")
ROWS_A_BATCH = 1_000
LISTS = ("images", "category")
LIST_SEPARATOR = "|"
"""Between the parts of a list in a CSV cell; `["a.jpg", "b.jpg"]` is read too."""


class ManifestSource:
    """Cards of one file, reviews of the file `reviews` beside it, images near or far."""

    def __init__(
        self,
        address: str,
        *,
        images: str | None = None,
        allowed_hosts: tuple[str, ...] = (),
        manners: Manners | None = None,
    ) -> None:
        """Looks only whether the file is there.

        Args:
            address: A path, or `s3://...`, `http://...`; ends with .jsonl, .csv or .parquet.
            images: The folder that image paths start from; default: where the file lies.
            allowed_hosts: Hosts of images that may be in a private network, and folders such as
                `s3://photos` that image addresses may name.
            manners: How often and how patiently hosts are asked for images.

        Raises:
            BadSource: There is no such file, or it is of another kind.
        """
        self._address, self._suffix = address, PurePosixPath(address).suffix.lower()
        if self._suffix not in SUFFIXES or "::" in address:
            raise BadSource(f"{address!r} is no manifest. Name a file *.jsonl, *.csv or *.parquet.")
        if not _exists(address):
            raise BadSource(f"{address} does not exist. Name a file *.jsonl, *.csv or *.parquet.")
        folder = images or _beside(address, "")
        own = None
        self._root: FolderImages | StoredImages | None = None
        if folder.startswith(("http://", "https://")):
            own = httpx.URL(folder.rstrip("/") + "/")
        elif _is_local(folder):
            self._root = FolderImages(Path(folder.removeprefix("file://")))
        else:
            self._root = StoredImages(folder)
        self._base = own
        self._web = Web(
            own,
            allowed_hosts=[host for host in allowed_hosts if "://" not in host],
            manners=manners,
        )
        self._stores = {
            place.rstrip("/"): StoredImages(place) for place in allowed_hosts if "://" in place
        }

    @property
    def name(self) -> str:
        path = PurePosixPath(self._address)
        return f"manifest {path.parent.name}/{path.name}"

    @property
    def is_near(self) -> bool:
        return isinstance(self._root, FolderImages)

    def cards(self, since: str = "") -> Iterator[RawRow]:  # noqa: ARG002 - it tells everything
        return _rows(self._address)

    def reviews(self, since: str = "") -> Iterator[RawRow]:  # noqa: ARG002 - it tells everything
        reviews = _beside(self._address, f"reviews{self._suffix}")
        return _rows(reviews) if _exists(reviews) else iter(())

    def read_image(self, address: str, *, known_mark: str = "") -> ImageFile | None:
        scheme, _, rest = address.partition("://")
        if self._base is not None and not rest:
            return read_image_at(self._web, _under(self._base, address), known_mark=known_mark)
        if scheme in HTTP_PORTS and rest:
            return read_image_at(self._web, _url(address), known_mark=known_mark)
        if rest:
            for place, store in self._stores.items():
                if address.startswith(place + "/"):
                    return store.read(address[len(place) + 1 :], known_mark=known_mark)
        elif self._root is not None:
            return self._root.read(address, known_mark=known_mark)
        raise OutsidePhoto(
            f"{address!r} is in no folder of the source. If the photos really lie there, add "
            "SCHEME://FOLDER to PHOTOSEARCH_SOURCE_HOSTS."
        )


class StoredImages:
    """Images inside one folder of a remote file system: S3, GCS, memory, ..."""

    def __init__(self, folder: str) -> None:
        self._files, path = url_to_fs(folder)
        self._folder, self._root = folder.rstrip("/"), path.rstrip("/")

    def read(self, address: str, *, known_mark: str = "") -> ImageFile | None:
        """As `Source.read_image`; the mark is the store's own ETag, or the time of change."""
        parts = PurePosixPath(address).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in address or "::" in address:
            raise OutsidePhoto(f"{address!r} is not a path inside {self._folder}. Put it there.")
        path = f"{self._root}/{address}"
        try:
            facts = self._files.info(path)
            size, mark = facts.get("size") or 0, _mark(facts)
            if size > MAX_BYTES:
                raise HugePhoto(
                    f"{address} has {size:,} bytes, more than {MAX_BYTES:,}. Put a smaller file "
                    "there."
                )
            if mark and mark == known_mark:
                return None
            return ImageFile(self._files.cat_file(path, start=0, end=MAX_BYTES + 1), mark)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
            raise MissingPhoto(
                f"{address} cannot be had from {self._folder} ({type(error).__name__}). Put it "
                "there."
            ) from None
        except (OSError, TimeoutError) as error:
            raise SourceUnreachable(
                f"{self._folder} does not answer ({error}). Check address and credentials, then "
                "pull again: what was fetched is kept."
            ) from None


def _mark(facts: dict[str, Any]) -> str:
    found = next((facts[key] for key in ("ETag", "etag", "mtime", "created") if facts.get(key)), "")
    return f"{facts.get('size')} {found}" if found else ""


def _rows(address: str) -> Iterator[RawRow]:
    """Rows of a manifest, a few at a time; what is no row says where it is."""
    name, suffix = PurePosixPath(address).name, PurePosixPath(address).suffix.lower()
    try:
        with fsspec.open(address, "rb") as file:
            match suffix:
                case ".jsonl":
                    # files of fsspec read lines only whole, however long
                    with io.BufferedReader(file) as lines:
                        yield from json_lines(lines, name=name)
                case ".csv":
                    yield from _csv_rows(file, name=name)
                case _:
                    yield from _parquet_rows(file)
    except (OSError, pa.ArrowException, csv.Error, UnicodeDecodeError) as error:
        raise BadSource(f"{address} cannot be read: {error}. Mend the file.") from None


def _parquet_rows(file: IO[bytes]) -> Iterator[RawRow]:
    for batch in pq.ParquetFile(file).iter_batches(ROWS_A_BATCH):
        for row in batch.to_pylist(maps_as_pydicts="lossy"):
            yield {column: value for column, value in row.items() if value is not None}


def _csv_rows(file: IO[bytes], *, name: str) -> Iterator[RawRow]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        reader = csv.DictReader(text, strict=True)
        for row in reader:
            yield _cells(row, place=f"{name} line {reader.line_num}")
    finally:
        text.detach()


def _cells(row: dict[Any, Any], *, place: str) -> RawRow:
    """Values of a row of texts; an empty cell says nothing."""
    if None in row:
        return BadRow(place, "too_many_cells")
    values: dict[str, Any] = {column: cell for column, cell in row.items() if cell}
    try:
        for column, cell in values.items():
            if cell[0] in "[{" and column in (*LISTS, "attributes"):
                values[column] = json.loads(cell)
            elif column in LISTS:
                values[column] = [part.strip() for part in cell.split(LIST_SEPARATOR)]
    except (ValueError, RecursionError):
        return BadRow(place, f"bad_{column}")
    return values


def _under(base: httpx.URL, path: str) -> httpx.URL:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise OutsidePhoto(f"{path!r} is not a path inside {base}. Put the image there.")
    return _url(f"{base}{path}")


def _url(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise OutsidePhoto(f"{address!r} is not an address. Give one.") from None


def _is_local(address: str) -> bool:
    return "://" not in address or address.startswith("file://")


def _beside(address: str, name: str) -> str:
    """The file `name` in the folder of another, or that folder."""
    folder, slash, _ = address.rpartition("/")
    return f"{folder}{slash}{name}" if slash else name or "."


def _exists(address: str) -> bool:
    try:
        files, path = url_to_fs(address)
        return bool(files.exists(path))
    except (OSError, ImportError, ValueError) as error:
        raise BadSource(f"{address} cannot be opened: {error}. Check the address.") from None
