"""Random packets of any declared protocol: valid ones made of its declaration, and ways to spoil them."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from feedhandler.protocol import Field, Kind, Message, Protocol
from feedhandler.protocol.spec import (
    BinaryHeaderSpec,
    BinaryMessagesSpec,
    IntKeySpec,
    IntSpec,
    LengthSpec,
    MsgpackHeaderSpec,
    MsgpackMessagesSpec,
    SbeMessagesSpec,
    StepSpec,
    WholeSpec,
)

_MOST_MESSAGES = 5
_NANOSECONDS = 10**9


def packets(protocol: Protocol) -> SearchStrategy[bytes]:
    """Packets of a protocol, about half of them spoilt in one way or several."""
    whole = _packets(protocol)
    return st.one_of(whole, st.builds(_spoil, whole, st.lists(_faults(), min_size=1, max_size=3)))


def packet_of_all(protocol: Protocol) -> bytes:
    """Return a good packet with one of each message, or with the first if one is all there is room for."""
    several = list(protocol.messages.values())[: 1 if _is_whole(protocol) else None]
    messages = [_block(protocol, _plain_message(protocol, message)) for message in several]
    body = b"".join(messages)
    return _header(protocol, len(messages), len(body), sequence=42, session="20260102", filler=1) + body


def _plain_message(protocol: Protocol, message: Message) -> bytes:
    assert not isinstance(protocol.spec.messages, SbeMessagesSpec)
    code = _codes(protocol, message)[0] if protocol.spec.messages.code is not None else None
    if isinstance(protocol.spec.messages, BinaryMessagesSpec):
        assert message.length is not None
        return _with_code(protocol, bytes(n % 251 + 1 for n in range(message.length)), code)
    tree: dict[StepSpec, Any] = {}
    for field in message.fields.values():
        assert field.path is not None
        _insert(tree, field.path, _PLAIN[field.kind])
    return _pack(_container(_with_code_at(protocol, tree, code), []))


_PLAIN = {
    Kind.UINT: 200,
    Kind.INT: -100,
    Kind.FLOAT: 0.5,
    Kind.BOOL: True,
    Kind.STR: "text",
    Kind.BIN: b"bytes",
    Kind.TIMESTAMP: msgpack.Timestamp(1_767_366_000, 123_456_789),
}


@st.composite
def _packets(draw: DrawFn, protocol: Protocol) -> bytes:
    messages = draw(st.lists(_messages(protocol), max_size=1 if _is_whole(protocol) else _MOST_MESSAGES))
    body = b"".join(messages)
    return (
        _header(
            protocol,
            len(messages),
            len(body),
            sequence=draw(st.integers(1, 2**40)),
            session=draw(st.text(max_size=4) | st.integers(0, 2**64 - 1) | st.none()),
            filler=draw(st.integers(0, 255)),
            more=draw(st.lists(_values(), max_size=1)),
        )
        + body
    )


def _is_whole(protocol: Protocol) -> bool:
    return isinstance(protocol.spec.framing.delimiter, WholeSpec)


def _header(
    protocol: Protocol,
    count: int,
    body_bytes: int,
    *,
    sequence: int,
    session: str | int | None,
    filler: int,
    more: Sequence[Any] = (),
) -> bytes:
    match protocol.spec.framing.header:
        case BinaryHeaderSpec() as spec:
            header = bytearray([filler]) * spec.bytes
            for expect in spec.expect:
                _put(header, expect.field, expect.values[filler % len(expect.values)])
            for field, value in ((spec.sequence, sequence), (spec.count, count)):
                if field is not None:
                    _put(header, field, value % (1 << 8 * field.width))
            if spec.payload_length is not None:
                length = spec.bytes + body_bytes - spec.payload_length.excludes
                _put(header, spec.payload_length.field, length)
            return bytes(header)
        case MsgpackHeaderSpec() as spec:
            elements: list[Any] = [0] * spec.length
            known = {
                spec.session: session,
                spec.sequence: sequence,
                spec.count: count,
                spec.send_time: 2**60 + filler,
            }
            for position, element in known.items():
                if position is not None:
                    elements[position] = element
            return _pack([*elements, *more])
        case _:
            return b""


def _put(into: bytearray, field: IntSpec, value: int) -> None:
    into[field.offset : field.offset + field.width] = value.to_bytes(field.width, field.byte_order)


def _messages(protocol: Protocol) -> SearchStrategy[bytes]:
    known = st.sampled_from(list(protocol.messages.values()))
    if isinstance(protocol.spec.messages, BinaryMessagesSpec):
        data = known.flatmap(lambda message: _binary_message(protocol, message)) | st.binary(max_size=4)
    else:
        data = known.flatmap(lambda message: _msgpack_message(protocol, message)) | _values().map(_pack)
    return data.map(lambda each: _block(protocol, each))


def _block(protocol: Protocol, data: bytes) -> bytes:
    delimiter = protocol.spec.framing.delimiter
    if not isinstance(delimiter, LengthSpec):
        return data
    block = bytearray(delimiter.data_offset)
    _put(block, delimiter.field, delimiter.data_offset + len(data) - delimiter.excludes)
    return bytes(block) + data


@st.composite
def _binary_message(draw: DrawFn, protocol: Protocol, message: Message) -> bytes:
    assert message.length is not None
    data = draw(st.binary(min_size=message.length, max_size=message.length))
    code = draw(st.sampled_from(_codes(protocol, message)))
    return _with_code(protocol, data, code) + draw(st.sampled_from([b"", b"", b"newer"]))


def _codes(protocol: Protocol, message: Message) -> Sequence[int | str]:
    assert not isinstance(protocol.spec.messages, SbeMessagesSpec)
    (codes,) = (each.codes for each in protocol.spec.messages.messages if each.name == message.name)
    return [code.value for code in codes]


def _with_code(protocol: Protocol, data: bytes, code: int | str | None) -> bytes:
    spec = protocol.spec.messages
    assert isinstance(spec, BinaryMessagesSpec)
    changed = bytearray(data)
    if spec.code is not None:
        assert isinstance(code, int)
        _put(changed, spec.code, code)
    return bytes(changed)


@st.composite
def _msgpack_message(draw: DrawFn, protocol: Protocol, message: Message) -> bytes:
    tree: dict[StepSpec, Any] = {}
    for field in message.fields.values():
        if not field.optional or draw(st.booleans()):
            assert field.path is not None
            is_odd = draw(st.integers(0, 30)) == 0
            _insert(tree, field.path, draw(_values() if is_odd else _fitting(field)))
    tree = _with_code_at(protocol, tree, draw(st.sampled_from(_codes(protocol, message))))
    return _pack(_container(tree, draw(st.lists(st.tuples(_keys(), _values()), max_size=2))))


def _with_code_at(
    protocol: Protocol, tree: dict[StepSpec, Any], code: int | str | None
) -> dict[StepSpec, Any]:
    spec = protocol.spec.messages
    assert isinstance(spec, MsgpackMessagesSpec)
    if spec.code is not None:
        _insert(tree, spec.code, code)
    return tree


def _insert(tree: dict[StepSpec, Any], path: tuple[StepSpec, ...], value: Any) -> None:
    step, *rest = path
    if rest:
        _insert(tree.setdefault(step, {}), tuple(rest), value)
    else:
        tree[step] = value


class _Pairs(list[tuple[Any, Any]]):
    """A map as its pairs, whose keys may come twice."""


def _container(tree: dict[StepSpec, Any], more: Sequence[tuple[Any, Any]]) -> Any:
    """Return the containers that paths lead into, with more in the outer one than is declared."""
    values = {
        step: _container(value, []) if isinstance(value, dict) else value for step, value in tree.items()
    }
    positions = [step for step in values if isinstance(step, int)]
    if positions:
        return [values.get(position) for position in range(max(positions) + 1)] + [value for _, value in more]
    pairs = [(step.key if isinstance(step, IntKeySpec) else step, value) for step, value in values.items()]
    return _Pairs([*more[:1], *pairs, *more[1:]])


def _pack(value: Any) -> bytes:
    if isinstance(value, _Pairs):
        return struct.pack(">BH", 0xDE, len(value)) + b"".join(_pack(each) for pair in value for each in pair)
    if isinstance(value, list):
        return struct.pack(">BH", 0xDC, len(value)) + b"".join(map(_pack, value))
    packed: bytes = msgpack.packb(value, unicode_errors="surrogateescape")
    return packed


def _fitting(field: Field) -> SearchStrategy[Any]:
    bits = 8 * field.width
    fitting: dict[Kind, Callable[[], SearchStrategy[Any]]] = {
        Kind.UINT: lambda: st.integers(0, 2**bits - 1),
        Kind.INT: lambda: st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
        Kind.FLOAT: lambda: st.floats() | st.integers(-(2**63), 2**64 - 1),
        Kind.BOOL: st.booleans,
        Kind.STR: lambda: st.text(max_size=field.width),
        Kind.BIN: lambda: st.binary(max_size=field.width),
        Kind.TIMESTAMP: _timestamps,
    }
    return fitting[field.kind]() | st.none() if field.nullable else fitting[field.kind]()


def _timestamps() -> SearchStrategy[msgpack.Timestamp]:
    nanoseconds = st.integers(0, _NANOSECONDS - 1)
    return st.builds(msgpack.Timestamp, st.integers(-(2**40), 2**40), nanoseconds)


def _keys() -> SearchStrategy[Any]:
    return (
        st.text(max_size=3)
        | st.sampled_from(["data", "type", "last", 7])
        | st.integers(-3, 9)
        | st.booleans()
    )


def _values() -> SearchStrategy[Any]:
    """Any msgpack value, small."""
    single = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.integers(0, 9),
        st.floats(),
        st.text(max_size=40),
        st.binary(max_size=3),
        _timestamps(),
        st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=5)),
    )
    return st.recursive(
        single,
        lambda inner: (
            st.lists(inner, max_size=3) | st.lists(st.tuples(_keys(), inner), max_size=2).map(_Pairs)
        ),
        max_leaves=4,
    )


Fault = tuple[str, int, int]
"""What kind of fault, a position in 65,536ths of the packet, and a byte."""


def _faults() -> SearchStrategy[Fault]:
    kinds = st.sampled_from(["flip", "set", "cut", "append", "insert"])
    return st.tuples(kinds, st.integers(0, 65_535), st.integers(0, 255))


def _spoil(packet: bytes, faults: list[Fault]) -> bytes:
    data = bytearray(packet)
    for kind, position, byte in faults:
        at = position * len(data) >> 16
        if kind == "append":
            data += bytes([byte]) * (1 + position % 3)
        elif kind == "insert":
            data[at:at] = bytes([byte])
        elif kind == "cut":
            del data[at:]
        elif data:
            data[at] = byte if kind == "set" else data[at] ^ (byte or 1)
    return bytes(data)
