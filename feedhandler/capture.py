"""Capture: what a capture file holds, whatever its protocol.

`feedhandler.reader` reads the messages in it.
"""

from os import PathLike, fspath

import msgspec

from feedhandler import _core


class Interface(msgspec.Struct, frozen=True):
    """An interface that a capture was made on."""

    name: str | None
    description: str | None
    comment: str | None
    link_type: int
    resolution: str
    offset_s: int
    snap_len: int
    received: int | None
    dropped: int | None


class Capture(msgspec.Struct, frozen=True):
    """Facts of a capture file, and the fate of each of its packet records."""

    format: str
    records: int
    datagrams: int
    bytes: int
    fragments: int
    not_udp: int
    snapped: int
    unsupported_link: int
    malformed_record: int
    malformed_link: int
    malformed_ip: int
    malformed_udp: int
    blocks: dict[str, int]
    interfaces: tuple[Interface, ...]
    comment: str | None
    trailer: str | None
    truncated: str | None
    first_ts_ns: int | None
    last_ts_ns: int | None


class Stream(msgspec.Struct, frozen=True):
    """Datagrams of a capture to one destination."""

    address: str
    port: int
    datagrams: int
    bytes: int
    first_ts_ns: int
    last_ts_ns: int


class CaptureInfo(msgspec.Struct, frozen=True):
    """What a capture holds, whatever its protocol."""

    capture: Capture
    streams: tuple[Stream, ...]
    other_datagrams: int


def head(path: str | PathLike[str]) -> Capture:
    """Return what a capture says of itself up to its first datagram.

    Raises
    ------
    CaptureError
        The file cannot be read, or is no capture.
    """
    return msgspec.json.decode(_core.capture_head(fspath(path)), type=Capture)


def is_closed(path: str | PathLike[str]) -> bool:
    """Tell whether a capture that `feedhandler capture` wrote ends with its trailer, by its last bytes.

    Raises
    ------
    CaptureError
        The file cannot be read.
    """
    return _core.capture_is_closed(fspath(path))


def info(path: str | PathLike[str]) -> CaptureInfo:
    """Read a capture to its end, and return what it holds.

    Raises
    ------
    CaptureError
        The file cannot be read, or is no capture.
    """
    return msgspec.json.decode(_core.capture_info(fspath(path)), type=CaptureInfo)
