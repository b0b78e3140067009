"""The oracle's half for fixed fields: headers, blocks and messages by their offsets."""

import struct

from oracle_outcomes import (
    Decoded,
    Header,
    Malformed,
    Outcome,
    Refused,
    Unknown,
    only_message,
    packet_kind,
    send_time,
)

from feedhandler.protocol import Field, Kind, Message, Protocol
from feedhandler.protocol.spec import (
    BinaryHeaderSpec,
    BinaryMessagesSpec,
    FileSpec,
    IntSpec,
    LengthSpec,
    MatchSpec,
)


def read_header(spec: BinaryHeaderSpec, payload: bytes) -> tuple[Header, bytes]:
    """Decode a packet's header, and return the bytes behind it."""
    if len(payload) < spec.bytes:
        raise Malformed("short_header")
    for expect in spec.expect:
        if _int(expect.field, payload) not in expect.values:
            raise Malformed("unexpected_value")
    end = len(payload)
    if spec.payload_length is not None:
        end = _int(spec.payload_length.field, payload) + spec.payload_length.excludes
        if not spec.bytes <= end <= len(payload):
            raise Malformed("payload_length")
    count = _maybe_int(spec.count, payload)
    header = Header(
        kind=packet_kind(
            _is_marked(spec.end_of_session, payload), _is_marked(spec.heartbeat, payload), count
        ),
        session=_session(spec, payload),
        sequence=_maybe_int(spec.sequence, payload),
        count=count,
        send_time=send_time(_maybe_int(spec.send_time_seconds, payload), _maybe_int(spec.send_time, payload)),
    )
    return header, payload[spec.bytes : end]


def _int(spec: IntSpec, data: bytes, start: int = 0) -> int:
    at = start + spec.offset
    return int.from_bytes(data[at : at + spec.width], spec.byte_order)


def _maybe_int(spec: IntSpec | None, data: bytes) -> int | None:
    return None if spec is None else _int(spec, data)


def _is_marked(spec: MatchSpec | None, payload: bytes) -> bool:
    return spec is not None and _int(spec.field, payload) in spec.values


def _session(spec: BinaryHeaderSpec, payload: bytes) -> str | int | None:
    if spec.session is None:
        return None
    raw = payload[spec.session.offset : spec.session.offset + spec.session.width]
    match spec.session.kind:
        case "ascii":
            return raw.decode("utf-8", "replace").strip(" \0")
        case "uint_big":
            return int.from_bytes(raw, "big")
        case "uint_little":
            return int.from_bytes(raw, "little")


def length_block(protocol: Protocol, spec: LengthSpec | FileSpec, data: bytes, at: int) -> tuple[int, int]:
    """Return where the message of a block begins and ends."""
    field_end = at + spec.field.offset + spec.field.width
    if field_end > len(data):
        raise Malformed("count_too_large" if at >= len(data) else "block_length")
    length = _int(spec.field, data, at)
    start, end = at + spec.data_offset, at + spec.excludes + length
    if length == 0 and isinstance(spec, FileSpec) and spec.zero_length_by_type:
        end = start + _length_by_type(protocol, data[start:])
    if not max(start, field_end) <= end <= len(data):
        raise Malformed("block_length")
    return start, end


def _length_by_type(protocol: Protocol, data: bytes) -> int:
    found = _find(protocol, data)
    if isinstance(found, Unknown):
        raise Malformed("block_length")
    assert found[1].length is not None
    return found[1].length


def _find(protocol: Protocol, data: bytes) -> tuple[str, Message] | Unknown:
    spec = protocol.spec.messages
    assert isinstance(spec, BinaryMessagesSpec)
    if spec.code is None:
        return only_message(protocol)
    if len(data) < spec.code.offset + spec.code.width:
        return Unknown("empty")
    value = _int(spec.code, data)
    for message in spec.messages:
        for code in message.codes:
            if code.value == value:
                return code.text, protocol.messages[message.name]
    return Unknown(chr(value) if 0x21 <= value <= 0x7E else str(value))


def read_message(protocol: Protocol, data: bytes) -> Outcome:
    """Decode the bytes of one message."""
    found = _find(protocol, data)
    if isinstance(found, Unknown):
        return found
    code, message = found
    assert message.length is not None
    assert message.min_length is not None
    if len(data) < message.min_length:
        return Refused("message_too_short")
    values = {field.name: _value(field, data) for field in message.fields.values()}
    return Decoded(code, message.name, values, len(data) > message.length)


def _value(field: Field, data: bytes) -> int | float | bytes:
    assert field.offset is not None
    assert field.byte_order is not None
    raw = data[field.offset : field.offset + field.width]
    if len(raw) < field.width:  # an optional field that is not there
        raw = bytes(field.width)
    match field.kind:
        case Kind.UINT:
            return int.from_bytes(raw, field.byte_order)
        case Kind.INT:
            return int.from_bytes(raw, field.byte_order, signed=True)
        case Kind.FLOAT:
            return _float(raw, field.byte_order)
        case Kind.CHAR:
            return raw.rstrip(b"\0")  # as numpy shows text
        case Kind.ASCII:
            return raw.rstrip(b" \0")
        case _:
            return raw


def _float(raw: bytes, byte_order: str) -> float:
    form = {4: "f", 8: "d"}[len(raw)]
    value: float = struct.unpack((">" if byte_order == "big" else "<") + form, raw)[0]
    return value
