"""SBE by the book, slow and obvious: schemas as plain data, their XML, and messages encoded from values.

It shares nothing with what it is held against: a schema is made here as data and written down as XML, values
are drawn for it, and each message is put together field by field. What must be decoded is what was drawn.
"""

import struct
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

FORMATS = {
    "char": "c",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float": "f",
    "double": "d",
}
WIDTHS = {name: struct.calcsize(form) for name, form in FORMATS.items()}
NULLS: dict[str, Any] = {
    "char": b"",
    **{f"int{bits}": -(2 ** (bits - 1)) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": 2**bits - 1 for bits in (8, 16, 32, 64)},
    "float": None,
    "double": None,
}
CAPACITY = 16
Values = dict[str, Any]


@dataclass(frozen=True)
class Leaf:
    """A field of one value."""

    name: str
    primitive: str
    length: int
    gap: int
    since: int


@dataclass(frozen=True)
class Data:
    """Data of variable length."""

    name: str
    since: int


@dataclass(frozen=True)
class Block:
    """A root or an entry."""

    fields: tuple[Leaf, ...]
    groups: tuple["Group", ...]
    data: tuple[Data, ...]
    padding: int


@dataclass(frozen=True)
class Group:
    """A repeating group."""

    name: str
    since: int
    block: Block


@dataclass(frozen=True)
class Schema:
    """A schema of one message, in whatever order its headers have their numbers."""

    order: str
    version: int
    header: tuple[tuple[str, str], ...]
    dimension: tuple[tuple[str, str], ...]
    block: Block

    def pack(self, form: str, value: Any) -> bytes:
        return struct.pack((">" if self.order == "bigEndian" else "<") + form, value)


@dataclass
class Tables:
    """What must be decoded, by name of the table: the parent (None of messages) and values by column."""

    rows: dict[str, list[tuple[int | None, Values]]] = field(default_factory=dict)


UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


@st.composite
def schemas(draw: DrawFn) -> Schema:
    version = draw(st.integers(0, 4))
    numbers = [
        ("blockLength", "uint16"),
        ("templateId", "uint16"),
        ("schemaId", "uint16"),
        ("version", "uint16"),
    ]
    header = draw(st.permutations(numbers))
    wide = [(name, draw(st.sampled_from(("uint16", "uint32", "uint64")))) for name, _ in header]
    sizes = [
        ("blockLength", draw(st.sampled_from(UNSIGNED[1:]))),
        ("numInGroup", draw(st.sampled_from(UNSIGNED))),
    ]
    return Schema(
        order=draw(st.sampled_from(("littleEndian", "bigEndian"))),
        version=version,
        header=tuple(draw(st.sampled_from((list(header), wide)))),
        dimension=tuple(draw(st.permutations(sizes))),
        block=draw(blocks(version, depth=0)),
    )


@st.composite
def blocks(draw: DrawFn, version: int, depth: int) -> Block:
    since = sorted(draw(st.lists(st.integers(0, version), max_size=6)))
    fields = tuple(draw(leaves(f"field{n}", each)) for n, each in enumerate(since))
    counts = st.integers(0, 2 if depth < 2 else 0)
    groups = tuple(
        Group(f"Group{n}", draw(st.integers(0, version)), draw(blocks(version, depth + 1)))
        for n in range(draw(counts))
    )
    data = tuple(Data(f"data{n}", draw(st.integers(0, version))) for n in range(draw(st.integers(0, 2))))
    return Block(fields, groups, data, draw(st.integers(0, 5)))


@st.composite
def leaves(draw: DrawFn, name: str, since: int) -> Leaf:
    primitive = draw(st.sampled_from(list(FORMATS)))
    length = draw(st.integers(1, 20)) if primitive == "char" else 1
    return Leaf(name, primitive, length, draw(st.sampled_from((0, 0, 0, 1, 7))), since)


def xml(schema: Schema) -> str:
    """Return a schema as a venue would give it out."""
    lines = [
        f'<messageSchema id="7" version="{schema.version}" byteOrder="{schema.order}" headerType="head">',
        "<types>",
        _composite("head", schema.header),
        _composite("size", schema.dimension),
        _composite("var", (("length", "uint16"), ("varData", "uint8"))).replace(
            '"varData"', '"varData" length="0"'
        ),
        *(f'<type name="char{n}" primitiveType="char" length="{n}"/>' for n in range(2, 21)),
        '</types><message name="Random" id="5"' + f' blockLength="{length(schema.block, schema.version)}">',
        *_block(schema.block, schema.version),
        "</message></messageSchema>",
    ]
    return "\n".join(lines)


def _composite(name: str, members: tuple[tuple[str, str], ...]) -> str:
    types = "".join(f'<type name="{member}" primitiveType="{primitive}"/>' for member, primitive in members)
    return f'<composite name="{name}">{types}</composite>'


def _block(block: Block, version: int) -> list[str]:
    lines = []
    for leaf, offset in zip(block.fields, offsets(block), strict=True):
        kind = leaf.primitive if leaf.length == 1 else f"char{leaf.length}"
        attributes = {"name": leaf.name, "type": kind, "offset": offset, "sinceVersion": leaf.since, "id": 1}
        lines.append(f"<field {_attributes(attributes)}/>")
    for group in block.groups:
        attributes = {
            "name": group.name,
            "dimensionType": "size",
            "sinceVersion": group.since,
            "blockLength": length(group.block, version),
        }
        lines += [f"<group {_attributes(attributes)}>", *_block(group.block, version), "</group>"]
    lines += [f'<data name="{data.name}" type="var" sinceVersion="{data.since}"/>' for data in block.data]
    return lines


def _attributes(attributes: dict[str, object]) -> str:
    return " ".join(f"{key}={quoteattr(str(value))}" for key, value in attributes.items())


def offsets(block: Block) -> list[int]:
    found, end = [], 0
    for leaf in block.fields:
        found.append(end + leaf.gap)
        end += leaf.gap + WIDTHS[leaf.primitive] * leaf.length
    return found


def length(block: Block, version: int) -> int:
    """Return the length of a block of some version, padding included."""
    ends = [
        offset + WIDTHS[leaf.primitive] * leaf.length
        for leaf, offset in zip(block.fields, offsets(block), strict=True)
        if leaf.since <= version
    ]
    return max(ends, default=0) + block.padding


@st.composite
def messages(draw: DrawFn, schema: Schema, tables: Tables, *, has_tail: bool) -> bytes:
    """Draw a message of any version up to the next, note what must be decoded of it, and return it."""
    version = draw(st.integers(0, schema.version + 1))
    more = draw(st.integers(1, 9)) if version > schema.version else 0
    size = length(schema.block, version) + more
    numbers = {"blockLength": size, "templateId": 5, "schemaId": 7, "version": version}
    head = b"".join(schema.pack(FORMATS[kind], numbers[name]) for name, kind in schema.header)
    coder = _Coder(schema, version, more, tables)
    # What a newer version has behind the last that is known can be skipped only where a length is told.
    tail = bytes(draw(st.integers(0, 3))) if more and has_tail else b""
    return head + coder.block(draw, schema.block, "random", None) + tail


@dataclass
class _Coder:
    schema: Schema
    version: int
    more: int
    tables: Tables

    def block(self, draw: DrawFn, block: Block, table: str, parent: int | None) -> bytes:
        rows = self.tables.rows.setdefault(table, [])
        values: Values = {}
        rows.append((parent, values))
        index = len(rows) - 1
        data = bytearray(draw(st.binary(min_size=1, max_size=1)) * (length(block, self.version) + self.more))
        for leaf, offset in zip(block.fields, offsets(block), strict=True):
            if leaf.since > self.version:
                values[leaf.name] = NULLS[leaf.primitive]
            else:
                value, wire = self._value(draw, leaf)
                values[leaf.name] = value
                data[offset : offset + len(wire)] = wire
        for group in block.groups:
            if group.since <= self.version:
                data += self._group(draw, group, f"{table}.{group.name.lower()}", index)
        for each in block.data:
            values[each.name], values[f"{each.name}_length"] = b"", 0
            if each.since <= self.version:
                content = draw(st.binary(max_size=CAPACITY + 8))
                values[each.name], values[f"{each.name}_length"] = content[:CAPACITY], len(content)
                data += self.schema.pack("H", len(content)) + content
        return bytes(data)

    def _group(self, draw: DrawFn, group: Group, table: str, parent: int) -> bytes:
        count = draw(st.sampled_from((0, 1, 1, 2, 5)))
        numbers = {"blockLength": length(group.block, self.version) + self.more, "numInGroup": count}
        if numbers["blockLength"] == 0 and not group.block.data:
            numbers["numInGroup"] = count = 0  # entries of nothing are not told from none
        head = b"".join(
            self.schema.pack(FORMATS[kind], numbers[name]) for name, kind in self.schema.dimension
        )
        return head + b"".join(self.block(draw, group.block, table, parent) for _ in range(count))

    def _value(self, draw: DrawFn, leaf: Leaf) -> tuple[Any, bytes]:
        if leaf.primitive == "char":
            text = draw(st.binary(min_size=0, max_size=leaf.length)).rstrip(b"\0")
            shown = text if leaf.length == 1 else text.rstrip(b" \0")
            return shown, text.ljust(leaf.length, b"\0")
        if leaf.primitive in {"float", "double"}:
            value: Any = draw(st.floats(width=32 if leaf.primitive == "float" else 64, allow_nan=False))
        else:
            bits = 8 * WIDTHS[leaf.primitive]
            least = 0 if leaf.primitive.startswith("u") else -(2 ** (bits - 1))
            value = draw(st.integers(least, least + 2**bits - 1))
        return value, self.schema.pack(FORMATS[leaf.primitive], value)
