"""A slow, obvious decoder of whatever a declaration describes, to hold the fast one against.

It knows nothing of rings, sequences or tables: bytes in, Python values out, with `int.from_bytes`, `struct`
and the `msgpack` package. Values are as they stand in columns: integers, floats, text as bytes without its
padding.

A message with several faults may be refused here for another of them than the fast decoder names, since that
goes by the order of the bytes and this by the order of the fields. What is refused is the same, but for an
extension of type -1 that is no timestamp: the `msgpack` package gives up on the packet then (`BeyondOracle`).
"""

from collections.abc import Iterator

import oracle_binary
import oracle_msgpack
from oracle_outcomes import BeyondOracle, Decoded, Header, Malformed, Outcome, Packet, Refused, Unknown

from feedhandler.protocol import Protocol
from feedhandler.protocol.spec import (
    BinaryHeaderSpec,
    BinaryMessagesSpec,
    LengthSpec,
    MsgpackHeaderSpec,
    NoHeaderSpec,
)

__all__ = [
    "BeyondOracle",
    "Decoded",
    "Header",
    "Malformed",
    "Outcome",
    "Packet",
    "Refused",
    "Unknown",
    "read_file",
    "read_header",
    "read_message",
    "read_packet",
]


def read_packet(protocol: Protocol, payload: bytes) -> Packet:
    """Decode the payload of a datagram.

    Raises
    ------
    Malformed
        The packet is of no use at all: its header or the lengths in it lie.
    """
    header, body = read_header(protocol, payload)
    if header.kind != "data":
        return Packet(header)
    of_objects = not isinstance(protocol.spec.messages, BinaryMessagesSpec)
    if of_objects and not isinstance(protocol.spec.framing.delimiter, LengthSpec):
        return oracle_msgpack.read_packet(protocol, header, body)
    outcomes: list[Outcome] = []
    at = 0
    while at < len(body) if header.count is None else len(outcomes) < header.count:
        start, end = _block(protocol, body, at)
        outcomes.append(read_message(protocol, body[start:end]))
        at = end
    return Packet(header, tuple(outcomes), len(body) - at)


def read_file(protocol: Protocol, data: bytes) -> Iterator[Outcome]:
    """Decode a file of bare messages.

    Raises
    ------
    Malformed
        A length lies, or the last message is cut off; all before it have been yielded.
    """
    form = protocol.spec.file
    assert form is not None
    at = 0
    while at < len(data):
        start, end = oracle_binary.length_block(protocol, form, data, at)
        yield read_message(protocol, data[start:end])
        at = end


def read_message(protocol: Protocol, data: bytes) -> Outcome:
    """Decode the bytes of one message."""
    if isinstance(protocol.spec.messages, BinaryMessagesSpec):
        return oracle_binary.read_message(protocol, data)
    try:
        objects = oracle_msgpack.Objects(data)
        return oracle_msgpack.read_object(protocol, objects.next())
    except Malformed as error:
        return Refused(error.reason)


def read_header(protocol: Protocol, payload: bytes) -> tuple[Header, bytes]:
    """Decode a packet's header, and return the bytes behind it.

    Raises
    ------
    Malformed
        It is short, of another protocol, or lies about the payload's length.
    """
    match protocol.spec.framing.header:
        case NoHeaderSpec():
            return Header(), payload
        case BinaryHeaderSpec() as spec:
            return oracle_binary.read_header(spec, payload)
        case MsgpackHeaderSpec() as spec:
            return oracle_msgpack.read_header(spec, payload)


def _block(protocol: Protocol, body: bytes, at: int) -> tuple[int, int]:
    """Return where a message begins and ends."""
    delimiter = protocol.spec.framing.delimiter
    if isinstance(delimiter, LengthSpec):
        return oracle_binary.length_block(protocol, delimiter, body, at)
    if at >= len(body):
        raise Malformed("count_too_large")
    return at, len(body)
