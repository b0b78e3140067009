"""Sinks: where results go. Files whose kind is told by their suffix, written batch by batch.

General layout: `pending` keeps what is being written under a temporary name until it is whole, `folder` gives
each type of message a file of its own, `values` turns columns into text, and `arrow`, `csv` and `npz` each
write one kind of file.
"""

from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Protocol as Interface
from typing import Self

from feedhandler.batch import Batch
from feedhandler.errors import SinkError
from feedhandler.protocol import Protocol
from feedhandler.sink.csv import CsvTable
from feedhandler.sink.folder import FolderSink
from feedhandler.sink.npz import npz_sink
from feedhandler.toml import nearest

SUFFIXES = (".parquet", ".arrow", ".npz", ".csv")
"""The kinds of files there are."""

_NEED_ARROW = frozenset({".parquet", ".arrow"})


class Sink(Interface):
    """Takes batches. What it wrote can be seen once it is closed, and never if it is discarded."""

    def write(self, batch: Batch) -> None:
        """Take the messages of a batch."""

    def close(self) -> None:
        """Finish, and put what was written where it should be."""

    def discard(self) -> None:
        """Take away what was written."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close, or discard after an error."""


def open_sink(path: str | PathLike[str], protocol: Protocol) -> Sink:
    """Open a file for the messages of a protocol.

    One type of message makes one file; several make a folder of that name, with a file for each. An ``.npz``
    is one file always. Prices are decimals in ``.parquet`` and ``.arrow``, whose fields' metadata tell the
    scale too, and in ``.csv``; ``.npz`` keeps the integers and tells the scales in the array ``__scales__``.
    What the declaration calls null is null, or empty, but in ``.npz``. Where there was no message at all,
    every type has a table without rows.

    Parameters
    ----------
    path
        Where it should be. A file there is replaced at the end; so is a folder with nothing but such files.
    protocol
        What the messages are of.

    Raises
    ------
    SinkError
        The suffix is none of `SUFFIXES`, what stands there is something else, or a package is missing. If
        something else came there only later, it is raised at the end, and the result is left beside it.
    """
    target = Path(path)
    suffix = target.suffix
    if suffix not in SUFFIXES:
        hint = nearest(suffix, SUFFIXES)
        expected = f"expected a name ending in one of {', '.join(SUFFIXES)}"
        raise SinkError(str(target), f"{expected}, found {suffix or 'none'!r}{f' ({hint})' if hint else ''}")
    if suffix == ".npz":
        return npz_sink(target, protocol)
    if suffix == ".csv":
        return FolderSink(target, protocol, CsvTable)
    if find_spec("pyarrow") is None:
        raise SinkError(str(target), f"{suffix} needs pyarrow: pip install 'feedhandler[arrow]'")
    from feedhandler.sink.arrow import ArrowTable, ParquetTable  # noqa: PLC0415 — an optional extra

    return FolderSink(target, protocol, ParquetTable if suffix == ".parquet" else ArrowTable)
