"""Where each field of each message stands, checked: offsets in binary messages, paths in msgpack messages.

Between `feedhandler.protocol.declaration` (what the author wrote) and `feedhandler.protocol.compile` (what
Rust is given).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec

from feedhandler.protocol.declaration import Declaration, FieldTable, MessageTable, Order
from feedhandler.protocol.kinds import BUILT_IN, NUMBERS, BuiltIn, Kind, built_in, with_type
from feedhandler.protocol.meaning import check_name, enum_of, flags_of, null_of, scale_of, unit_of
from feedhandler.protocol.message import LEADING_COLUMNS, Field, Message
from feedhandler.protocol.paths import check_null, check_paths, path_of
from feedhandler.toml import Place, shown

MESSAGE_LIMIT_BYTES = 65_507
"""The most that one UDP datagram carries."""

_ONLY_MSGPACK = ("path", "nullable")
_ONLY_BINARY = ("offset", "byte_order")


@dataclass(frozen=True, slots=True)
class _Declared:
    """A field as declared, its named type resolved."""

    table: FieldTable
    base: BuiltIn
    place: Place


def lay_out(declaration: Declaration, place: Place) -> Mapping[str, Message]:
    """Return the messages of a declaration by name, every field in its place.

    Raises
    ------
    InvalidFileError
        What is declared cannot be meant.
    """
    _check_types(declaration, place.at("types"))
    if not declaration.messages:
        raise place.at("messages").error("at least one message", "none")
    return MappingProxyType(
        {name: _message(name, table, declaration, place) for name, table in declaration.messages.items()}
    )


def next_offset(declared: int | None, end: int, place: Place) -> int:
    """Return where a field begins: behind the one before it, whether its author says so or not.

    Parameters
    ----------
    declared
        The offset its author gives, if any.
    end
        Where the field before it ends.
    place
        The field, for errors.
    """
    if declared is None or declared == end:
        return end
    hint = f"declare {declared - end} bytes of type reserved before it" if declared > end else "they overlap"
    raise place.at("offset").error(f"{end}, where the field before it ends", shown(declared), hint)


def _check_types(declaration: Declaration, place: Place) -> None:
    """Check the author's types whether they are used or not."""
    for name, table in declaration.types.items():
        where = place.at(name)
        check_name(name, where)
        if name in BUILT_IN[declaration.encoding]:
            raise where.error("another name than a built-in type's", shown(name))
        base = built_in(table.type, table.length, declaration.encoding, where)
        plain = FieldTable(**msgspec.structs.asdict(table))
        _field(_Declared(plain, base, where), declaration)


def _message(name: str, table: MessageTable, declaration: Declaration, place: Place) -> Message:
    where = place.at("messages", name)
    check_name(name, where)
    declared = list(_declared(table, declaration, place, where))
    _check_field_names(declared, where)
    binary = declaration.encoding == "binary"
    _refuse(table, ("layout",) if binary else ("length",), where)
    fields = _with_offsets(declared, declaration) if binary else _with_paths(declared, table, declaration)
    return Message(
        name=name,
        fields=MappingProxyType({field.name: field for field in fields if field.kind is not Kind.RESERVED}),
        title=table.title,
        section=table.section,
        length=_length(fields, table, where) if binary else None,
        min_length=_min_length(fields) if binary else None,
        doc=table.doc,
    )


def _declared(
    table: MessageTable, declaration: Declaration, place: Place, where: Place
) -> Iterator[_Declared]:
    for origin, fields in ((place.at("common"), declaration.common.fields), (where, table.fields)):
        for n, field in enumerate(fields):
            at = origin.at("fields", n).about(field.name or "")
            plain = with_type(field, declaration.types)
            base = built_in(plain.type, plain.length, declaration.encoding, at, declaration.types)
            yield _Declared(plain, base, at)


def _check_field_names(declared: Iterable[_Declared], where: Place) -> None:
    seen: set[str] = set()
    for field in declared:
        if field.base.kind is Kind.RESERVED:
            continue
        name, at = field.table.name, field.place.at("name")
        if name is None:
            raise field.place.error("the key name", "none")
        check_name(name, at)
        if name in LEADING_COLUMNS:
            raise at.error(f"another name than the leading columns {', '.join(LEADING_COLUMNS)}", shown(name))
        if name in seen:
            raise at.error("each name once in a message", f"{shown(name)} again")
        seen.add(name)
    if not seen:
        raise where.at("fields").error("at least one field", "none")


def _refuse(table: msgspec.Struct, keys: Iterable[str], place: Place) -> None:
    """Refuse keys that mean nothing in this encoding."""
    for key in keys:
        value = getattr(table, key)
        if value is not None:
            raise place.at(key).error("no such key in this encoding", shown(value))


def _field(declared: _Declared, declaration: Declaration) -> Field:
    """Return a field without its place in the message."""
    table, base, place = declared.table, declared.base, declared.place
    _refuse(table, _ONLY_MSGPACK if declaration.encoding == "binary" else _ONLY_BINARY, place)
    return Field(
        name=table.name or "",
        type=table.type,
        kind=base.kind,
        width=base.width or 0,
        scale=scale_of(table, base, place),
        unit=unit_of(table, place),
        null=null_of(table, base, place),
        optional=table.optional,
        nullable=bool(table.nullable),
        enum=enum_of(table, base, place),
        flags=flags_of(table, base, place),
        doc=table.doc or "",
    )


def _with_offsets(declared: Iterable[_Declared], declaration: Declaration) -> list[Field]:
    fields: list[Field] = []
    end, in_tail = 0, False
    for each in declared:
        field = _field(each, declaration)
        if in_tail and not field.optional:
            raise each.place.error("optional = true, as the field before it may be missing", "none")
        in_tail = field.optional
        if field.optional and field.null not in {None, 0, b""}:
            raise each.place.at("null").error(
                "0 or none, as what is missing reads as zeros", shown(each.table.null)
            )
        offset = next_offset(each.table.offset, end, each.place)
        end = offset + field.width
        if end > MESSAGE_LIMIT_BYTES:
            raise each.place.error(f"at most {MESSAGE_LIMIT_BYTES} bytes a message", shown(end))
        order = byte_order(each.base, each.table.byte_order, declaration, each.place)
        fields.append(replace(field, offset=offset, byte_order=order))
    return fields


def byte_order(base: BuiltIn, declared: Order | None, declaration: Declaration, place: Place) -> Order:
    """Return a field's byte order; only a number of several bytes must have one."""
    order = declared or declaration.byte_order
    if order is None and base.kind in NUMBERS and base.width != 1:
        raise place.at("byte_order").error("a byte order, here or for the whole file", "none")
    return order or "big"


def _length(fields: list[Field], table: MessageTable, where: Place) -> int:
    last = fields[-1]
    assert last.offset is not None
    length = last.offset + last.width
    if table.length not in {None, length}:
        raise where.at("length").error(f"{length} bytes, the sum of the fields", shown(table.length))
    return length


def _min_length(fields: list[Field]) -> int:
    ends = [field.offset + field.width for field in fields if field.offset is not None and not field.optional]
    return max(ends, default=0)


def _with_paths(declared: Iterable[_Declared], table: MessageTable, declaration: Declaration) -> list[Field]:
    paths: list[tuple[Field, Place]] = []
    for position, each in enumerate(declared):
        field = _field(each, declaration)
        check_null(field, each.place)
        path = path_of(each.table, position, table.layout or "array", each.place)
        paths.append((replace(field, path=path), each.place))
    check_paths(paths)
    return [field for field, _ in paths]
