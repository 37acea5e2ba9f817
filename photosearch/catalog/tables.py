"""Typed parquet: rows of a schema class in, the same rows out; knows nothing of what they mean."""

import dataclasses
import hashlib
import json
import os
import types
import typing
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq

from photosearch.errors import BadTable

Row = TypeVar("Row")

ROWS_A_BATCH = 5_000
VERSION_CHARS = 16


def write_table(path: Path, row_type: type[Row], rows: Iterable[Row]) -> int:
    """Writes `rows` to a parquet file, atomically and in bounded memory.

    Returns:
        The number of rows.
    """
    schema = arrow_schema(row_type)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    n_rows, waiting = 0, iter(rows)
    try:
        with pq.ParquetWriter(partial, schema) as writer:
            while batch := list(islice(waiting, ROWS_A_BATCH)):
                writer.write_table(pa.Table.from_pylist(list(map(as_dict, batch)), schema=schema))
                n_rows += len(batch)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return n_rows


def write_columns(path: Path, row_type: type[Any], table: pa.Table) -> None:
    """Writes a table that has the columns of `row_type` to a parquet file, atomically.

    Raises:
        BadTable: Its columns are others.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(_checked(table, row_type, path=path), partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_table(path: Path, row_type: type[Row]) -> pa.Table:
    """Reads a parquet file whole, as columns.

    A column that the file lacks, because it was written before there was one, is filled with the
    field's default; a field without a default is needed.

    Raises:
        BadTable: The file is absent, not parquet, or its columns are not those of `row_type`.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise BadTable(f"{path} does not exist. Run the stage that writes it.") from None
    except (pa.ArrowInvalid, OSError) as error:  # OSError: a file cut short, or damaged inside
        raise BadTable(f"{path} is not a parquet file: {error}. Delete it and rebuild.") from error
    return _checked(table, row_type, path=path)


def read_rows(path: Path, row_type: type[Row]) -> list[Row]:
    """Reads a parquet file whole, as rows; raises what `read_table` raises."""
    return list(rows_of(read_table(path, row_type), row_type))


def stream_rows(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """Reads a parquet file a few thousand rows at a time; raises what `read_table` raises."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_A_BATCH):
                columns = _checked(pa.Table.from_batches([batch]), row_type, path=path)
                yield from rows_of(columns, row_type)
    except FileNotFoundError:
        raise BadTable(f"{path} does not exist. Run the stage that writes it.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise BadTable(f"{path} is not a parquet file: {error}. Delete it and rebuild.") from error


def rows_of(table: pa.Table, row_type: type[Row]) -> Iterator[Row]:
    """Turns columns into rows."""
    for batch in table.to_batches(max_chunksize=ROWS_A_BATCH):
        for values in batch.to_pylist(maps_as_pydicts="strict"):
            yield row_type(**values)


def arrow_schema(row_type: type[Any]) -> pa.Schema:
    """Arrow columns of a frozen dataclass; `X | None` makes a column nullable."""
    hints = typing.get_type_hints(row_type)
    return pa.schema([_field(name, hint) for name, hint in hints.items()])


def as_dict(row: Any) -> dict[str, Any]:
    """Field values by name, not copied (`dataclasses.asdict` copies deeply, ten times slower)."""
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


class RowsVersion:
    """Short hash of the rows of several tables; parquet bytes would change with their writer."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def passing(self, name: str, rows: Iterable[Row]) -> Iterator[Row]:
        """Yields the rows of a table on their way to it, and takes them into account."""
        n_rows = 0
        for row in rows:
            self._digest.update(json.dumps(as_dict(row)).encode() + b"\n")
            n_rows += 1
            yield row
        self._digest.update(f"{name} {n_rows}\n".encode())

    @property
    def text(self) -> str:
        return self._digest.hexdigest()[:VERSION_CHARS]


def _checked(table: pa.Table, row_type: type[Any], *, path: Path) -> pa.Table:
    table, expected = _with_defaults(table, row_type), arrow_schema(row_type)
    if not table.schema.equals(expected):
        missing = sorted(set(expected.names) - set(table.schema.names))
        raise BadTable(
            f"{path} does not hold {row_type.__name__} rows: "
            + (f"missing columns {', '.join(missing)}" if missing else f"got {table.schema}")
            + ". Delete it and run the stage that writes it."
        )
    return table


def _with_defaults(table: pa.Table, row_type: type[Any]) -> pa.Table:
    """Adds the columns that came to `row_type` after the file was written, in their places."""
    schema = arrow_schema(row_type)
    for place, field in enumerate(dataclasses.fields(row_type)):
        if field.name in table.column_names:
            continue
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            value = field.default
        else:
            continue
        column = schema.field(field.name)
        table = table.add_column(
            min(place, table.num_columns), column, pa.array([value] * len(table), column.type)
        )
    return table


def _field(name: str, hint: Any) -> pa.Field:
    options = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType) and type(None) in options:
        (inner,) = [option for option in options if option is not type(None)]
        return pa.field(name, _arrow_type(inner), nullable=True)
    return pa.field(name, _arrow_type(hint), nullable=False)


def _arrow_type(hint: Any) -> pa.DataType:
    if get_origin(hint) is list:
        return pa.list_(_arrow_type(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return pa.map_(*map(_arrow_type, get_args(hint)))
    if get_origin(hint) is Literal:
        return pa.string()
    return {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}[hint]
