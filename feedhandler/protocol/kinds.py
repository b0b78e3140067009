"""The built-in types of declarations, and how a type's name finds its meaning.

`feedhandler.protocol.framing` and `feedhandler.protocol.layout` look up every declared type here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from feedhandler.protocol.declaration import Encoding, FieldTable, HeaderFieldTable, Order, TypeTable
from feedhandler.toml import Place, nearest, shown


class Kind(StrEnum):
    """What a value is, whatever its width."""

    UINT = "uint"
    INT = "int"
    FLOAT = "float"
    CHAR = "char"
    ASCII = "ascii"
    BYTES = "bytes"
    BOOL = "bool"
    STR = "str"
    BIN = "bin"
    TIMESTAMP = "timestamp"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A built-in type; one without a width takes a ``length``."""

    kind: Kind
    width: int | None = None

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest value of an integer of this type."""
        assert self.width is not None
        bits = 8 * self.width
        if self.kind in SIGNED:
            return -(1 << bits - 1), (1 << bits - 1) - 1
        return 0, (1 << bits) - 1


SIGNED = frozenset({Kind.INT, Kind.TIMESTAMP})
INTEGERS = frozenset({Kind.UINT, Kind.INT})
NUMBERS = INTEGERS | {Kind.FLOAT}
TEXTS = frozenset({Kind.CHAR, Kind.ASCII, Kind.STR})

_FLOATS = {"f32": BuiltIn(Kind.FLOAT, 4), "f64": BuiltIn(Kind.FLOAT, 8)}


def _integers(widths: tuple[int, ...]) -> dict[str, BuiltIn]:
    unsigned = {f"u{8 * width}": BuiltIn(Kind.UINT, width) for width in widths}
    return unsigned | {f"i{8 * width}": BuiltIn(Kind.INT, width) for width in widths}


BUILT_IN: Mapping[Encoding, Mapping[str, BuiltIn]] = {
    "binary": {
        **_integers((1, 2, 3, 4, 5, 6, 7, 8)),
        **_FLOATS,
        "char": BuiltIn(Kind.CHAR, 1),
        "ascii": BuiltIn(Kind.ASCII),
        "bytes": BuiltIn(Kind.BYTES),
        "reserved": BuiltIn(Kind.RESERVED),
    },
    "msgpack": {
        **_integers((1, 2, 4, 8)),
        **_FLOATS,
        "bool": BuiltIn(Kind.BOOL, 1),
        "str": BuiltIn(Kind.STR),
        "bin": BuiltIn(Kind.BIN),
        "timestamp": BuiltIn(Kind.TIMESTAMP, 8),
        "reserved": BuiltIn(Kind.RESERVED, 0),
    },
}
"""Types by encoding and name. A reserved element of a msgpack array may be anything, so it has no width."""

_LENGTH_LIMIT_BYTES = 65_535


def built_in(
    name: str, length: int | None, encoding: Encoding, place: Place, also: Mapping[str, object] | None = None
) -> BuiltIn:
    """Return the built-in type of a name, its width filled in.

    Parameters
    ----------
    name
        What stands as ``type``.
    length
        What stands as ``length``.
    encoding
        Where the type is used.
    place
        The table they stand in, for errors.
    also
        The author's own types, which an error then names too.

    Raises
    ------
    InvalidFileError
        There is no such type; a length is missing, wrong, or of no use.
    """
    known = BUILT_IN[encoding]
    if name not in known:
        names = [*(also or ()), *known]
        other = next((other for other in BUILT_IN if name in BUILT_IN[other]), None)
        hint = nearest(name, names) if other is None else f"{name} is a {other} type"
        raise place.at("type").error(f"a {encoding} type: {', '.join(names)}", shown(name), hint)
    found = known[name]
    if found.width is not None:
        if length is not None:
            raise place.at("length").error(f"no length, which {name} has by itself", shown(length))
        return found
    if length is None:
        raise place.error(f"the key length, in bytes, for {name}", "none")
    if not 1 <= length <= _LENGTH_LIMIT_BYTES:
        raise place.at("length").error(f"1 to {_LENGTH_LIMIT_BYTES} bytes", shown(length))
    return BuiltIn(found.kind, length)


def with_type(table: FieldTable, types: Mapping[str, TypeTable]) -> FieldTable:
    """Return a field with what its named type says put in where the field itself says nothing."""
    named = types.get(table.type)
    if named is None:
        return table
    own = {key: getattr(table, key) for key in TypeTable.__struct_fields__ if key != "type"}
    theirs = {key: getattr(named, key) for key, value in own.items() if value is None}
    return msgspec.structs.replace(table, type=named.type, **theirs)


def header_type(
    table: HeaderFieldTable, types: Mapping[str, TypeTable], encoding: Encoding, place: Place
) -> tuple[BuiltIn, Order | None]:
    """Return the type of a header's field, and the byte order it names, if any."""
    plain = with_type(FieldTable(type=table.type, length=table.length, byte_order=table.byte_order), types)
    return built_in(plain.type, plain.length, encoding, place, types), plain.byte_order
