"""The oracle's half for msgpack: headers and messages as the `msgpack` package unpacks them."""

import ctypes
from collections.abc import Callable
from typing import Any

import msgpack
from oracle_outcomes import (
    BeyondOracle,
    Decoded,
    Header,
    Malformed,
    Outcome,
    Packet,
    Refused,
    Unknown,
    only_message,
    packet_kind,
    refuse,
    send_time,
)

from feedhandler.protocol import Field, Kind, Message, Protocol
from feedhandler.protocol.spec import (
    IntKeySpec,
    MatchPositionSpec,
    MsgpackArraySpec,
    MsgpackHeaderSpec,
    MsgpackMessagesSpec,
    StepSpec,
    WholeSpec,
)


class _Map(tuple[tuple[Any, Any], ...]):
    """A msgpack map as its pairs: its keys may be anything, and come twice."""

    __slots__ = ()


class _Extension(tuple[int, bytes]):
    """An extension that is no timestamp, of any type: the package's own refuses negative types."""

    __slots__ = ()


class Objects:
    """msgpack objects, one behind the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._unpacker = msgpack.Unpacker(
            raw=False,
            unicode_errors="surrogateescape",
            strict_map_key=False,
            object_pairs_hook=_Map,
            ext_hook=lambda code, data: _Extension((code, data)),
            max_buffer_size=max(len(data), 1),
        )
        self._unpacker.feed(data)

    def next(self) -> Any:
        """Unpack the next object."""
        return self._read(self._unpacker.unpack)

    def array_length(self) -> int:
        """Step into an array, and return how many objects it holds."""
        length: int = self._read(self._unpacker.read_array_header)
        return length

    def _read(self, read: Callable[[], Any]) -> Any:
        try:
            value = read()
        except msgpack.OutOfData:
            raise Malformed("incomplete") from None
        except msgpack.FormatError:
            raise Malformed("reserved_byte") from None
        except msgpack.StackError:
            raise BeyondOracle("incomplete") from None  # deeper than it can go
        except ValueError as error:
            if "exceeds" in str(error):
                raise Malformed("incomplete") from None
            raise BeyondOracle("wrong_kind") from None
        self.at = self._unpacker.tell()
        return value


def read_header(spec: MsgpackHeaderSpec, payload: bytes) -> tuple[Header, bytes]:
    """Decode a packet's header, and return the bytes behind it."""
    objects = Objects(payload)
    elements = objects.next() if payload else None
    if not isinstance(elements, list) or len(elements) < spec.length:
        raise Malformed("short_header")

    def number(position: int | None) -> int | None:
        return None if position is None else _unsigned(elements[position])

    def is_marked(mark: MatchPositionSpec | None) -> bool:
        return mark is not None and _unsigned(elements[mark.position]) in mark.values

    count = number(spec.count)
    header = Header(
        kind=packet_kind(is_marked(spec.end_of_session), is_marked(spec.heartbeat), count),
        session=None if spec.session is None else _session(elements[spec.session]),
        sequence=number(spec.sequence),
        count=count,
        send_time=send_time(number(spec.send_time_seconds), number(spec.send_time)),
    )
    return header, payload[objects.at :]


def _unsigned(value: object) -> int:
    if type(value) is not int:
        raise Malformed("wrong_kind")
    if value < 0:
        raise Malformed("out_of_range")
    return value


def _session(value: object) -> str | int | None:
    if value is None or type(value) is int:
        return value
    if not isinstance(value, str | bytes):
        raise Malformed("wrong_kind")
    raw = _utf8(value) if isinstance(value, str) else value
    if len(raw) > 16:
        raise Malformed("too_long")
    return raw.decode("utf-8", "replace").strip(" \0")


def read_packet(protocol: Protocol, header: Header, body: bytes) -> Packet:
    """Decode the messages behind a header."""
    objects = Objects(body)
    delimiter = protocol.spec.framing.delimiter
    outcomes: list[Outcome] = []
    count = header.count
    if isinstance(delimiter, MsgpackArraySpec):
        length = objects.array_length()
        if count is not None and count > length:
            raise Malformed("count_too_large")
        if count is not None and count < length:
            raise Malformed("count_too_small")
        count = length
    if isinstance(delimiter, WholeSpec) and count is not None and count > 1:
        raise Malformed("count_too_large")
    while objects.at < len(body) if count is None else len(outcomes) < count:
        if objects.at >= len(body):
            raise Malformed("count_too_large")
        outcomes.append(_outcome(protocol, objects.next()))
        if isinstance(delimiter, WholeSpec):
            break
    return Packet(header, tuple(outcomes), len(body) - objects.at)


def _outcome(protocol: Protocol, value: object) -> Outcome:
    try:
        return read_object(protocol, value)
    except Malformed as error:
        return Refused(error.reason)


def read_object(protocol: Protocol, value: object) -> Outcome:
    """Decode an unpacked message."""
    found = _find_object(protocol, value)
    if isinstance(found, Unknown):
        return found
    code, message = found
    return Decoded(
        code, message.name, {field.name: _column(field, value) for field in message.fields.values()}
    )


def _find_object(protocol: Protocol, value: object) -> tuple[str, Message] | Unknown:
    spec = protocol.spec.messages
    assert isinstance(spec, MsgpackMessagesSpec)
    if spec.code is None:
        return only_message(protocol)
    code = _at(value, spec.code, may_repeat=True)
    if type(code) is not int and not isinstance(code, str):
        raise Malformed("missing_field" if code is _MISSING else "wrong_kind")
    for message in spec.messages:
        for known in message.codes:
            if type(known.value) is type(code) and known.value == code:
                return known.text, protocol.messages[message.name]
    return Unknown(str(code))


_MISSING = object()


def _at(value: Any, path: tuple[StepSpec, ...], *, may_repeat: bool = False) -> Any:
    """Follow a path into a value. Of a key that may come twice, the first is meant."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list):
                raise Malformed("wrong_kind")
            value = value[step] if step < len(value) else _MISSING
        else:
            if not isinstance(value, _Map):
                raise Malformed("wrong_kind")
            value = _entry(value, step, may_repeat=may_repeat)
        if value is _MISSING:
            return _MISSING
    return value


def _entry(pairs: _Map, step: str | IntKeySpec, *, may_repeat: bool) -> Any:
    key = step.key if isinstance(step, IntKeySpec) else step
    found = [value for known, value in pairs if type(known) is type(key) and known == key]
    if len(found) > 1 and not may_repeat:
        raise Malformed("repeated_key")
    return found[0] if found else _MISSING


def _column(field: Field, value: object) -> Any:
    assert field.path is not None
    found = _at(value, field.path)
    if found is _MISSING:
        return _null(field) if field.optional else refuse("missing_field")
    if found is None:
        return _null(field) if field.nullable else refuse("wrong_kind")
    return _STORES[field.kind](field, found)


def _null(field: Field) -> Any:
    match field.kind:
        case Kind.FLOAT:
            return float("nan")
        case Kind.BOOL:
            return False
        case Kind.STR:
            return b""
        case Kind.BIN:
            return bytes(field.width)
        case _:
            return field.null


def _store_integer(field: Field, value: object) -> int:
    if type(value) is not int:
        raise Malformed("wrong_kind")
    bits = 8 * field.width
    least = 0 if field.kind is Kind.UINT else -(2 ** (bits - 1))
    if not least <= value < least + 2**bits:
        raise Malformed("out_of_range")
    return value


def _store_float(field: Field, value: object) -> float:
    if type(value) not in {int, float}:
        raise Malformed("wrong_kind")
    wide = float(value)  # type: ignore[arg-type]
    return ctypes.c_float(wide).value if field.width == 4 else wide


def _store_bool(_field: Field, value: object) -> bool:
    return value if isinstance(value, bool) else refuse("wrong_kind")


def _store_str(field: Field, value: object) -> bytes:
    return _fitting(field, _utf8(value)).rstrip(b"\0") if isinstance(value, str) else refuse("wrong_kind")


def _store_bin(field: Field, value: object) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("wrong_kind")
    return _fitting(field, value).ljust(field.width, b"\0")


def _store_timestamp(_field: Field, value: object) -> int:
    if not isinstance(value, msgpack.Timestamp):
        raise Malformed("wrong_kind")
    nanoseconds: int = value.to_unix_nano()
    return nanoseconds if -(2**63) <= nanoseconds < 2**63 else refuse("out_of_range")


def _fitting(field: Field, raw: bytes) -> bytes:
    return raw if len(raw) <= field.width else refuse("too_long")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


_STORES: dict[Kind, Callable[[Field, Any], Any]] = {
    Kind.UINT: _store_integer,
    Kind.INT: _store_integer,
    Kind.FLOAT: _store_float,
    Kind.BOOL: _store_bool,
    Kind.STR: _store_str,
    Kind.BIN: _store_bin,
    Kind.TIMESTAMP: _store_timestamp,
}
