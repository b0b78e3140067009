"""What a field of some type holds: the values that become columns, each in its place, and the constants.

`feedhandler.protocol.sbe.blocks` asks for each field. A value of a composite has the way to it as `path`,
but for a composite with one value only, which is that value: the mantissa of a decimal, say.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from feedhandler.protocol.kinds import INTEGERS, BuiltIn, Kind
from feedhandler.protocol.meaning import SCALE_LIMIT
from feedhandler.protocol.message import Constant, Value
from feedhandler.protocol.sbe.names import snake
from feedhandler.protocol.sbe.schema import (
    PRIMITIVES,
    BitSet,
    Composite,
    Encoded,
    Enumeration,
    FieldElement,
    Member,
    Presence,
    Ref,
    Type,
)
from feedhandler.toml import Place, nearest, shown

MANTISSA, EXPONENT = "mantissa", "exponent"
_DEPTH_LIMIT = 16
_MEMBERS_LIMIT = 4096
_UTF_8 = frozenset({"utf-8", "utf8"})
_TIME_UNITS: Mapping[str, str] = {
    "second": "s_since_epoch",
    "millisecond": "ms_since_epoch",
    "microsecond": "us_since_epoch",
    "nanosecond": "ns_since_epoch",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A value on the wire: `offset` counts from where the field begins."""

    path: tuple[str, ...] = ()
    offset: int
    base: BuiltIn
    null: Value | None = None
    absent: int = 0
    """What stands for a missing value, as the bits of a number."""
    scale: int | None = None
    unit: str | None = None
    enum: Mapping[Value, str] = field(default_factory=lambda: MappingProxyType({}))
    flags: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    since: int = 0
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a type is made of: its values, its constants by the way to them, and its bytes."""

    leaves: tuple[Leaf, ...]
    constants: Mapping[tuple[str, ...], Constant]
    size: int


@dataclass(frozen=True, slots=True)
class Use:
    """What the field that uses a type says of it, and stands in the type's place where it does."""

    presence: Presence | None = None
    semantic_type: str = ""
    time_unit: str | None = None


class Types:
    """The types of a schema, and what is made of them.

    Parameters
    ----------
    types
        By name.
    """

    def __init__(self, types: Mapping[str, Type]) -> None:
        self._types = types
        self._members_left = 0

    def find(self, name: str, place: Place) -> Type:
        """Return a type by its name, which may be a primitive's."""
        found = self._types.get(name)
        if found is not None:
            return found
        if name not in PRIMITIVES:
            known = (*self._types, *PRIMITIVES)
            raise place.error("the name of a type", f"{shown(name)}, which is none", nearest(name, known))
        return Encoded(name=name, place=place, primitive=name)

    def of_field(self, element: FieldElement) -> Parts:
        """Return what a field holds.

        Raises
        ------
        InvalidFileError
            Its type is not there, or cannot be meant.
        """
        found = self.find(element.type, element.place)
        if element.presence == "constant":
            return Parts((), MappingProxyType({(): self._constant_of(element, found)}), 0)
        use = Use(element.presence, element.semantic_type, element.time_unit)
        return self.parts(found, use, element.place)

    def parts(self, found: Type, use: Use, place: Place, within: tuple[str, ...] = ()) -> Parts:
        """Return what a type holds; `within` names the composites around it."""
        if not within:
            self._members_left = _MEMBERS_LIMIT
        match found:
            case Encoded():
                return self._encoded(found, use)
            case Enumeration():
                return self._enumeration(found, use)
            case BitSet():
                return self._set(found)
            case Composite():
                if found.name in within or len(within) > _DEPTH_LIMIT:
                    raise place.error("a composite that is no part of itself", shown(found.name))
                return self._composite(found, use, (*within, found.name))

    def _constant_of(self, element: FieldElement, found: Type) -> Constant:
        if element.value_ref is not None:
            return self._referred(element.value_ref, element.place)
        if isinstance(found, Encoded):
            if found.value_ref is not None:
                return self._referred(found.value_ref, found.place)
            text = found.value or element.value
            if text:
                return _constant(text, PRIMITIVES[found.primitive], element.place)
        raise element.place.error("the value of the constant, or the attribute valueRef", "none")

    def _referred(self, reference: str, place: Place) -> Constant:
        name, _, value = reference.rpartition(".")
        found = self._types.get(name)
        if not isinstance(found, Enumeration):
            raise place.error("valueRef: an enum and one of its values, such as Side.Buy", shown(reference))
        valid = {each.name: each for each in found.values}
        if value not in valid:
            expected = f"valueRef: one of the values of {name}"
            raise place.error(expected, shown(reference), nearest(value, valid))
        return _constant(valid[value].text, self._base(found), valid[value].place)

    def _encoded(self, found: Encoded, use: Use) -> Parts:
        base = PRIMITIVES[found.primitive]
        if (use.presence or found.presence) == "constant":
            if found.value_ref is not None:
                value = self._referred(found.value_ref, found.place)
            elif found.value:
                value = _constant(found.value, base, found.place)
            else:
                raise found.place.error("the value of the constant", "none")
            return Parts((), MappingProxyType({(): value}), 0)
        if found.length == 0:
            raise found.place.error("a length, which only data of variable length has not", "0")
        leaf = replace(_leaf(found, base, use), unit=_unit(found, base, use), doc=found.description)
        if found.length == 1:
            return Parts((leaf,), MappingProxyType({}), base.width or 0)
        return _several(found, leaf)

    def _enumeration(self, found: Enumeration, use: Use) -> Parts:
        encoding = self._encoding(found)
        base = PRIMITIVES[encoding.primitive]
        meanings: dict[Value, str] = {}
        for each in found.values:
            value = _constant(each.text, base, each.place)
            if isinstance(value, bytes) and len(value) != 1:
                raise each.place.error("one character", shown(each.text))
            assert not isinstance(value, float)
            if value in meanings:
                raise each.place.error("each value once", f"{shown(each.text)} again")
            meanings[value] = each.name
        leaf = replace(_leaf(encoding, base, use), enum=MappingProxyType(meanings), doc=found.description)
        return Parts((leaf,), MappingProxyType({}), base.width or 0)

    def _set(self, found: BitSet) -> Parts:
        base = self._base(found)
        if base.kind is not Kind.UINT:
            raise found.place.error("an unsigned integer as encodingType of a set", shown(found.encoding))
        names: dict[int, str] = {}
        for choice in found.choices:
            bits = 8 * (base.width or 0)
            if not (choice.text.isascii() and choice.text.isdecimal() and int(choice.text[:4]) < bits):
                raise choice.place.error(f"the number of a bit, 0 to {bits - 1}", shown(choice.text))
            mask, name = 1 << int(choice.text), snake(choice.name, choice.place)
            if mask in names or name in names.values():
                raise choice.place.error("each bit and each name once", f"{choice.name} {choice.text}")
            names[mask] = name
        leaf = Leaf(offset=0, base=base, flags=MappingProxyType(names), doc=found.description)
        return Parts((leaf,), MappingProxyType({}), base.width or 0)

    def _encoding(self, found: Enumeration | BitSet) -> Encoded:
        encoding = self.find(found.encoding, found.place)
        if not isinstance(encoding, Encoded) or encoding.length != 1 or _is_float(encoding):
            raise found.place.error("a single integer or char as encodingType", shown(found.encoding))
        return encoding

    def _base(self, found: Enumeration | BitSet) -> BuiltIn:
        return PRIMITIVES[self._encoding(found).primitive]

    def _composite(self, found: Composite, use: Use, within: tuple[str, ...]) -> Parts:
        members: dict[str, Parts] = {}
        places: dict[str, int] = {}
        end = 0
        for member in found.members:
            parts = self._member(member, use, within)
            if parts.size:
                places[member.name] = offset = next_offset(member.offset, end, member.place)
                end = offset + parts.size
            members[member.name] = parts
        values = [name for name, parts in members.items() if parts.leaves]
        constants = {
            (name, *path): value for name, parts in members.items() for path, value in parts.constants.items()
        }
        leaves = tuple(
            replace(
                leaf,
                path=leaf.path if len(values) == 1 else (name, *leaf.path),
                offset=places[name] + leaf.offset,
            )
            for name in values
            for leaf in members[name].leaves
        )
        exponent = constants.get((EXPONENT,))
        if values == [MANTISSA] and len(leaves) == 1 and isinstance(exponent, int):
            del constants[EXPONENT,]
            leaves = (_scaled(leaves[0], exponent),)
        if found.description and len(leaves) == 1:
            leaves = (replace(leaves[0], doc=found.description),)
        return Parts(leaves, MappingProxyType(constants), end)

    def _member(self, member: Member, use: Use, within: tuple[str, ...]) -> Parts:
        self._members_left -= 1
        if self._members_left < 0:
            raise member.place.error(
                f"a composite of at most {_MEMBERS_LIMIT} members, those within it counted", "more"
            )
        # What a field says of being there holds for its values, and not for constants beside them.
        inner = Use(use.presence if use.presence == "optional" else None)
        found = member
        if isinstance(member, Ref):
            found = self.find(member.type, member.place)
        assert not isinstance(found, Ref)
        is_constant = isinstance(found, Encoded) and found.presence == "constant"
        parts = self.parts(found, Use() if is_constant else inner, member.place, within)
        since = member.since
        return Parts(
            tuple(replace(leaf, since=max(leaf.since, since)) for leaf in parts.leaves),
            parts.constants,
            parts.size,
        )


def _is_float(encoding: Encoded) -> bool:
    return PRIMITIVES[encoding.primitive].kind is Kind.FLOAT


def next_offset(declared: int | None, end: int, place: Place) -> int:
    """Return where something begins: behind what stands before it, or where its author says."""
    if declared is None:
        return end
    if declared < end:
        expected = f"an offset of at least {end}, where what stands before it ends"
        raise place.error(expected, shown(declared), "they overlap")
    return declared


def _leaf(found: Encoded, base: BuiltIn, use: Use) -> Leaf:
    """Return a single value of a type, and what stands for its being missing."""
    null = _null(found, base)
    is_optional = (use.presence or found.presence) == "optional"
    absent = null[0] if isinstance(null, bytes) and null else null
    return Leaf(
        offset=0,
        base=base,
        null=null if is_optional else None,
        absent=_nan(base) if base.kind is Kind.FLOAT else absent or 0,
    )


def absent_value(leaf: Leaf) -> Value | None:
    """Return what a column holds where the value is missing; None where that is NaN, or not told apart."""
    if leaf.base.kind in INTEGERS and not leaf.flags:
        return leaf.absent
    if leaf.base.kind is Kind.CHAR:
        return bytes([leaf.absent]).rstrip(b"\0")
    return b"" if leaf.base.kind in {Kind.ASCII, Kind.STR} else None


def _nan(base: BuiltIn) -> int:
    return 0x7FC0_0000 if base.width == 4 else 0x7FF8_0000_0000_0000


def _null(found: Encoded, base: BuiltIn) -> Value | None:
    """Return the null value of a type: its own, or its primitive's (section 2.4.2); floats have NaN."""
    if base.kind is Kind.FLOAT:
        return None
    least, greatest = (0, 255) if base.kind is Kind.CHAR else base.limits
    if found.null is None:
        if base.kind is Kind.CHAR:
            return b""
        return greatest if base.kind is Kind.UINT else least
    text = found.null if base.kind is Kind.CHAR and len(found.null) == 1 else found.null.strip()
    if base.kind is Kind.CHAR and len(text) == 1:
        return text.encode("latin-1", "replace").rstrip(b"\0")
    try:
        value = int(text, 0)
    except ValueError:
        raise found.place.error(f"nullValue: a value of {found.primitive}", shown(found.null)) from None
    if not least <= value <= greatest:
        expected = f"nullValue: a value of {found.primitive}, {least} to {greatest}"
        raise found.place.error(expected, shown(found.null))
    return bytes([value]).rstrip(b"\0") if base.kind is Kind.CHAR else value


def _several(found: Encoded, leaf: Leaf) -> Parts:
    """Return an array: text or bytes as one value, numbers as one each."""
    width = leaf.base.width or 0
    has_characters = leaf.base.kind is Kind.CHAR or found.character_encoding is not None
    size = found.length * width
    if width == 1 and has_characters:
        null = None if leaf.null is None else b""
        kind = text_kind(found.character_encoding)
        whole = replace(leaf, base=BuiltIn(kind, size), null=null, absent=0)
        return Parts((whole,), MappingProxyType({}), size)
    if found.primitive == "uint8":
        whole = replace(leaf, base=BuiltIn(Kind.BYTES, size), null=None, absent=0)
        return Parts((whole,), MappingProxyType({}), size)
    return Parts(tuple(_numbered(leaf, found.length, width)), MappingProxyType({}), size)


def _numbered(leaf: Leaf, length: int, width: int) -> Iterator[Leaf]:
    return (replace(leaf, path=(str(n),), offset=n * width) for n in range(length))


def text_kind(character_encoding: str | None) -> Kind:
    """Return what text of an encoding is."""
    return Kind.STR if (character_encoding or "").lower() in _UTF_8 else Kind.ASCII


def _unit(found: Encoded, base: BuiltIn, use: Use) -> str | None:
    semantic_type = use.semantic_type or found.semantic_type
    if base.kind not in INTEGERS:
        return None
    if semantic_type == "UTCTimestamp" and base.width == 8:
        return _TIME_UNITS.get(use.time_unit or found.time_unit or "nanosecond")
    return "days_since_epoch" if semantic_type == "LocalMktDate" else None


def _scaled(leaf: Leaf, exponent: int) -> Leaf:
    """Return a mantissa whose exponent is a constant."""
    if -SCALE_LIMIT <= exponent <= 0:
        return replace(leaf, scale=-exponent, unit=None)
    sign = "minus_" if exponent < 0 else ""
    return replace(leaf, unit=f"times_10_to_{sign}{abs(exponent)}")


def _constant(text: str, base: BuiltIn, place: Place) -> Constant:
    """Return a value that stands in the schema as text."""
    if base.kind is Kind.CHAR:
        return text.encode()
    try:
        if base.kind is Kind.FLOAT:
            return float(text)
        value = int(text, 0)
    except ValueError:
        raise place.error("a number", shown(text)) from None
    least, greatest = base.limits
    if not least <= value <= greatest or math.isinf(value):
        raise place.error(f"a number from {least} to {greatest}", shown(text))
    return value
