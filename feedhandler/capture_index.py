"""Capture index: by time and by sequence number, where in a capture to begin to read.

`feedhandler.captured` has it written beside each file, as ``FILE.idx``; docs/captures.md has its form.
"""

from bisect import bisect_right
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path

import msgspec

from feedhandler.errors import CaptureError

_FORMAT = "feedhandler-index"
_VERSION = 1


class _Head(msgspec.Struct, frozen=True):
    format: str
    version: int
    capture: str


class Entry(msgspec.Struct, frozen=True):
    """A run of packets; of a compressed file, a frame.

    Parameters
    ----------
    offset
        Where its first block begins, in bytes of the capture as they are before compression.
    file_offset
        Where it begins in the file; the same where nothing is compressed.
    packet, packets
        Packets in front of it, and in it.
    first_ts_ns, last_ts_ns
        Earliest and latest receive time, in Unix nanoseconds.
    expected
        The sequence number that was expected next in front of it, of each channel where that differs from the
        entry before.
    """

    offset: int
    file_offset: int
    packet: int
    packets: int
    first_ts_ns: int
    last_ts_ns: int
    expected: dict[str, int]


class Index(msgspec.Struct, frozen=True):
    """The entries of a capture's index, in the order of the file."""

    entries: tuple[Entry, ...]

    def at_time(self, ts_ns: int) -> Entry | None:
        """Return the first entry with a packet from `ts_ns` on; None where the capture ends before."""
        return next((entry for entry in self.entries if entry.last_ts_ns >= ts_ns), None)

    def at_sequence(self, channel: str, sequence: int) -> Entry | None:
        """Return the entry in which `sequence` of `channel` comes first; None where the capture ends before.

        Of a channel that starts its sequence again, it is the first session that counts.
        """
        entries: list[Entry] = []
        expected: list[int] = []
        for entry, number in self._expected(channel):
            if expected and number < expected[-1]:
                break
            entries.append(entry)
            expected.append(number)
        place = bisect_right(expected, sequence) - 1
        return entries[place] if place >= 0 else None

    def _expected(self, channel: str) -> Iterator[tuple[Entry, int]]:
        number = 0
        for entry in self.entries:
            number = entry.expected.get(channel, number)
            yield entry, number


def read_index(path: str | PathLike[str]) -> Index:
    """Read the index of a capture. A last line that was cut off is left out.

    Parameters
    ----------
    path
        The index, or the capture that it stands beside.

    Raises
    ------
    CaptureError
        There is no index, or it is something else.
    """
    name = fspath(path)
    file = Path(name if name.endswith(".idx") else f"{name}.idx")
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise CaptureError(str(file), f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    whole = [line for line in lines if line.endswith(b"\n")]
    try:
        head = msgspec.json.decode(whole[0] if whole else b"", type=_Head)
        entries = tuple(msgspec.json.decode(line, type=Entry) for line in whole[1:])
    except msgspec.DecodeError as error:
        raise CaptureError(
            str(file), f"expected the index of a capture, found what is none: {error}"
        ) from error
    if (head.format, head.version) != (_FORMAT, _VERSION):
        expected = f"{_FORMAT} {_VERSION}"
        raise CaptureError(str(file), f"expected {expected}, found {head.format} {head.version}")
    return Index(entries)
