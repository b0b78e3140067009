"""What a field's values mean: scale, sentinel, enumeration and flags, checked against the field's type.

`feedhandler.protocol.layout` calls this once for each field.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from feedhandler.protocol.declaration import FieldTable
from feedhandler.protocol.kinds import INTEGERS, TEXTS, BuiltIn, Kind
from feedhandler.protocol.message import Value
from feedhandler.toml import Place, shown

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

_NATURAL_NULLS = {
    Kind.FLOAT: "NaN",
    Kind.BOOL: "false",
    Kind.BYTES: "zeros",
    Kind.BIN: "empty",
    Kind.STR: "empty",
}

SCALE_LIMIT = 18
"""A 64-bit integer has 18 whole decimal digits."""


def check_name(name: str, place: Place) -> None:
    """Check that a name is in snake case."""
    if not SNAKE_CASE.fullmatch(name):
        raise place.error("a name in snake_case", shown(name))


def scale_of(table: FieldTable, base: BuiltIn, place: Place) -> int | None:
    """Return the decimal places of a scaled number."""
    if table.scale is None:
        return None
    if base.kind not in INTEGERS:
        raise place.at("scale").error("no scale, which only integers have", shown(table.scale))
    if not 0 <= table.scale <= SCALE_LIMIT:
        raise place.at("scale").error(f"0 to {SCALE_LIMIT} decimal places", shown(table.scale))
    return table.scale


def unit_of(table: FieldTable, place: Place) -> str | None:
    """Return the unit's name."""
    if table.unit is not None:
        check_name(table.unit, place.at("unit"))
    return table.unit


def null_of(table: FieldTable, base: BuiltIn, place: Place) -> Value | None:
    """Return the value that stands for "there is none"."""
    null = table.null
    if null is None:
        return None
    if base.kind in _NATURAL_NULLS:
        natural = _NATURAL_NULLS[base.kind]
        raise place.at("null").error(f"no null for {table.type}: {natural} stands for it", shown(null))
    return _value(null, base, table.type, place.at("null"))


def enum_of(table: FieldTable, base: BuiltIn, place: Place) -> Mapping[Value, str]:
    """Return meanings by the value in the column."""
    if table.enum is None:
        return MappingProxyType({})
    meanings: dict[Value, str] = {}
    for key, meaning in table.enum.items():
        where = place.at("enum", key)
        value = _value(_number(key, where) if base.kind in INTEGERS else key, base, table.type, where)
        if value in meanings:
            raise where.error("each value once", f"{shown(value)} again")
        meanings[value] = meaning
    return MappingProxyType(meanings)


def flags_of(table: FieldTable, base: BuiltIn, place: Place) -> Mapping[int, str]:
    """Return names by bit mask."""
    if table.flags is None:
        return MappingProxyType({})
    if base.kind is not Kind.UINT:
        raise place.at("flags").error("no flags, which only unsigned integers have", f"type {table.type}")
    names: dict[int, str] = {}
    for key, name in table.flags.items():
        where = place.at("flags", key)
        mask = _number(key, where)
        if not 0 < mask <= base.limits[1]:
            raise where.error(f"a mask of bits in {table.type}", shown(key))
        if mask in names or name in names.values():
            raise where.error("each mask and each name once", f"{mask:#04x} = {shown(name)}")
        check_name(name, where)
        names[mask] = name
    return MappingProxyType(names)


def _number(key: str, place: Place) -> int:
    """Return a number written as a key of a table, which TOML knows as text only."""
    try:
        return int(key, 0)
    except ValueError:
        raise place.error("an integer such as 7 or 0x80", shown(key)) from None


def _value(value: int | str, base: BuiltIn, type_name: str, place: Place) -> Value:
    if base.kind in TEXTS:
        return _text(value, base, type_name, place)
    if base.kind in {Kind.FLOAT, Kind.BYTES, Kind.BIN}:
        raise place.error(f"no named values for {type_name}", shown(value))
    least, greatest = base.limits
    if not isinstance(value, int) or not least <= value <= greatest:
        raise place.error(f"an integer that fits {type_name}, {least} to {greatest}", shown(value))
    return value


def _text(value: int | str, base: BuiltIn, type_name: str, place: Place) -> bytes:
    assert base.width is not None
    if not isinstance(value, str) or not value.isascii():
        raise place.error("ASCII text", shown(value))
    if base.kind is Kind.CHAR and len(value) != 1:
        raise place.error("one character", shown(value))
    if len(value) > base.width:
        raise place.error(f"at most the {base.width} characters of the {type_name}", shown(value))
    return value.encode() if base.kind is Kind.CHAR else value.encode().rstrip(b" \0")
