"""Capture: what a capture file holds, whatever its protocol.

`feedhandler.reader` reads the messages in it.
"""

from collections.abc import Iterable
from os import PathLike, fspath

import msgspec

from feedhandler import _core
from feedhandler.address import Address
from feedhandler.protocol import Protocol


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


class Fit(msgspec.Struct, frozen=True):
    """How well a protocol explains a stream, by some of its datagrams.

    Parameters
    ----------
    protocol
        Name of the protocol.
    confidence
        From 0 to 1: how much of each datagram is explained, on average; half of that where no message was
        seen.
    packets, fitting, quiet
        Datagrams that were tried, whose framing could be followed to the end, and without a message.
    messages, known, longer
        Messages in them, those of a type that the declaration knows, and of these, those that are longer.
    trailing_bytes
        Bytes behind the last message.
    """

    protocol: str
    confidence: float
    packets: int
    fitting: int
    quiet: int
    messages: int
    known: int
    longer: int
    trailing_bytes: int


class Stream(msgspec.Struct, frozen=True):
    """Datagrams of a capture to one destination.

    `peak_per_ms` are those of the busiest millisecond, which began at `peak_ts_ns`; `fits` has the protocols
    that were tried, best first; `timeline` counts datagrams in the bins of `CaptureInfo`.
    """

    address: str
    port: int
    datagrams: int
    bytes: int
    first_ts_ns: int
    last_ts_ns: int
    peak_per_ms: int
    peak_ts_ns: int
    fits: tuple[Fit, ...]
    timeline: tuple[int, ...]

    @property
    def destination(self) -> str:
        """Address and port, as people write them."""
        return str(Address.of(self.address, self.port))

    @property
    def span_s(self) -> float:
        """Time from the first datagram to the last."""
        return max(self.last_ts_ns - self.first_ts_ns, 0) / 1e9

    def per_second(self, count: int) -> float | None:
        """Return the mean rate of what came `count` times; None where all came at once."""
        return count / self.span_s if self.span_s > 0 else None


class CaptureInfo(msgspec.Struct, frozen=True):
    """What a capture holds, whatever its protocol."""

    capture: Capture
    streams: tuple[Stream, ...]
    other_datagrams: int
    timeline_start_ns: int
    timeline_bin_ns: int


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


def info(
    path: str | PathLike[str],
    *,
    protocols: Iterable[Protocol] = (),
    most_datagrams: int | None = None,
    has_timelines: bool = False,
) -> CaptureInfo:
    """Read a capture, and return what it holds.

    Parameters
    ----------
    path
        pcap or pcapng, plain or compressed.
    protocols
        Protocols that are tried on each stream.
    most_datagrams
        Datagrams that are looked at; without it, all.
    has_timelines
        Whether datagrams are counted by time as well.

    Raises
    ------
    CaptureError
        The file cannot be read, or is no capture.
    """
    plans = [protocol.plan for protocol in protocols]
    found = _core.capture_info(
        fspath(path), plans=plans, most_datagrams=most_datagrams, has_timelines=has_timelines
    )
    return msgspec.json.decode(found, type=CaptureInfo)
