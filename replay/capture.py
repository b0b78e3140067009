"""What is replayed: the datagrams of one or more files, in the order of their times, or a range of them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from os import PathLike, fspath
from types import MappingProxyType
from typing import Any, Self

import msgspec

from feedhandler import _core
from feedhandler.errors import SendError
from feedhandler.protocol import Protocol, load
from feedhandler.protocol.spec import ProtocolSpec
from replay.pcap import Datagram

Address = tuple[str, int]
"""An IP address and a port."""

Bound = int | datetime | timedelta | str
"""An end of a range: a sequence number, a time, a time after the first datagram, or text (see `bound`)."""

NOWHERE: Address = ("0.0.0.0", 0)  # noqa: S104 — an address that nothing is sent to
"""Where a datagram went that was made of a file of messages."""

_TIME_UNITS = frozenset({"ns_since_midnight", "ns_since_epoch"})
_NS = 1_000_000_000
_SCALES_NS: Mapping[str, int] = MappingProxyType({"ns": 1, "us": 1_000, "ms": 1_000_000, "s": _NS})


class Capture:
    """The datagrams of captures, or of files of messages packed into packets; iterate over it to see them.

    Parameters
    ----------
    paths
        pcap or pcapng captures, or files of messages; plain, gzip or zstd. Several are merged by time.
    protocol
        What files of messages are made of: a declaration with a file form, such as ``itch50``. For captures,
        by what a range of sequence numbers and faults tell packets; not needed otherwise.
    start, end
        The range. A time range holds its start and not its end, a range of sequence numbers both.
    loops
        Passes over the files; 0 for no end. The times of a pass go on behind those of the one before.
    loop_gap_ns
        Time between the last datagram of a pass and the first of the next.
    mapping
        From the address that datagrams went to, to the address they go to instead; others keep theirs.
    session, max_packet_bytes, window_ns
        For files of messages: the session that packets name, the largest packet, and how long messages wait
        for others to share it. If `window_ns` is left out: those of the same time share a packet where they
        are sent as recorded, else as many as fit.

    Examples
    --------
    >>> for datagram in Capture("a.pcap", "b.pcap", start="09:30:00", end="+1s"):  # doctest: +SKIP
    ...     print(datagram.ts_ns, datagram.destination, len(datagram.payload))
    """

    def __init__(
        self,
        *paths: str | PathLike[str],
        protocol: Protocol | str | None = None,
        start: Bound | None = None,
        end: Bound | None = None,
        loops: int = 1,
        loop_gap_ns: int = 0,
        mapping: Mapping[Address, Address] = MappingProxyType({}),
        session: str = "REPLAY",
        max_packet_bytes: int = 1_400,
        window_ns: int | None = None,
    ) -> None:
        if not paths:
            raise ValueError("expected a file, found none")
        if loops < 0 or loop_gap_ns < 0:
            raise ValueError(f"expected loops and a gap from 0 on, found {loops} and {loop_gap_ns}")
        self.protocol = load(protocol) if isinstance(protocol, str) else protocol
        """What the datagrams hold, where it was said."""
        self.mapping = MappingProxyType(dict(mapping))
        """Where datagrams go instead of where they went."""
        packing = None
        if self.protocol is not None:
            packing = _Packing.of(self.protocol, session, max_packet_bytes, window_ns)
        is_by_sequence = any(isinstance(each, int) or _is_number(each) for each in (start, end))
        bounds = [None if each is None else bound(each) for each in (start, end)]
        _check_range(*bounds)
        self._files = _Files(
            paths=tuple(fspath(path) for path in paths),
            messages=packing,
            protocol=self.protocol.spec if self.protocol is not None and is_by_sequence else None,
            start=bounds[0],
            end=bounds[1],
            loops=loops,
            loop_gap_ns=loop_gap_ns,
        )

    def __iter__(self) -> Iterator[Datagram]:
        """Read the datagrams once from beginning to end.

        Raises
        ------
        CaptureError
            A file cannot be read.
        SendError
            A file that cannot be replayed.
        """
        datagrams = _core.Datagrams(self.to_json())
        while chunk := datagrams.next_chunk():
            for ts_ns, recorded, payload in chunk:
                destination = NOWHERE if recorded is None else recorded
                yield Datagram(ts_ns, self.mapping.get(destination, destination), payload)

    def to_json(self) -> bytes:
        """Return it in the form that Rust reads."""
        return msgspec.json.encode(self._files)


class _Packing(msgspec.Struct, frozen=True):
    """How a file of messages is packed, as Rust is told."""

    protocol: ProtocolSpec
    time_field: str | None
    session: str
    limit_bytes: int
    window_ns: int | None

    @classmethod
    def of(cls, protocol: Protocol, session: str, limit_bytes: int, window_ns: int | None) -> Self:
        return cls(protocol.spec, time_field(protocol), session, limit_bytes, window_ns)


class _Files(msgspec.Struct, frozen=True, kw_only=True):
    """What is replayed, as Rust is told."""

    paths: tuple[str, ...]
    messages: _Packing | None
    protocol: ProtocolSpec | None
    start: dict[str, Any] | None
    end: dict[str, Any] | None
    loops: int
    loop_gap_ns: int


def time_field(protocol: Protocol) -> str | None:
    """Return the name of the field that stamps every message of a protocol, if there is one."""
    stamps = [
        {field.name for field in message.fields.values() if field.unit in _TIME_UNITS}
        for message in protocol.messages.values()
    ]
    common = set.intersection(*stamps) if stamps else set()
    return min(common, default=None)


def bound(value: Bound) -> dict[str, Any]:
    """Return an end of a range as Rust is told it.

    Parameters
    ----------
    value
        A number is a sequence number, a `datetime` a time (UTC, if it names no zone), a `timedelta` a time
        after the first datagram. Text is one of ``17347900`` (a sequence number), ``+1.5s`` (after the first
        datagram), ``09:30:00.5`` (UTC, on the day of the first datagram) and ``2024-06-14T09:30:00Z``; to the
        nanosecond.

    Raises
    ------
    SendError
        It is none of these.
    """
    if isinstance(value, timedelta):
        return {"after_ns": value // timedelta(microseconds=1) * 1_000}
    if isinstance(value, datetime):
        return {"unix_ns": _unix_ns(value)}
    if isinstance(value, int):
        return {"sequence": value}
    found = _of_text(value)
    if found is None:
        expected = "a sequence number, a time such as 09:30:00.5 or 2024-06-14T09:30:00Z, or +1.5s"
        raise SendError(f"range: expected {expected}, found {value!r}")
    return found


def _check_range(start: dict[str, Any] | None, end: dict[str, Any] | None) -> None:
    """Refuse a range that nothing can be in, as far as its ends can be compared."""
    if start is None or end is None or start.keys() != end.keys():
        return
    ((kind, first),) = start.items()
    last = end[kind]
    if first > last or (first == last and kind != "sequence"):
        raise SendError(f"range: expected an end behind the start, found {first} to {last} ({kind})")


def is_bound(text: str) -> bool:
    """Tell whether text says an end of a range."""
    return _of_text(text) is not None


def _of_text(text: str) -> dict[str, Any] | None:
    if _is_number(text):
        return {"sequence": int(text)}
    whole, dot, rest = text.partition(".")
    if text.startswith("+"):
        scale = next((unit for unit in ("ns", "us", "ms", "s") if text.endswith(unit)), None)
        number = text[1 : -len(scale)] if scale else ""
        is_number = number.replace(".", "", 1).isdecimal()
        return {"after_ns": round(float(number) * _SCALES_NS[scale])} if scale and is_number else None
    digits = rest.rstrip("Z") if dot else ""
    zone = "Z" if text.endswith("Z") else ""
    try:
        if "T" not in text and ":" in text:
            time = datetime.fromisoformat(f"1970-01-01T{whole.rstrip('Z')}+00:00")
            return {"time_of_day_ns": _unix_ns(time) + _fraction_ns(digits)}
        if "T" in text and "+" not in rest:
            time = datetime.fromisoformat(whole.rstrip("Z") + ("+00:00" if zone or "+" not in whole else ""))
            return {"unix_ns": _unix_ns(time) + _fraction_ns(digits)}
    except ValueError:
        return None
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, str) and value.isdecimal()


def _fraction_ns(digits: str) -> int:
    if digits and not (digits.isdecimal() and len(digits) <= 9):
        raise ValueError(digits)
    return int(digits.ljust(9, "0")) if digits else 0


def _unix_ns(time: datetime) -> int:
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = aware - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * _NS + since.microseconds * 1_000
