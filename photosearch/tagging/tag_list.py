"""Tags in the order of the alphabet, found by how they begin; a million take 30 MB."""

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from photosearch.catalog.schemas import Tag
from photosearch.catalog.tables import read_table

LAST = "\U0010ffff"
"""No letter comes after it."""


@dataclass(frozen=True, slots=True)
class TagList:
    tags: pa.Table
    """Columns of Tag, sorted by their text in small letters."""
    keys: pa.ChunkedArray
    """Those small letters."""

    def beginning_with(self, prefix: str, *, limit: int, offset: int) -> tuple[list[Tag], int]:
        """Tags that begin so, in small letters or large, and how many there are of all pages."""
        key = " ".join(prefix.lower().split())
        first = self._place_of(key)
        n_found = self._place_of(key + LAST) - first
        shown = self.tags.slice(first + min(offset, n_found), max(0, min(limit, n_found - offset)))
        return [Tag(**row) for row in shown.to_pylist()], n_found

    def _place_of(self, key: str) -> int:
        return bisect_left(range(len(self.keys)), key, key=lambda row: self.keys[row].as_py())


def open_tag_list(folder: Path) -> TagList:
    """Reads the tags of a release; raises BadTable where they are not whole."""
    table = read_table(folder / "tags.parquet", Tag).combine_chunks()
    keys = pc.utf8_lower(table["text"])
    order = pc.sort_indices(keys)
    return TagList(table.take(order), keys.take(order))
