"""Arrow IPC and Parquet files, by the optional package pyarrow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feedhandler.protocol import Field, Kind, Message, Protocol
from feedhandler.protocol.kinds import TEXTS
from feedhandler.sink.values import OCTETS, Column, Mask, nulls_of, text_of
from feedhandler.tables import Dtype, Table

_GROUP_BYTES = 4 << 20
"""Rows that are gathered before they are written: small groups make a file slow to read."""


class _GroupedTable:
    """Gathers rows to groups, in memory of its own: a kept batch would hold much more than its rows.

    Parameters
    ----------
    writer
        What takes the groups, one of pyarrow's.
    schema
        Columns of the file.
    message, dtype
        Columns of the rows.
    """

    def __init__(self, writer: Any, schema: pa.Schema, message: Message, dtype: Dtype) -> None:  # noqa: ANN401 — pyarrow has no types
        self._writer = writer
        self._schema = schema
        self._fields = [message.fields.get(name) for name in schema.names]
        self._group = np.empty(max(1, _GROUP_BYTES // dtype.itemsize), dtype)
        self._as_bytes = self._group.view(np.dtype((np.void, dtype.itemsize)))  # copied in single moves
        self._filled = 0

    def write(self, rows: Table) -> None:
        """Take rows."""
        while len(rows):
            taken = rows[: len(self._group) - self._filled]
            end = self._filled + len(taken)
            self._as_bytes[self._filled : end] = taken.view(self._as_bytes.dtype)
            self._filled = end
            rows = rows[len(taken) :]
            if self._filled == len(self._group):
                self._write_group()

    def close(self) -> None:
        """Write what is left, and end the file."""
        if self._filled:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        rows = self._group[: self._filled]
        columns = zip(self._schema, self._fields, strict=True)
        arrays = [_array(rows[kind.name], field, kind.type) for kind, field in columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._filled = 0


class ArrowTable(_GroupedTable):
    """Writes one type of message to an Arrow IPC file; see `feedhandler.sink.folder.MakeTable`."""

    def __init__(self, path: Path, protocol: Protocol, message: Message, dtype: Dtype) -> None:
        schema = schema_of(protocol, message, dtype)
        super().__init__(pa.ipc.new_file(str(path), schema), schema, message, dtype)


class ParquetTable(_GroupedTable):
    """Writes one type of message to a Parquet file; see `feedhandler.sink.folder.MakeTable`."""

    def __init__(self, path: Path, protocol: Protocol, message: Message, dtype: Dtype) -> None:
        schema = schema_of(protocol, message, dtype)
        writer = pq.ParquetWriter(str(path), schema, compression="zstd")
        super().__init__(writer, schema, message, dtype)


def schema_of(protocol: Protocol, message: Message, dtype: Dtype) -> pa.Schema:
    """Return the Arrow schema of a message's table: prices as decimals, text as strings."""
    assert dtype.names is not None
    fields = [_field(name, dtype[name], message.fields.get(name)) for name in dtype.names]
    return pa.schema(fields, metadata={"protocol": protocol.name, "message": message.name})


def _field(name: str, dtype: np.dtype[Any], field: Field | None) -> pa.Field:
    if field is None:
        return pa.field(name, pa.from_numpy_dtype(dtype), nullable=False)
    return pa.field(name, _type(dtype, field), nullable=field.null is not None, metadata=_metadata(field))


def _metadata(field: Field) -> Mapping[str, str]:
    known = {"scale": field.scale, "unit": field.unit, "null": field.null}
    return {key: str(value) for key, value in known.items() if value is not None}


def _type(dtype: np.dtype[Any], field: Field) -> pa.DataType:
    if field.kind in TEXTS:
        return pa.string()
    if field.kind in OCTETS:
        return pa.binary(dtype.itemsize) if field.kind is Kind.BYTES else pa.binary()
    if field.scale:
        return pa.decimal128(max(_digits(dtype), field.scale), field.scale)
    return pa.from_numpy_dtype(dtype)


def _digits(dtype: np.dtype[Any]) -> int:
    """Return how many decimal digits an integer of that type may have."""
    return len(str(np.iinfo(dtype).max))


def _array(column: Column, field: Field | None, kind: pa.DataType) -> pa.Array:
    nulls = nulls_of(column, field)
    if pa.types.is_decimal(kind):
        return _decimals(column, nulls, kind)
    if field is not None and field.kind in TEXTS:
        return pa.array(text_of(column, field), type=kind, mask=nulls)
    if field is not None and field.kind in OCTETS:
        return pa.array(column.tolist(), type=kind, mask=nulls)
    return pa.array(np.ascontiguousarray(column), type=kind, mask=nulls)


def _decimals(column: Column, nulls: Mask | None, kind: pa.DataType) -> pa.Array:
    """Return scaled integers as decimals: 16-byte integers in two's complement, low half first."""
    halves = np.zeros((len(column), 2), "<i8")
    if column.dtype.kind == "u":
        halves[:, 0] = column.astype("<u8").view("<i8")
    else:
        halves[:, 0] = column
        halves[:, 1] = halves[:, 0] >> 63
    validity = None if nulls is None else pa.py_buffer(np.packbits(~nulls, bitorder="little"))
    return pa.Array.from_buffers(kind, len(column), [validity, pa.py_buffer(halves)])
