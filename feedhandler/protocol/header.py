"""Fields of a packet header or of a message block's header: in their place, each role played once and well.

`feedhandler.protocol.framing` builds the framing from them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from feedhandler.protocol.declaration import Declaration, Encoding, HeaderFieldTable
from feedhandler.protocol.kinds import BuiltIn, Kind, header_type
from feedhandler.protocol.layout import byte_order, next_offset
from feedhandler.protocol.spec import ByteOrder, IntSpec
from feedhandler.toml import Place, shown

Role = Literal[
    "session", "unit", "sequence", "count", "send_time", "send_time_seconds", "payload_length", "length"
]
Marker = Literal["expect", "heartbeat", "end_of_session", "session_reset", "unsequenced"]

MARKERS: tuple[Marker, ...] = get_args(Marker)

SESSION_LIMIT_BYTES = 16
UNIT_BYTES = 1

_WITH_EXCLUDES = frozenset({"payload_length", "length"})


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A header's field in its place: `offset` counts bytes, or elements of a msgpack header."""

    table: HeaderFieldTable
    base: BuiltIn
    offset: int
    order: ByteOrder
    place: Place

    @property
    def int_spec(self) -> IntSpec:
        """Where its number stands."""
        assert self.base.width is not None
        return IntSpec(self.offset, self.base.width, self.order)


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header and its size, in bytes or elements."""

    fields: tuple[HeaderField, ...]
    size: int

    def playing(self, role: Role) -> HeaderField | None:
        """Return the field of a role."""
        return next((field for field in self.fields if field.table.role == role), None)

    def marked(self, marker: Marker) -> Iterable[HeaderField]:
        """Return the fields with values that mean something."""
        return (field for field in self.fields if getattr(field.table, marker))


def read_header(
    tables: Iterable[HeaderFieldTable],
    encoding: Encoding,
    roles: Mapping[Role, frozenset[Kind]],
    declaration: Declaration,
    place: Place,
) -> Header:
    """Return a header as declared, checked.

    Parameters
    ----------
    tables
        Its fields in wire order.
    encoding
        What it is made of.
    roles
        The roles there are in it, and the kinds of field that can play them.
    declaration
        Whose header it is: named types and byte order come from there.
    place
        The array of fields, for errors.
    """
    place_fields = _elements if encoding == "msgpack" else _in_bytes
    header = place_fields(tables, declaration, place)
    for field in header.fields:
        _check_role(field, roles)
        _check_values(field)
    _check_once(header.fields)
    return header


def _elements(tables: Iterable[HeaderFieldTable], declaration: Declaration, place: Place) -> Header:
    """Return the fields of a header that is a msgpack array."""
    fields: list[HeaderField] = []
    for n, table in enumerate(tables):
        at = place.at(n).about(table.name or "")
        _refuse(table, ("offset", "byte_order", "expect", "session_reset", "unsequenced"), at)
        base, _ = header_type(table, declaration.types, "msgpack", at)
        fields.append(HeaderField(table, base, n, "big", at))
    return Header(tuple(fields), len(fields))


def _in_bytes(tables: Iterable[HeaderFieldTable], declaration: Declaration, place: Place) -> Header:
    """Return the fields of a header at fixed offsets."""
    fields: list[HeaderField] = []
    end = 0
    for n, table in enumerate(tables):
        at = place.at(n).about(table.name or "")
        base, declared_order = header_type(table, declaration.types, "binary", at)
        offset = next_offset(table.offset, end, at)
        order = byte_order(base, declared_order, declaration, at)
        fields.append(HeaderField(table, base, offset, order, at))
        end = offset + (base.width or 0)
    return Header(tuple(fields), end)


def _refuse(table: HeaderFieldTable, keys: Iterable[str], place: Place) -> None:
    for key in keys:
        value = getattr(table, key)
        if value not in {None, ()}:
            raise place.at(key).error("no such key in a msgpack header", "one")


def _check_role(field: HeaderField, roles: Mapping[Role, frozenset[Kind]]) -> None:
    role, place = field.table.role, field.place
    if (field.table.excludes is not None) != (role in _WITH_EXCLUDES):
        if role in _WITH_EXCLUDES:
            raise place.error("the key excludes, how many bytes the length does not count", "none")
        raise place.at("excludes").error("no such key, which only a length has", shown(field.table.excludes))
    if role is None:
        return
    if role not in roles:
        raise place.at("role").error(f"one of {', '.join(roles)}", shown(role))
    kinds = roles[role]
    if field.base.kind not in kinds:
        names = " or ".join(sorted(_IN_WORDS[kind] for kind in kinds))
        raise place.at("type").error(f"{names} for the {role}", shown(field.table.type))
    width = field.base.width or 0
    if role == "session" and width > SESSION_LIMIT_BYTES:
        raise place.at("length").error(f"at most {SESSION_LIMIT_BYTES} bytes of session", shown(width))
    if role == "unit" and width != UNIT_BYTES:
        raise place.at("type").error("u8 for the unit", shown(field.table.type))


_IN_WORDS = {Kind.UINT: "an unsigned integer", Kind.ASCII: "ascii", Kind.STR: "str"}


def _check_values(field: HeaderField) -> None:
    for marker in MARKERS:
        for n, value in enumerate(getattr(field.table, marker)):
            at = field.place.at(marker, n)
            if field.base.kind is not Kind.UINT:
                raise field.place.at("type").error(
                    f"an unsigned integer for {marker}", shown(field.table.type)
                )
            least, greatest = field.base.limits
            if not least <= value <= greatest:
                raise at.error(f"a value that fits {field.table.type}, {least} to {greatest}", shown(value))


def _check_once(fields: Iterable[HeaderField]) -> None:
    """Check that each field has a name of its own, and that none shares its role or what it marks."""
    seen: set[tuple[str, str]] = set()
    for field in fields:
        table = field.table
        if field.base.kind is Kind.RESERVED:
            continue
        if table.name is None:
            raise field.place.error("the key name", "none")
        claims = [("name", table.name), *([("role", table.role)] if table.role else [])]
        claims += [(marker, marker) for marker in MARKERS if marker != "expect" and getattr(table, marker)]
        for claim in claims:
            if claim in seen:
                raise field.place.at(claim[0]).error(f"one field for {claim[1]}", "a second")
            seen.add(claim)
