"""What an SBE schema says, typed and frozen: the elements of FIX Simple Binary Encoding 1.0 and no more.

`feedhandler.protocol.sbe.reader` makes it; names, defaults and references are as the author wrote them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from feedhandler.protocol.kinds import BuiltIn, Kind
from feedhandler.protocol.spec import ByteOrder
from feedhandler.toml import Place

Presence = Literal["required", "optional", "constant"]

PRIMITIVES: Mapping[str, BuiltIn] = {
    "char": BuiltIn(Kind.CHAR, 1),
    **{f"int{8 * width}": BuiltIn(Kind.INT, width) for width in (1, 2, 4, 8)},
    **{f"uint{8 * width}": BuiltIn(Kind.UINT, width) for width in (1, 2, 4, 8)},
    "float": BuiltIn(Kind.FLOAT, 4),
    "double": BuiltIn(Kind.FLOAT, 8),
}
"""Section 2.4.1, "Primitive type encodings"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What every type has."""

    name: str
    place: Place
    offset: int | None = None
    since: int = 0
    description: str = ""
    semantic_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded(Named):
    """A simple type: a primitive, or several of one kind."""

    primitive: str
    length: int = 1
    presence: Presence | None = None
    null: str | None = None
    greatest: int | None = None
    value: str = ""
    value_ref: str | None = None
    character_encoding: str | None = None
    time_unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid:
    """A value of an enumeration, or a bit of a set: its name, and what stands for it on the wire."""

    name: str
    text: str
    description: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration(Named):
    """Named values of another type."""

    encoding: str
    values: tuple[Valid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BitSet(Named):
    """Named bits of an unsigned integer."""

    encoding: str
    choices: tuple[Valid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref(Named):
    """A member of a composite whose type stands elsewhere."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(Named):
    """Several types one behind the other."""

    members: tuple["Encoded | Enumeration | BitSet | Composite | Ref", ...]


Type = Encoded | Enumeration | BitSet | Composite
Member = Type | Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldElement:
    """A field of a block."""

    name: str
    id: int
    type: str
    place: Place
    offset: int | None = None
    presence: Presence | None = None
    value_ref: str | None = None
    value: str = ""
    since: int = 0
    semantic_type: str = ""
    time_unit: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataElement:
    """Data of variable length."""

    name: str
    id: int
    type: str
    place: Place
    since: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockElement:
    """The root of a message, or an entry of a group."""

    fields: tuple[FieldElement, ...]
    groups: tuple["GroupElement", ...]
    data: tuple[DataElement, ...]
    block_length: int | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupElement:
    """A repeating group."""

    name: str
    id: int
    dimension_type: str
    block: BlockElement
    place: Place
    since: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageElement:
    """A message."""

    name: str
    id: int
    block: BlockElement
    place: Place
    since: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A whole schema."""

    id: int
    version: int
    byte_order: ByteOrder
    header_type: str
    types: Mapping[str, Type]
    messages: tuple[MessageElement, ...]
    place: Place
    package: str = ""
    semantic_version: str = ""
