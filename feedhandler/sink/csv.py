"""Comma-separated values (RFC 4180): a header line, then a line a message."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feedhandler.protocol import Field, Kind, Message, Protocol
from feedhandler.protocol.kinds import TEXTS
from feedhandler.sink.values import Column, decimal_text, nulls_of, text_of
from feedhandler.tables import Dtype, Table

_OCTETS = frozenset({Kind.BYTES, Kind.BIN})


class CsvTable:
    """Writes one type of message; see `feedhandler.sink.folder.MakeTable`."""

    def __init__(self, path: Path, protocol: Protocol, message: Message, dtype: Dtype) -> None:  # noqa: ARG002 — as every table
        assert dtype.names is not None
        self._columns = [(name, message.fields.get(name)) for name in dtype.names]
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(dtype.names)

    def write(self, rows: Table) -> None:
        """Write rows."""
        columns = [_cells(rows[name], field) for name, field in self._columns]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        """End the file."""
        self._file.close()


def _cells(column: Column, field: Field | None) -> Sequence[object]:
    cells = _values(column, field)
    nulls = nulls_of(column, field)
    if nulls is None:
        return cells
    return ["" if is_null else cell for cell, is_null in zip(cells, nulls.tolist(), strict=True)]


def _values(column: Column, field: Field | None) -> Sequence[object]:
    values: list[Any] = column.tolist()
    if field is None:
        return values
    if field.kind in TEXTS:
        text: list[str] = text_of(column, field).tolist()
        return text
    if field.kind in _OCTETS:
        return [value.hex() for value in values]
    if field.kind is Kind.BOOL:
        return ["true" if value else "false" for value in values]
    if field.scale:
        return [decimal_text(value, field.scale) for value in values]
    return values
