"""Packets of the two protocols that the exchange speaks, read and written one at a time.

`exchange` makes heartbeats, ends of session and answers with it; packets of messages come from a generator or
a file as they are.
"""

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import msgpack

Kind = Literal["data", "heartbeat", "end_of_session"]


class Header(NamedTuple):
    """What the header of a packet says.

    Parameters
    ----------
    kind
        What the packet is for.
    session
        Name of the session.
    sequence
        Number of the first message, or of the next where there is none.
    messages
        How many messages it has.
    """

    kind: Kind
    session: str
    sequence: int
    messages: int


class Request(NamedTuple):
    """A request for messages to be sent again.

    Parameters
    ----------
    session
        Session that they are of.
    sequence
        Number of the first.
    messages
        How many are asked for.
    """

    session: str
    sequence: int
    messages: int


class Wire(Protocol):
    """How packets and requests of a protocol are laid out."""

    session_bytes: int
    """Longest name of a session."""

    def header(self, header: Header, send_time_ns: int) -> bytes:
        """Return the bytes of a header."""

    def read_header(self, packet: bytes) -> Header | None:
        """Return a packet's header, if it has one."""

    def messages(self, packet: bytes) -> Sequence[bytes]:
        """Return the messages of a packet as they stand in it, with what delimits them."""

    def read_request(self, datagram: bytes) -> Request | None:
        """Return the request that a datagram is, if it is one."""


class MoldUdp64:
    """MoldUDP64 1.00: "Downstream Packet" and "Request Packet"."""

    session_bytes = 10
    _HEADER = struct.Struct(">10sQH")
    _END_OF_SESSION = 0xFFFF

    def header(self, header: Header, send_time_ns: int) -> bytes:  # noqa: ARG002 — the header has no such field
        """Return the bytes of a header."""
        count = self._END_OF_SESSION if header.kind == "end_of_session" else header.messages
        return self._HEADER.pack(header.session.ljust(10).encode(), header.sequence, count)

    def read_header(self, packet: bytes) -> Header | None:
        """Return a packet's header, if it has one."""
        if len(packet) < self._HEADER.size:
            return None
        session, sequence, count = self._HEADER.unpack_from(packet)
        name = session.decode("latin-1").rstrip(" ")
        if count == self._END_OF_SESSION:
            return Header("end_of_session", name, sequence, 0)
        return Header("data" if count else "heartbeat", name, sequence, count)

    def messages(self, packet: bytes) -> Sequence[bytes]:
        """Return the message blocks of a packet, with their lengths; as many as are whole."""
        blocks: list[bytes] = []
        start = self._HEADER.size
        while start + 2 <= len(packet):
            end = start + 2 + int.from_bytes(packet[start : start + 2])
            if end > len(packet):
                break
            blocks.append(packet[start:end])
            start = end
        return blocks

    def read_request(self, datagram: bytes) -> Request | None:
        """Return the request that a datagram is, if it is one."""
        if len(datagram) != self._HEADER.size:
            return None
        session, sequence, count = self._HEADER.unpack(datagram)
        return Request(session.decode("latin-1").rstrip(" "), sequence, count)


class Msgpack:
    """Our own format, ``docs/wire_format.md``."""

    session_bytes = 16
    _KINDS: tuple[Kind, ...] = ("data", "heartbeat", "end_of_session")
    _REQUEST_FIELDS = 3
    _MOST_REQUEST_BYTES = 64

    def header(self, header: Header, send_time_ns: int) -> bytes:
        """Return the bytes of a header."""
        kind = self._KINDS.index(header.kind)
        packed: bytes = msgpack.packb((kind, header.session, header.sequence, header.messages, send_time_ns))
        return packed

    def read_header(self, packet: bytes) -> Header | None:
        """Return a packet's header, if it has one."""
        match _first(packet):
            case [int(kind), str(session), int(sequence), int(count), int(), *_] if (
                0 <= kind < len(self._KINDS)
            ):
                return Header(self._KINDS[kind] if kind or count else "heartbeat", session, sequence, count)
        return None

    def messages(self, packet: bytes) -> Sequence[bytes]:
        """Return the messages of a packet, as many as are whole."""
        unpacker = msgpack.Unpacker()
        unpacker.feed(packet)
        ends: list[int] = []
        try:
            while True:
                unpacker.skip()
                ends.append(unpacker.tell())
        except (msgpack.OutOfData, ValueError):
            pass
        return [packet[start:end] for start, end in pairwise(ends)]

    def read_request(self, datagram: bytes) -> Request | None:
        """Return the request that a datagram is, if it is one."""
        if len(datagram) > self._MOST_REQUEST_BYTES:
            return None
        match _first(datagram):
            case [str(session), int(sequence), int(count)] if sequence >= 0 and 0 <= count < 1 << 16:
                return Request(session, sequence, count)
        return None


WIRES: Mapping[str, Wire] = MappingProxyType({"itch50": MoldUdp64(), "msgpack": Msgpack()})
"""The protocols by name."""


def _first(packet: bytes) -> object:
    """Return the first msgpack value of a packet; none where there is none."""
    unpacker = msgpack.Unpacker(max_buffer_size=1 << 17)
    unpacker.feed(packet)
    try:
        value: object = unpacker.unpack()
    except (msgpack.OutOfData, msgpack.FormatError, msgpack.StackError, ValueError):
        return None
    return value
