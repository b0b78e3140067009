"""Report: what a run tells at its end, typed. One form for files and live lines.

Rust makes it; `feedhandler.reader` and `feedhandler.feed` hand it out, and ``--json`` prints it.
"""

import msgspec
from msgspec import UNSET
from msgspec import UnsetType as Unset

from feedhandler.capture import Capture
from feedhandler.captured import Captured
from feedhandler.ledger import Ledger
from feedhandler.percentiles import Percentiles
from feedhandler.wire import RingUse, WireLine
from feedhandler.wire import Warning as WireWarning


class TypeCount(msgspec.Struct, frozen=True):
    """How many messages of one type were delivered."""

    name: str
    count: int


class UnknownCode(msgspec.Struct, frozen=True):
    """A type that the declaration does not know, and how often it came."""

    code: str
    count: int


class Gap(msgspec.Struct, frozen=True):
    """A range of sequence numbers that was lost, both ends included, and why.

    `session` is the number of the session among those of the channel, from 0 on.
    """

    channel: str
    session: int
    first: int
    last: int
    cause: str
    ts_ns: int


class Session(msgspec.Struct, frozen=True):
    """A session in order of appearance; one that starts again is another."""

    channel: str
    id: str | int | None
    first: int
    last: int


class Sample(msgspec.Struct, frozen=True):
    """The beginning of something that could not be used, as hexadecimal digits."""

    channel: str
    line: str
    ts_ns: int
    reason: str
    message: int | None
    length: int
    bytes: str


class Paired(msgspec.Struct, frozen=True):
    """Streams of a capture that were found to be lines of one channel, which is named by the first of them.

    `equal_payloads` counts copies that were compared and equal; `different_payloads` those that were not.
    """

    channel: str
    lines: tuple[str, ...]
    equal_payloads: int
    different_payloads: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run tells.

    Parameters
    ----------
    protocol
        Name of the protocol.
    packets
        Packet records in the file, or datagrams received.
    datagrams, bytes
        UDP payloads taken in.
    messages
        Messages delivered, after arbitration.
    by_type
        The same by code, as in the specification.
    unknown_types
        Types that the declaration does not know.
    heartbeats, duplicates
        Datagrams that brought nothing new.
    gaps, gaps_omitted
        What was lost, as far as it is listed.
    malformed, malformed_by_reason, malformed_samples
        Datagrams and messages that could not be used.
    sessions
        Sessions in order of appearance.
    truncated, truncated_detail
        Whether a file ends before it should, and where.
    elapsed_s
        Time spent reading, or since the lines were opened.
    digest
        Digest of all that was delivered, the same however it came.
    ledger
        Where everything went.
    other_datagrams
        In a file: datagrams that are no channel's.
    paired, not_paired
        In a file: streams that were found to be lines of one channel, and why none were looked for.
    capture
        In a capture: facts of the file.
    wire, warnings, ring, latency_ns, hlog_error
        Of live lines: their sockets, what was not granted, how full the ring was, percentiles by stage, and
        why the interval log was given up.
    captured
        Of live lines that are captured: what became of that.
    """

    protocol: str
    packets: int
    datagrams: int
    bytes: int
    messages: int
    by_type: dict[str, TypeCount]
    unknown_types: tuple[UnknownCode, ...]
    heartbeats: int
    gaps: tuple[Gap, ...]
    gaps_omitted: int
    duplicates: int
    malformed: int
    malformed_by_reason: dict[str, int]
    malformed_samples: tuple[Sample, ...]
    sessions: tuple[Session, ...]
    truncated: bool
    truncated_detail: str | None
    elapsed_s: float
    digest: str
    ledger: Ledger
    other_datagrams: int | Unset = UNSET
    paired: tuple[Paired, ...] | Unset = UNSET
    not_paired: str | Unset | None = UNSET
    capture: Capture | Unset | None = UNSET
    wire: tuple[WireLine, ...] | Unset = UNSET
    warnings: tuple[WireWarning, ...] | Unset = UNSET
    ring: RingUse | Unset = UNSET
    latency_ns: dict[str, Percentiles] | Unset = UNSET
    hlog_error: str | Unset | None = UNSET
    captured: Captured | Unset | None = UNSET


def parse(json: bytes) -> Report:
    """Return the report that Rust made."""
    return msgspec.json.decode(json, type=Report)


def to_json(report: Report) -> bytes:
    """Return a report as one JSON object."""
    return msgspec.json.encode(report)
