"""What lies in a home after a pull, for tests to compare."""

from pathlib import Path

import pytest

from photosearch.catalog.schemas import Card, Photo, Rejected, Review
from photosearch.catalog.tables import read_rows
from photosearch.home import Home

TABLES = {"cards": Card, "photos": Photo, "reviews": Review, "rejected": Rejected}


def n_stored(home: Home) -> int:
    return sum(path.is_file() for path in home.images.glob("??/*"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def rows(home: Home, table: str) -> list:
    return read_rows(home.catalog / f"{table}.parquet", TABLES[table])


def reasons(home: Home) -> list[tuple[str, str, str]]:
    return [(row.card_id, row.photo_id, row.reason) for row in rows(home, "rejected")]


def files(home: Home) -> dict[str, bytes]:
    """Everything under data/, by path."""
    return {
        str(path.relative_to(home.data)): path.read_bytes()
        for path in home.data.rglob("*")
        if path.is_file()
    }
