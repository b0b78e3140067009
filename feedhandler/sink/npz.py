"""numpy's ``.npz``: the structured arrays as they are, one a type of message."""

import shutil
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from feedhandler.protocol import Message, Protocol
from feedhandler.sink.folder import FolderSink
from feedhandler.tables import Dtype, Table

SCALES = "__scales__"
"""Array of the decimal places of scaled columns: ``message``, ``field``, ``scale``."""

_ROWS_SUFFIX = ".rows"
_COPY_BYTES = 1 << 20


def npz_sink(target: Path, protocol: Protocol) -> FolderSink:
    """Return a sink that writes all types of messages to one file.

    An array's length stands before its rows, so the rows are gathered in a file each until the end.
    """

    def pack(folder: Path) -> None:
        rows = sorted(folder.iterdir())
        with zipfile.ZipFile(folder / target.name, "w") as archive:
            for path in rows:
                with archive.open(f"{path.stem}.npy", "w", force_zip64=True) as entry:
                    _copy_array(path, protocol.dtypes[path.stem], entry)
                path.unlink()
            with archive.open(f"{SCALES}.npy", "w") as entry:
                np.lib.format.write_array(entry, scales_of(protocol), allow_pickle=False)

    return FolderSink(target, protocol, _RowsFile, suffix=_ROWS_SUFFIX, finish=pack)


def scales_of(protocol: Protocol) -> npt.NDArray[np.void]:
    """Return the decimal places of every scaled column of a protocol."""
    scales = [
        (message.name, field.name, field.scale)
        for message in protocol.messages.values()
        for field in message.fields.values()
        if field.scale
    ]
    width = max((len(name) for message, field, _ in scales for name in (message, field)), default=1)
    return np.array(scales, [("message", f"U{width}"), ("field", f"U{width}"), ("scale", "u1")])


class _RowsFile:
    """Writes rows as they are; see `feedhandler.sink.folder.MakeTable`."""

    def __init__(self, path: Path, protocol: Protocol, message: Message, dtype: Dtype) -> None:  # noqa: ARG002 — as every table
        self._file = path.open("wb")

    def write(self, rows: Table) -> None:
        """Write rows."""
        self._file.write(rows.view(np.uint8).data)  # `tofile` would not notice a full disk

    def close(self) -> None:
        """End the file."""
        self._file.close()


def _copy_array(path: Path, dtype: Dtype, entry: IO[bytes]) -> None:
    rows = path.stat().st_size // dtype.itemsize
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_2_0(entry, header)
    with path.open("rb") as file:
        shutil.copyfileobj(file, entry, _COPY_BYTES)
