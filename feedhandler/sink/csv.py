"""Comma-separated values (RFC 4180): a header line, then a line a message."""

import csv
from pathlib import Path

from feedhandler.protocol import Message, Protocol
from feedhandler.sink.values import cells_of
from feedhandler.tables import Dtype, Table


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
        columns = [cells_of(rows[name], field) for name, field in self._columns]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        """End the file."""
        self._file.close()
