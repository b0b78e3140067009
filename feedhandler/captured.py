"""Captured: live lines kept in capture files, how that is asked for and what became of it.

`feedhandler.feed` captures while it delivers; `feedhandler.report` holds the result. What the files look like
is in docs/captures.md.
"""

from os import PathLike, fspath
from typing import Annotated

import msgspec
from msgspec import Meta

_NS_PER_S = 1_000_000_000


class CaptureTo(msgspec.Struct, frozen=True):
    """Where live lines are captured to, and how.

    Parameters
    ----------
    path
        The first file; its name ends in ``.pcapng``, or in ``.pcapng.zst`` for zstd frames. Files that are
        there already are left as they are: numbers go on behind them.
    rotate_bytes
        Length at which the next file begins; it may be passed by a few hundred KiB.
    rotate_s
        Age at which the next file begins, with the next packet.
    buffer_bytes
        What may wait for the disk; what comes while as much waits is counted, and not captured.
    flush_s
        Age at which packets are handed to the disk, however few they are.
    max_packets
        Packets after which reception is stopped.
    index
        Whether an index is written beside each file.
    """

    path: str
    rotate_bytes: Annotated[int, Meta(ge=1)] | None = None
    rotate_s: Annotated[float, Meta(gt=0)] | None = None
    buffer_bytes: Annotated[int, Meta(ge=1)] = 64 << 20
    flush_s: Annotated[float, Meta(gt=0)] = 0.25
    max_packets: Annotated[int, Meta(ge=1)] | None = None
    index: bool = True

    @classmethod
    def of(cls, target: "str | PathLike[str] | CaptureTo") -> "CaptureTo":
        """Return `target`, or how to capture to the file of that name."""
        return target if isinstance(target, CaptureTo) else cls(fspath(target))

    def to_json(self) -> bytes:
        """Return it as Rust is given it: the Python side of ``CaptureOptions`` in the core crate."""
        options = {
            "path": self.path,
            "rotate_bytes": self.rotate_bytes,
            "rotate_ns": None if self.rotate_s is None else int(self.rotate_s * _NS_PER_S),
            "buffer_bytes": self.buffer_bytes,
            "flush_ns": int(self.flush_s * _NS_PER_S),
            "max_packets": self.max_packets,
            "index": self.index,
        }
        return msgspec.json.encode(options)


class Content(msgspec.Struct, frozen=True):
    """What is in a capture, once arbitrated: messages and their digest, gaps and the units in them."""

    messages: int
    gaps: int
    lost: int
    digest: str


class CapturedFile(msgspec.Struct, frozen=True):
    """A file of a capture; `content` is known once it is closed, which is when it has its trailer."""

    path: str
    packets: int
    bytes: int
    is_closed: bool
    content: Content | None


class PreviousFile(msgspec.Struct, frozen=True):
    """A file of the same name that was there before, and whether it ends with its trailer."""

    path: str
    is_closed: bool


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the datagrams that were to be captured.

    ``datagrams = captured + other_source + after_limit + queue_full + disk + pending``.

    Parameters
    ----------
    datagrams
        Datagrams that the feed has taken in.
    captured
        Those in the files.
    other_source
        Those from none of their line's sources, which are left out.
    after_limit
        Those that came after as many as were asked for.
    queue_full
        Those that came while too much waited for the disk.
    disk
        Those that the disk refused; `disk_error` says why.
    pending
        Those that are on their way to the disk.
    buffer_bytes, buffer_high_water_bytes
        What may wait for the disk, and what did at most.
    disk_error, index_error
        Why the disk refused, the last time; why an index was given up.
    previous
        The file that was there before, where there was one.
    files, files_omitted
        The files, as far as they are listed: the last ones.
    """

    datagrams: int
    captured: int
    other_source: int
    after_limit: int
    queue_full: int
    disk: int
    pending: int
    buffer_bytes: int
    buffer_high_water_bytes: int
    disk_error: str | None
    index_error: str | None
    previous: PreviousFile | None
    files: tuple[CapturedFile, ...]
    files_omitted: int

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for is in the files, and each of them is closed."""
        return (
            self.queue_full == self.disk == self.pending == 0
            and self.disk_error is None
            and all(file.is_closed for file in self.files)
        )
