"""From the blocks of a schema to tables: every field in its place, and what Rust is told of it.

A message's root is a table, and so is each of its groups, in each other or not. Between
`feedhandler.protocol.sbe.leaves`, which knows types, and `feedhandler.protocol.sbe.compile`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import cast

from feedhandler.protocol.kinds import BuiltIn, Kind
from feedhandler.protocol.message import Constant, Field, Message, signed_bits
from feedhandler.protocol.sbe.leaves import Leaf, Parts, Types, Use, absent_value, next_offset, text_kind
from feedhandler.protocol.sbe.names import Columns, snake
from feedhandler.protocol.sbe.schema import (
    PRIMITIVES,
    BlockElement,
    Composite,
    DataElement,
    Encoded,
    FieldElement,
    GroupElement,
    Ref,
)
from feedhandler.protocol.spec import (
    BinaryFieldSpec,
    BinaryKind,
    ByteOrder,
    IntSpec,
    SbeBlockSpec,
    SbeDataSpec,
    SbeDimensionSpec,
    SbeFieldSpec,
    SbeGroupSpec,
)
from feedhandler.toml import Place, shown

BLOCK_LIMIT_BYTES = 65_507
"""The most that one UDP datagram carries."""
_COLUMNS_LIMIT = 4096
_GROUPS_LIMIT = 8

_BINARY_KINDS = {Kind.STR: "ascii"}
_NAMES = {Kind.UINT: "u", Kind.INT: "i", Kind.FLOAT: "f"}


@dataclass(frozen=True, slots=True)
class Table:
    """What a message or group is, before its tables have their names behind each other."""

    message: Message
    spec: SbeBlockSpec
    below: tuple["Table", ...]

    def all(self) -> Iterator[Message]:
        """Yield the message, and what is below it in the order of the tables."""
        yield self.message
        for table in self.below:
            yield from table.all()


@dataclass(slots=True)
class _Root:
    """The fixed fields of a block, as they are gathered."""

    fields: dict[str, Field] = field(default_factory=dict)
    specs: list[SbeFieldSpec] = field(default_factory=list)
    constants: dict[str, Constant] = field(default_factory=dict)
    end: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Says what blocks become.

    Parameters
    ----------
    types
        The schema's.
    byte_order
        Of every number.
    data_bytes
        How much of data of variable length a column has room for.
    """

    types: Types
    byte_order: ByteOrder
    data_bytes: int

    def table(self, element: BlockElement, head: Message, depth: int = 0) -> Table:
        """Return the table of a block and those below it.

        Parameters
        ----------
        element
            The block.
        head
            The table without its fields.
        depth
            Groups that it stands in.
        """
        if depth > _GROUPS_LIMIT:
            raise element.place.error(f"at most {_GROUPS_LIMIT} groups in each other", "more")
        columns = Columns()
        root = self._root(element, columns)
        data = [self._data(each, columns) for each in element.data]
        length = _length(element, root.end)
        message = replace(
            head,
            fields=MappingProxyType(root.fields | {field.name: field for pair, _ in data for field in pair}),
            constants=MappingProxyType(root.constants),
            length=length,
        )
        groups = [(group, self._group(group, message, depth)) for group in element.groups]
        spec = SbeBlockSpec(
            name=message.name,
            length=length,
            fields=tuple(root.specs),
            groups=tuple(
                SbeGroupSpec(group.since, self._dimension(group), table.spec) for group, table in groups
            ),
            data=tuple(each for _, each in data),
        )
        return Table(message, spec, tuple(table for _, table in groups))

    def numbers(self, type_name: str, names: tuple[str, ...], place: Place) -> tuple[dict[str, IntSpec], int]:
        """Return where a composite's numbers stand, and its bytes.

        Parameters
        ----------
        type_name
            The composite.
        names
            Members that must be there; others that are there may be asked for as well.
        place
            Whatever needs it, for errors.
        """
        found = self.types.find(type_name, place)
        if not isinstance(found, Composite):
            raise place.error(f"the composite {type_name}", "another type of that name")
        parts = self.types.parts(found, Use(), place)
        specs = {
            leaf.path[0]: IntSpec(leaf.offset, leaf.base.width or 0, self.byte_order)
            for leaf in parts.leaves
            if len(leaf.path) == 1 and leaf.base.kind is Kind.UINT
        }
        for name in names:
            if name not in specs:
                raise found.place.error(f"an unsigned integer {name} in the composite {type_name}", "none")
        return specs, parts.size

    def _dimension(self, group: GroupElement) -> SbeDimensionSpec:
        """Return what stands in front of a group's entries."""
        names = ("blockLength", "numInGroup")
        specs, size = self.numbers(group.dimension_type, names, group.place)
        return SbeDimensionSpec(size, specs["blockLength"], specs["numInGroup"])

    def _root(self, element: BlockElement, columns: Columns) -> "_Root":
        root = _Root()
        for each in element.fields:
            parts = self.types.of_field(each)
            root.constants |= _constants(each, parts)
            if not parts.leaves:
                continue
            offset = next_offset(each.offset, root.end, each.place)
            root.end = offset + parts.size
            if root.end > BLOCK_LIMIT_BYTES or len(root.fields) + len(parts.leaves) > _COLUMNS_LIMIT:
                limits = f"at most {BLOCK_LIMIT_BYTES} bytes and {_COLUMNS_LIMIT} columns a block"
                raise each.place.error(limits, "more")
            for leaf in parts.leaves:
                found = self._field(each, leaf, offset, columns)
                root.fields[found.name] = found
                root.specs.append(_field_spec(found, leaf))
        return root

    def _group(self, group: GroupElement, parent: Message, depth: int) -> Table:
        head = Message(
            name=f"{parent.name}.{snake(group.name, group.place)}",
            fields=MappingProxyType({}),
            title=group.name,
            doc=group.description,
            parent=parent.name,
        )
        return self.table(group.block, head, depth + 1)

    def _field(self, element: FieldElement, leaf: Leaf, offset: int, columns: Columns) -> Field:
        name = columns.take(_column_name(element, leaf))
        since = max(leaf.since, element.since)
        null = leaf.null if leaf.null is not None or not since else absent_value(leaf)
        return Field(
            name=name,
            type=_type_name(leaf.base),
            kind=leaf.base.kind,
            width=leaf.base.width or 0,
            offset=offset + leaf.offset,
            byte_order=self.byte_order,
            scale=leaf.scale,
            unit=leaf.unit,
            null=null,
            enum=leaf.enum,
            flags=leaf.flags,
            doc=element.description or leaf.doc,
            tag=element.id or None,
            since=since,
        )

    def _data(self, element: DataElement, columns: Columns) -> tuple[tuple[Field, Field], SbeDataSpec]:
        length, characters, offset, length_type = self._data_type(element)
        greatest = length_type.greatest
        capacity = self.data_bytes if greatest is None else max(1, min(self.data_bytes, greatest))
        is_text = characters.character_encoding is not None or characters.primitive == "char"
        name = columns.take(snake(element.name, element.place))
        length_name = columns.take(f"{name}_length")
        kind = text_kind(characters.character_encoding) if is_text else Kind.BIN
        bytes_field = Field(
            name=name,
            type="bin" if kind is Kind.BIN else "str",
            kind=kind,
            width=capacity,
            doc=element.description,
            tag=element.id or None,
            since=element.since,
        )
        length_field = Field(
            name=length_name,
            type="u32",
            kind=Kind.UINT,
            width=4,
            unit="bytes",
            doc=f"how long {name} was; more than {capacity} where the column has only its beginning",
            since=element.since,
        )
        spec = SbeDataSpec(name, length_name, element.since, length, offset, capacity, is_text)
        return (bytes_field, length_field), spec

    def _data_type(self, element: DataElement) -> tuple[IntSpec, Encoded, int, Encoded]:
        """Return the length of data, what its characters are, where they begin, and the length's type."""
        found = self.types.find(element.type, element.place)
        members = found.members if isinstance(found, Composite) else ()
        named: dict[str, Encoded] = {}
        for member in members:
            plain = self.types.find(member.type, member.place) if isinstance(member, Ref) else member
            if isinstance(plain, Encoded):
                named[member.name] = plain
        if [member.name for member in members] != ["length", "varData"] or len(named) != 2:
            expected = f"{element.type}: a composite of length and varData"
            raise element.place.error(expected, "another type")
        length, characters = named["length"], named["varData"]
        base = PRIMITIVES[length.primitive]
        if base.kind is not Kind.UINT or length.length != 1:
            raise length.place.error("an unsigned integer for the length", shown(length.primitive))
        if PRIMITIVES[characters.primitive].width != 1 or characters.length > 1:
            raise characters.place.error(
                "varData of single bytes and of length 0", shown(characters.primitive)
            )
        places = {member.name: member.offset for member in members}
        at = next_offset(places["length"], 0, length.place)
        width = base.width or 0
        begin = next_offset(places["varData"], at + width, characters.place)
        return IntSpec(at, width, self.byte_order), characters, begin, length


def _constants(element: FieldElement, parts: Parts) -> dict[str, Constant]:
    return {
        "_".join(snake(step, element.place) for step in (element.name, *path)): value
        for path, value in parts.constants.items()
    }


def _length(element: BlockElement, end: int) -> int:
    declared = element.block_length
    if declared is None:
        return end
    if declared < end:
        expected = f"a blockLength of at least {end}, where the last field ends"
        raise element.place.error(expected, shown(declared))
    return declared


def _column_name(element: FieldElement, leaf: Leaf) -> str:
    steps = (element.name, *leaf.path)
    return "_".join(step if step.isdecimal() else snake(step, element.place) for step in steps)


def _type_name(base: BuiltIn) -> str:
    if base.kind in _NAMES:
        return f"{_NAMES[base.kind]}{8 * (base.width or 0)}"
    return base.kind.value


def _field_spec(found: Field, leaf: Leaf) -> SbeFieldSpec:
    assert found.offset is not None
    assert found.byte_order is not None
    kind = cast(BinaryKind, _BINARY_KINDS.get(found.kind, found.kind.value))
    spec = BinaryFieldSpec(found.name, kind, found.offset, found.width, found.byte_order)
    return SbeFieldSpec(spec, found.since, signed_bits(leaf.absent))
