"""What pixels say of every image, measured once and kept by the first digit of its hash.

    resume/looks-VERSION/{0..f}.parquet    one row an image

A shard is measured by one process, on whatever machine sees the home. The files are a cache: any of
them may be deleted, and curation measures what is missing.
"""

import hashlib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from photosearch.catalog import images
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation import looks
from photosearch.curation.looks import LOOK_PX, Look, look_at
from photosearch.errors import BadPhoto, BadTable
from photosearch.home import Home

SHARDS = "0123456789abcdef"
SEVERAL = 4096
"""Images after which a shard's file is written again: what a kill may cost."""


@dataclass(frozen=True, slots=True)
class _Row:
    sha256: str
    hash: str
    """Hexadecimal: parquet's integers are signed."""
    inner_hash: str
    light: float
    sharpness: float
    flat: float
    line: float
    text: float
    skin: float


def measure_shard(home: Home, shard: str) -> int:
    """Measures the images of one shard that were not measured yet; returns how many that were.

    Images that do not open are left to curation, which names them.
    """
    known = {row.sha256: row for row in _read(home, shard)}
    paths = (path for folder in home.images.glob(f"{shard}?") for path in folder.iterdir())
    waiting = sorted(path.name for path in paths if path.name not in known)
    measured = 0
    for start in range(0, len(waiting), SEVERAL):
        for sha256 in waiting[start : start + SEVERAL]:
            try:
                look = look_at(images.load(home.images, sha256, draft_px=LOOK_PX))
            except BadPhoto:
                continue
            known[sha256] = _row(sha256, look)
            measured += 1
        write_table(_path(home, shard), _Row, [known[sha256] for sha256 in sorted(known)])
    return measured


def known_looks(home: Home) -> dict[str, Look]:
    """Looks by the hash of the image, as far as they were measured."""
    return {row.sha256: _look(row) for shard in SHARDS for row in _read(home, shard)}


def _row(sha256: str, look: Look) -> _Row:
    values = asdict(look)
    return _Row(sha256, f"{values.pop('hash'):x}", f"{values.pop('inner_hash'):x}", **values)


def _look(row: _Row) -> Look:
    values = asdict(row)
    del values["sha256"]
    hashes = {name: int(values.pop(name), 16) for name in ("hash", "inner_hash")}
    return Look(**hashes, **values)


def _read(home: Home, shard: str) -> list[_Row]:
    path = _path(home, shard)
    try:
        return read_rows(path, _Row) if path.exists() else []
    except BadTable:
        path.unlink()
        return []


def _path(home: Home, shard: str) -> Path:
    return home.resume / f"looks-{_version()}" / f"{shard}.parquet"


@cache
def _version() -> str:
    """Changes with the code that measures, so that old numbers are never read."""
    source = b"".join(Path(str(code.__file__)).read_bytes() for code in (looks, images))
    return hashlib.sha256(source).hexdigest()[:8]
