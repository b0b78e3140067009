"""The framing of a declaration: packet header, delimiter and file form, checked and resolved.

The first thing that a datagram meets when it is decoded; `feedhandler.protocol.compile` hands the result to
Rust.
"""

from collections.abc import Mapping

from feedhandler.protocol.declaration import Declaration, FramingTable, HeaderFieldTable
from feedhandler.protocol.header import MARKERS, Header, HeaderField, Marker, Role, read_header
from feedhandler.protocol.kinds import Kind
from feedhandler.protocol.message import Message
from feedhandler.protocol.spec import (
    BinaryHeaderSpec,
    DelimiterSpec,
    ExpectSpec,
    FileSpec,
    FramingSpec,
    HeaderSpec,
    IntSpec,
    LengthSpec,
    MatchPositionSpec,
    MatchSpec,
    MsgpackArraySpec,
    MsgpackHeaderSpec,
    MsgpackSpec,
    NoHeaderSpec,
    PayloadLengthSpec,
    SbeMessagesDelimiterSpec,
    SessionSpec,
    WholeSpec,
)
from feedhandler.toml import Place, shown

SEQUENCE_LIMIT = (1 << 64) - 1

_UINT = frozenset({Kind.UINT})
_BINARY_ROLES: Mapping[Role, frozenset[Kind]] = {
    "session": frozenset({Kind.UINT, Kind.ASCII}),
    "unit": _UINT,
    "sequence": _UINT,
    "count": _UINT,
    "send_time": _UINT,
    "send_time_seconds": _UINT,
    "payload_length": _UINT,
}
_MSGPACK_ROLES: Mapping[Role, frozenset[Kind]] = {
    "session": frozenset({Kind.UINT, Kind.STR}),
    "sequence": _UINT,
    "count": _UINT,
    "send_time": _UINT,
    "send_time_seconds": _UINT,
}
_BLOCK_ROLES: Mapping[Role, frozenset[Kind]] = {"length": _UINT}


def read_framing(declaration: Declaration, place: Place) -> FramingSpec:
    """Return the framing of a declaration.

    Raises
    ------
    InvalidFileError
        What is declared cannot be meant.
    """
    framing = declaration.framing
    where = place.at("framing")
    header = _header(framing, declaration, where)
    _check_sequence(framing, header, where)
    _check_send_time(header)
    return FramingSpec(
        name=framing.name,
        header=_msgpack_header(header) if framing.header_encoding == "msgpack" else _binary_header(header),
        counts=framing.counts,
        first_sequence=framing.first_sequence,
        delimiter=_delimiter(framing, declaration, where),
    )


def read_file_form(
    declaration: Declaration, messages: Mapping[str, Message], place: Place
) -> FileSpec | None:
    """Return how messages stand in a file without packets, where a declaration says so.

    Raises
    ------
    InvalidFileError
        What is declared cannot be meant.
    """
    table = declaration.file
    if table is None:
        return None
    where = place.at("file")
    block = _block(table.block, declaration, where)
    by_type = table.zero_length == "by_type"
    varying = [message.name for message in messages.values() if message.length != message.min_length]
    if by_type and (varying or declaration.encoding == "msgpack"):
        found = f"optional fields in {varying[0]}" if varying else "msgpack messages"
        raise where.at("zero_length").error("messages whose type tells their length", found)
    return FileSpec(block.field, block.excludes, block.data_offset, by_type)


def _header(framing: FramingTable, declaration: Declaration, where: Place) -> Header:
    roles = _MSGPACK_ROLES if framing.header_encoding == "msgpack" else _BINARY_ROLES
    return read_header(framing.header, framing.header_encoding, roles, declaration, where.at("header"))


def _check_sequence(framing: FramingTable, header: Header, where: Place) -> None:
    sequence = header.playing("sequence")
    if framing.counts == "nothing" and sequence is not None:
        raise where.at("counts").error("messages or packets, as the header has a sequence", shown("nothing"))
    if framing.counts != "nothing" and sequence is None:
        raise where.at("header").error("a field with role sequence", "none", 'or counts = "nothing"')
    for field in header.fields if sequence is None else ():
        if field.table.role == "unit" or field.table.session_reset or field.table.unsequenced:
            raise field.place.error("a field with role sequence, which this field says more about", "none")
    if framing.counts == "messages" and header.playing("count") is None:
        raise where.at("header").error("a field with role count", "none", 'or counts = "packets"')
    if framing.first_sequence > SEQUENCE_LIMIT:
        raise where.at("first_sequence").error(f"0 to {SEQUENCE_LIMIT}", shown(framing.first_sequence))


def _check_send_time(header: Header) -> None:
    seconds = header.playing("send_time_seconds")
    if seconds is not None and header.playing("send_time") is None:
        raise seconds.place.at("role").error(
            "a field with role send_time as well: the nanoseconds of the second", "none"
        )


def _binary_header(header: Header) -> HeaderSpec:
    if not header.fields:
        return NoHeaderSpec()
    session, payload_length = header.playing("session"), header.playing("payload_length")
    return BinaryHeaderSpec(
        bytes=header.size,
        session=None if session is None else _session(session),
        sequence=_int(header.playing("sequence")),
        count=_int(header.playing("count")),
        send_time=_int(header.playing("send_time")),
        send_time_seconds=_int(header.playing("send_time_seconds")),
        payload_length=None if payload_length is None else _payload_length(payload_length),
        expect=tuple(
            ExpectSpec(field.table.name or "", field.int_spec, field.table.expect)
            for field in header.marked("expect")
        ),
        heartbeat=_match(header, "heartbeat"),
        end_of_session=_match(header, "end_of_session"),
        unit=_int(header.playing("unit")),
        session_reset=_match(header, "session_reset"),
        unsequenced=_match(header, "unsequenced"),
    )


def _session(field: HeaderField) -> SessionSpec:
    width = field.int_spec.width
    if field.base.kind is Kind.ASCII:
        return SessionSpec(field.offset, width, "ascii")
    return SessionSpec(field.offset, width, "uint_big" if field.order == "big" else "uint_little")


def _payload_length(field: HeaderField) -> PayloadLengthSpec:
    return PayloadLengthSpec(field.int_spec, field.table.excludes or 0)


def _int(field: HeaderField | None) -> IntSpec | None:
    return None if field is None else field.int_spec


def _match(header: Header, marker: Marker) -> MatchSpec | None:
    return next(
        (MatchSpec(field.int_spec, getattr(field.table, marker)) for field in header.marked(marker)), None
    )


def _msgpack_header(header: Header) -> HeaderSpec:
    if not header.fields:
        return NoHeaderSpec()
    return MsgpackHeaderSpec(
        length=header.size,
        session=_position(header.playing("session")),
        sequence=_position(header.playing("sequence")),
        count=_position(header.playing("count")),
        send_time=_position(header.playing("send_time")),
        send_time_seconds=_position(header.playing("send_time_seconds")),
        heartbeat=_match_position(header, "heartbeat"),
        end_of_session=_match_position(header, "end_of_session"),
    )


def _position(field: HeaderField | None) -> int | None:
    return None if field is None else field.offset


def _match_position(header: Header, marker: Marker) -> MatchPositionSpec | None:
    return next(
        (MatchPositionSpec(field.offset, getattr(field.table, marker)) for field in header.marked(marker)),
        None,
    )


def _delimiter(framing: FramingTable, declaration: Declaration, where: Place) -> DelimiterSpec:
    kind = framing.delimiter
    if kind == "length":
        return _block(framing.block, declaration, where)
    if framing.block:
        raise where.at("block").error('no block, which only delimiter = "length" has', "one")
    if kind == "whole":
        return WholeSpec()
    if kind == "sbe" or declaration.encoding != "msgpack":
        return _without_block(kind, declaration, where)
    return MsgpackSpec() if kind == "msgpack" else MsgpackArraySpec()


def _without_block(kind: str, declaration: Declaration, where: Place) -> DelimiterSpec:
    if kind == declaration.encoding == "sbe":
        return SbeMessagesDelimiterSpec()
    words = {
        "sbe": "'whole', 'length' or 'sbe' for SBE messages",
        "binary": "'whole' or 'length' for binary messages",
    }
    expected = words.get(declaration.encoding, "another for msgpack messages: sbe is for those of SBE")
    raise where.at("delimiter").error(expected, shown(kind))


def _block(tables: tuple[HeaderFieldTable, ...], declaration: Declaration, where: Place) -> LengthSpec:
    """Return the header of a message block: its length, behind which the message's data begins."""
    block = read_header(tables, "binary", _BLOCK_ROLES, declaration, where.at("block"))
    length = block.playing("length")
    if length is None:
        raise where.at("block").error("a field with role length", "none")
    for field in block.fields:
        for marker in MARKERS:
            if getattr(field.table, marker):
                raise field.place.at(marker).error("no such key in a message block", "one")
    return LengthSpec(length.int_spec, length.table.excludes or 0, block.size)
