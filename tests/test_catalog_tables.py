"""Tables give back the rows they were given, or say that they are none."""

import dataclasses
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photosearch.catalog.schemas import (
    Card,
    CuratedPhoto,
    Label,
    Pair,
    Photo,
    Rejected,
    Review,
)
from photosearch.catalog.tables import (
    RowsVersion,
    arrow_schema,
    read_rows,
    read_table,
    stream_rows,
    write_table,
)
from photosearch.errors import BadTable


def values_of(hint: object) -> st.SearchStrategy:
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is list:
        return st.lists(values_of(get_args(hint)[0]), max_size=3)
    if get_origin(hint) is dict:
        return st.dictionaries(*map(values_of, get_args(hint)), max_size=3)
    if type(None) in get_args(hint):
        (inner,) = [option for option in get_args(hint) if option is not type(None)]
        return st.none() | values_of(inner)
    return {
        str: st.text(max_size=20),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
    }[hint]


def rows_of_type(row_type: type) -> st.SearchStrategy:
    hints = get_type_hints(row_type)
    return st.builds(row_type, **{name: values_of(hint) for name, hint in hints.items()})


ROW_TYPES = [Card, CuratedPhoto, Label, Pair, Photo, Rejected, Review]


@pytest.mark.parametrize("row_type", ROW_TYPES)
@given(data=st.data())
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_table_gives_back_its_rows(row_type: type, data: st.DataObject, tmp_path: Path):
    rows = data.draw(st.lists(rows_of_type(row_type), max_size=5))
    path = tmp_path / "rows.parquet"
    assert write_table(path, row_type, rows) == len(rows)
    assert read_rows(path, row_type) == rows
    assert list(stream_rows(path, row_type)) == rows
    assert read_table(path, row_type).schema.equals(arrow_schema(row_type))


def rejected(reason: str = "unreadable") -> Rejected:
    return Rejected("a/gallery/0", "a", reason, None)


def test_the_same_rows_are_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_table(tmp_path / name, Rejected, [rejected()])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path):
    path = tmp_path / "year=2026" / "rejected.parquet"
    write_table(path, Rejected, [rejected()])
    assert read_rows(path, Rejected) == [rejected()]


def test_rows_that_fail_midway_leave_the_old_table(tmp_path: Path):
    path = tmp_path / "rejected.parquet"
    write_table(path, Rejected, [rejected("old")])

    def failing():
        yield rejected("new")
        raise OSError("the source went away")

    with pytest.raises(OSError, match="went away"):
        write_table(path, Rejected, failing())
    assert read_rows(path, Rejected) == [rejected("old")]
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_missing_value_is_refused_when_written(tmp_path: Path):
    with pytest.raises(ValueError, match="non-nullable"):
        write_table(tmp_path / "x", Rejected, [dataclasses.replace(rejected(), card_id=None)])


def test_a_table_of_other_rows_names_the_missing_columns(tmp_path: Path):
    write_table(tmp_path / "x.parquet", Rejected, [rejected()])
    with pytest.raises(BadTable, match=r"does not hold Photo rows: missing columns height, kind"):
        read_table(tmp_path / "x.parquet", Photo)


def test_a_table_cut_short_anywhere_is_no_table(tmp_path: Path):
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    write_table(whole, Rejected, [rejected()])
    content = whole.read_bytes()
    for n_bytes in range(0, len(content), 13):
        cut.write_bytes(content[:n_bytes])
        with pytest.raises(BadTable, match="is not a parquet file"):
            read_table(cut, Rejected)
    damaged = bytearray(content)
    damaged[4:40] = b"\xff" * 36
    cut.write_bytes(damaged)
    with pytest.raises(BadTable, match="Delete it and rebuild"):
        read_table(cut, Rejected)


def test_an_absent_table_says_so(tmp_path: Path):
    with pytest.raises(BadTable, match=r"cards\.parquet does not exist"):
        read_table(tmp_path / "cards.parquet", Card)


def test_a_table_of_before_a_column_came_is_read_with_its_default(tmp_path: Path):
    path = tmp_path / "cards.parquet"
    before = Card("a", "A", None, None, ["Home"], None, None, 5.0, "a")
    now = dataclasses.replace(before, seller="S", rating=4.5, attributes={"Colour": "red"})
    write_table(path, Card, [now])
    old = [field.name for field in dataclasses.fields(Card)][:9]
    pq.write_table(pq.read_table(path, columns=old), path)
    assert read_rows(path, Card) == [before]
    assert list(stream_rows(path, Card)) == [before]
    pq.write_table(pq.read_table(path, columns=old[1:]), path)
    with pytest.raises(BadTable, match=r"does not hold Card rows: missing columns card_id\. Del"):
        read_table(path, Card)


def version_of(**tables: list) -> str:
    version = RowsVersion()
    for name, rows in tables.items():
        assert list(version.passing(name, rows)) == rows
    return version.text


def test_a_version_changes_with_any_row_and_any_table():
    versions = {
        version_of(rejected=[rejected()]),
        version_of(rejected=[rejected("other")]),
        version_of(rejected=[]),
        version_of(other=[rejected()]),
    }
    assert len(versions) == 4
    assert version_of(rejected=[rejected()]) == version_of(rejected=[rejected()])
