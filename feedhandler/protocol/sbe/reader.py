"""From elements to a schema: each element of the standard in its place, and nothing else.

Between `feedhandler.protocol.sbe.xml` and `feedhandler.protocol.sbe.blocks`. Elements of other namespaces
are not told apart by theirs: drafts of the standard had another. Attributes that change nothing of the wire
are not looked at.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from feedhandler.protocol.sbe import attributes as read
from feedhandler.protocol.sbe.schema import (
    PRIMITIVES,
    BitSet,
    BlockElement,
    Composite,
    DataElement,
    Encoded,
    Enumeration,
    FieldElement,
    GroupElement,
    Member,
    MessageElement,
    Ref,
    Schema,
    Type,
    Valid,
)
from feedhandler.protocol.sbe.xml import Element, Source, parse
from feedhandler.protocol.spec import ByteOrder
from feedhandler.toml import nearest, shown

ID_LIMIT = 0xFFFF
"""Template, schema and field ids, and versions: section 3.2, "Message header"."""
LENGTH_LIMIT = 65_535
_VALUE_LIMIT = (1 << 64) - 1

Item = TypeVar("Item", bound=Type | MessageElement)

_BYTE_ORDERS: Mapping[str, ByteOrder] = {"littleEndian": "little", "bigEndian": "big"}


def read_schema(sources: Sequence[Source]) -> Schema:
    """Return the schema that files say.

    Raises
    ------
    DeclarationError
        It is not well formed; the error names file and line.
    """
    root = parse(sources)
    if root.name != "messageSchema":
        raise root.place.error("an SBE schema, whose root is messageSchema", shown(root.name))
    types: list[Type] = []
    messages: list[MessageElement] = []
    for element in root.children:
        match element.name:
            case "types":
                types += [_type(child) for child in element.children]
            case "message":
                messages.append(_message(element))
            case _:
                raise _unexpected(element, ("types", "message"))
    if not messages:
        raise root.place.error("at least one message", "none")
    _check_ids(messages)
    return Schema(
        id=read.number(root, "id", ID_LIMIT),
        version=read.maybe_number(root, "version", ID_LIMIT) or 0,
        byte_order=_BYTE_ORDERS[read.word(root, "byteOrder", tuple(_BYTE_ORDERS), "littleEndian")],
        header_type=root.attributes.get("headerType", "messageHeader"),
        types=MappingProxyType(_by_name(types)),
        messages=tuple(_by_name(messages).values()),
        place=root.place,
        package=root.attributes.get("package", ""),
        semantic_version=root.attributes.get("semanticVersion", ""),
    )


def _unexpected(element: Element, names: Iterable[str]) -> Exception:
    known = tuple(names)
    expected = f"one of the elements {', '.join(known)}"
    return element.place.error(expected, shown(element.name), nearest(element.name, known))


def _by_name(items: Iterable[Item]) -> dict[str, Item]:
    named: dict[str, Item] = {}
    for item in items:
        if item.name in named:
            raise item.place.error("each name once", f"{shown(item.name)} again")
        named[item.name] = item
    return named


def _check_ids(messages: Iterable[MessageElement]) -> None:
    owners: dict[int, str] = {}
    for message in messages:
        owner = owners.setdefault(message.id, message.name)
        if owner != message.name:
            raise message.place.error("each template id once", f"{message.id}, which stands for {owner}")


def _type(element: Element) -> Type:
    found = _member(element)
    if isinstance(found, Ref):
        raise element.place.error("a type here: ref is for members of a composite", "ref")
    return found


def _member(element: Element) -> Member:
    reader = _MEMBERS.get(element.name)
    if reader is None:
        raise _unexpected(element, _MEMBERS)
    return reader(element)


def _encoded(element: Element) -> Encoded:
    primitive = read.text(element, "primitiveType")
    if primitive not in PRIMITIVES:
        expected = f"primitiveType: one of {', '.join(PRIMITIVES)}"
        raise element.place.error(expected, shown(primitive), nearest(primitive, PRIMITIVES))
    length = read.maybe_number(element, "length", LENGTH_LIMIT)
    value = element.text if primitive == "char" and element.text.strip() == "" else element.text.strip()
    presence = read.presence(element)
    if length is None:
        # A constant text is as long as it is, a type of single values holds one.
        length = max(len(value), 1) if presence == "constant" and primitive == "char" else 1
    greatest = element.attributes.get("maxValue", "").strip()
    return Encoded(
        name=read.text(element, "name"),
        place=element.place,
        offset=read.maybe_number(element, "offset", LENGTH_LIMIT),
        since=_since(element),
        description=_description(element),
        semantic_type=element.attributes.get("semanticType", ""),
        primitive=primitive,
        length=length,
        presence=presence,
        null=element.attributes.get("nullValue"),
        greatest=int(greatest) if greatest.isascii() and greatest.isdecimal() else None,
        value=value,
        value_ref=element.attributes.get("valueRef"),
        character_encoding=element.attributes.get("characterEncoding"),
        time_unit=element.attributes.get("timeUnit"),
    )


def _enumeration(element: Element) -> Enumeration:
    return Enumeration(
        name=read.text(element, "name"),
        place=element.place,
        offset=read.maybe_number(element, "offset", LENGTH_LIMIT),
        since=_since(element),
        description=_description(element),
        semantic_type=element.attributes.get("semanticType", ""),
        encoding=read.text(element, "encodingType"),
        values=_valid(element, "validValue"),
    )


def _set(element: Element) -> BitSet:
    return BitSet(
        name=read.text(element, "name"),
        place=element.place,
        offset=read.maybe_number(element, "offset", LENGTH_LIMIT),
        since=_since(element),
        description=_description(element),
        semantic_type=element.attributes.get("semanticType", ""),
        encoding=read.text(element, "encodingType"),
        choices=_valid(element, "choice"),
    )


def _valid(element: Element, name: str) -> tuple[Valid, ...]:
    values: dict[str, Valid] = {}
    for child in element.children:
        if child.name != name:
            raise _unexpected(child, (name,))
        value = Valid(
            name=read.text(child, "name"),
            text=child.text.strip() or child.text,
            description=_description(child),
            place=child.place,
        )
        if value.name in values:
            raise child.place.error("each name once", f"{shown(value.name)} again")
        if not value.text:
            raise child.place.error(f"what stands for the {name}", "nothing")
        values[value.name] = value
    return tuple(values.values())


def _ref(element: Element) -> Ref:
    return Ref(
        name=read.text(element, "name"),
        place=element.place,
        offset=read.maybe_number(element, "offset", LENGTH_LIMIT),
        since=_since(element),
        type=read.text(element, "type"),
    )


def _composite(element: Element) -> Composite:
    members = tuple(_member(child) for child in element.children)
    if not members:
        raise element.place.error("at least one member of the composite", "none")
    names: set[str] = set()
    for member in members:
        if member.name in names:
            raise member.place.error("each name once", f"{shown(member.name)} again")
        names.add(member.name)
    return Composite(
        name=read.text(element, "name"),
        place=element.place,
        offset=read.maybe_number(element, "offset", LENGTH_LIMIT),
        since=_since(element),
        description=_description(element),
        semantic_type=element.attributes.get("semanticType", ""),
        members=members,
    )


_MEMBERS: Mapping[str, Callable[[Element], Member]] = {
    "type": _encoded,
    "composite": _composite,
    "enum": _enumeration,
    "set": _set,
    "ref": _ref,
}


def _message(element: Element) -> MessageElement:
    return MessageElement(
        name=read.text(element, "name"),
        id=read.number(element, "id", ID_LIMIT),
        block=_block(element),
        place=element.place,
        since=_since(element),
        description=_description(element),
    )


def _block(element: Element) -> BlockElement:
    fields: list[FieldElement] = []
    groups: list[GroupElement] = []
    data: list[DataElement] = []
    for child in element.children:
        match child.name:
            case "field":
                if groups or data:
                    raise child.place.error("fields in front of groups and data", "one behind them")
                fields.append(_field(child))
            case "group":
                if data:
                    raise child.place.error("groups in front of data", "one behind it")
                groups.append(_group(child))
            case "data":
                data.append(_data(child))
            case _:
                raise _unexpected(child, ("field", "group", "data"))
    _check_once([*fields, *groups, *data])
    return BlockElement(
        fields=tuple(fields),
        groups=tuple(groups),
        data=tuple(data),
        block_length=read.maybe_number(element, "blockLength", LENGTH_LIMIT),
        place=element.place,
    )


def _check_once(parts: Iterable[FieldElement | GroupElement | DataElement]) -> None:
    names: set[str] = set()
    for part in parts:
        if part.name in names:
            raise part.place.error("each name once in a block", f"{shown(part.name)} again")
        names.add(part.name)


def _field(element: Element) -> FieldElement:
    return FieldElement(
        name=read.text(element, "name"),
        id=read.maybe_number(element, "id", _VALUE_LIMIT) or 0,
        type=read.text(element, "type"),
        place=element.place,
        offset=read.maybe_number(element, "offset", LENGTH_LIMIT),
        presence=read.presence(element),
        value_ref=element.attributes.get("valueRef"),
        value=element.text.strip(),
        since=_since(element),
        semantic_type=element.attributes.get("semanticType", ""),
        time_unit=element.attributes.get("timeUnit"),
        description=_description(element),
    )


def _group(element: Element) -> GroupElement:
    return GroupElement(
        name=read.text(element, "name"),
        id=read.maybe_number(element, "id", _VALUE_LIMIT) or 0,
        dimension_type=element.attributes.get("dimensionType", "groupSizeEncoding"),
        block=_block(element),
        place=element.place,
        since=_since(element),
        description=_description(element),
    )


def _data(element: Element) -> DataElement:
    return DataElement(
        name=read.text(element, "name"),
        id=read.maybe_number(element, "id", _VALUE_LIMIT) or 0,
        type=read.text(element, "type"),
        place=element.place,
        since=_since(element),
        description=_description(element),
    )


def _since(element: Element) -> int:
    return read.maybe_number(element, "sinceVersion", ID_LIMIT) or 0


def _description(element: Element) -> str:
    return " ".join(element.attributes.get("description", "").split())
