"""A sink with one file a type of message; the kind of file is a parameter."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol as Interface
from typing import Self

import numpy as np

from feedhandler.batch import Batch
from feedhandler.errors import SinkError
from feedhandler.protocol import Message, Protocol
from feedhandler.protocol.message import PARENT
from feedhandler.sink.pending import Pending
from feedhandler.tables import Dtype, Table

_PARENT_LIMIT = (1 << 32) - 1


class TableWriter(Interface):
    """Writes the rows of one type of message to one file."""

    def write(self, rows: Table) -> None:
        """Take rows."""

    def close(self) -> None:
        """Write what is left, and end the file."""


MakeTable = Callable[[Path, Protocol, Message, Dtype], TableWriter]
"""Begins a file for one type of message."""


class FolderSink:
    """Writes each type of message to a file of its own.

    Parameters
    ----------
    target
        Where the result is to stand.
    protocol
        What the messages are of.
    make
        Begins a file.
    suffix
        Ending of the files' names; without it, the target's.
    finish
        What is done with the folder of files before it is published.

    Raises
    ------
    SinkError
        It cannot be written there.
    """

    def __init__(
        self,
        target: Path,
        protocol: Protocol,
        make: MakeTable,
        *,
        suffix: str | None = None,
        finish: Callable[[Path], None] | None = None,
    ) -> None:
        self._suffix = suffix or target.suffix
        self._finish = finish
        self._protocol = protocol
        self._make = make
        self._target = target
        self._tables: dict[str, TableWriter] = {}
        self._written: Counter[str] = Counter()
        self._pending = Pending(target)

    def write(self, batch: Batch) -> None:
        """Take the messages of a batch."""
        for name, rows in batch.items():
            self._table(name).write(self._with_parents(name, rows))
        for name, rows in batch.items():
            self._written[name] += len(rows)

    def close(self) -> None:
        """Finish the files, and put them where they should be."""
        if not self._tables:
            for name in self._protocol.messages:
                self._table(name)  # who reads the result finds its columns, though there are no rows
        for table in self._tables.values():
            table.close()
        if self._finish is not None:
            self._finish(self._pending.folder)
        self._pending.publish()

    def discard(self) -> None:
        """Take away what was written."""
        for table in self._tables.values():
            with suppress(Exception):  # on a full disk they cannot be ended well, and need not be
                table.close()
        self._pending.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.close()
        except BaseException:
            self.discard()
            raise

    def _with_parents(self, name: str, rows: Table) -> Table:
        """Return rows whose parents are rows of the whole file, where a batch has those of its own tables."""
        parent = self._protocol.messages[name].parent
        before = 0 if parent is None else self._written[parent]
        if not before:
            return rows
        if before + int(rows[PARENT].max()) > _PARENT_LIMIT:
            raise SinkError(str(self._target), f"more rows of {parent} than {name} can refer to")
        counted = rows.copy()
        counted[PARENT] += np.uint32(before)
        return counted

    def _table(self, name: str) -> TableWriter:
        table = self._tables.get(name)
        if table is None:
            path = self._pending.folder / f"{name}{self._suffix}"
            message, dtype = self._protocol.messages[name], self._protocol.dtypes[name]
            table = self._tables[name] = self._make(path, self._protocol, message, dtype)
        return table
