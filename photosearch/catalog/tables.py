"""Typed parquet: rows of a schema class in, the same rows out; knows nothing of what they mean."""

import dataclasses
import hashlib
import json
import os
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq

from photosearch.errors import BadTable

Row = TypeVar("Row")

ROWS_A_BATCH = 50_000
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


def read_table(path: Path, row_type: type[Row]) -> pa.Table:
    """Reads a parquet file whole, as columns.

    Raises:
        BadTable: The file is absent, not parquet, or its columns are not those of `row_type`.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise BadTable(f"{path} does not exist. Run the stage that writes it.") from None
    except (pa.ArrowInvalid, OSError) as error:  # OSError: a file cut short, or damaged inside
        raise BadTable(f"{path} is not a parquet file: {error}. Delete it and rebuild.") from error
    expected = arrow_schema(row_type)
    if not table.schema.equals(expected):
        missing = sorted(set(expected.names) - set(table.schema.names))
        raise BadTable(
            f"{path} does not hold {row_type.__name__} rows: "
            + (f"missing columns {', '.join(missing)}" if missing else f"got {table.schema}")
            + ". Delete it and run the stage that writes it."
        )
    return table


def read_rows(path: Path, row_type: type[Row]) -> list[Row]:
    """Reads a parquet file whole, as rows; raises what `read_table` raises."""
    return list(rows_of(read_table(path, row_type), row_type))


def rows_of(table: pa.Table, row_type: type[Row]) -> Iterator[Row]:
    """Turns columns into rows."""
    for batch in table.to_batches(max_chunksize=ROWS_A_BATCH):
        for values in batch.to_pylist():
            yield row_type(**values)


def arrow_schema(row_type: type[Any]) -> pa.Schema:
    """Arrow columns of a frozen dataclass; `X | None` makes a column nullable."""
    hints = typing.get_type_hints(row_type)
    return pa.schema([_field(name, hint) for name, hint in hints.items()])


def as_dict(row: Any) -> dict[str, Any]:
    """Field values by name, not copied (`dataclasses.asdict` copies deeply, ten times slower)."""
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def rows_version(tables: Mapping[str, Sequence[Any]]) -> str:
    """Short hash of rows by table name; parquet bytes would change with their writer's version."""
    digest = hashlib.sha256()
    for name, rows in tables.items():
        digest.update(f"{name} {len(rows)}\n".encode())
        for row in rows:
            digest.update(json.dumps(as_dict(row)).encode() + b"\n")
    return digest.hexdigest()[:VERSION_CHARS]


def _field(name: str, hint: Any) -> pa.Field:
    options = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType) and type(None) in options:
        (inner,) = [option for option in options if option is not type(None)]
        return pa.field(name, _arrow_type(inner), nullable=True)
    return pa.field(name, _arrow_type(hint), nullable=False)


def _arrow_type(hint: Any) -> pa.DataType:
    if get_origin(hint) is list:
        return pa.list_(_arrow_type(get_args(hint)[0]))
    if get_origin(hint) is Literal:
        return pa.string()
    return {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}[hint]
