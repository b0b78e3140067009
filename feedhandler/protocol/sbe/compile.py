"""From a schema to the tables of its messages and what Rust is given: the last step."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from feedhandler.protocol.message import Message
from feedhandler.protocol.sbe.blocks import Block
from feedhandler.protocol.sbe.leaves import Types
from feedhandler.protocol.sbe.names import message_names
from feedhandler.protocol.sbe.schema import MessageElement, Schema
from feedhandler.protocol.spec import CodeSpec, SbeHeaderSpec, SbeMessageSpec, SbeMessagesSpec
from feedhandler.toml import shown

_TABLES_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages of a schema.

    Parameters
    ----------
    tables
        Messages and their groups, by name, in the order of the tables.
    spec
        What Rust is told.
    """

    tables: Mapping[str, Message]
    spec: SbeMessagesSpec


def compile_schema(schema: Schema, data_bytes: int) -> Messages:
    """Return the messages of a schema.

    Parameters
    ----------
    schema
        As it was read.
    data_bytes
        How much of data of variable length a column has room for.

    Raises
    ------
    DeclarationError
        It refers to what is not there, or says what cannot be meant; the error names file and line.
    """
    block = Block(Types(schema.types), schema.byte_order, data_bytes)
    header = _header(schema, block)
    names = message_names(schema.messages)
    tables: dict[str, Message] = {}
    specs: list[SbeMessageSpec] = []
    for element in schema.messages:
        table = block.table(element.block, _head(element, names[element.id], header))
        for message in table.all():
            if message.name in tables:
                raise element.place.error("each name once", f"{shown(message.name)} again")
            tables[message.name] = message
        specs.append(SbeMessageSpec(CodeSpec(element.id, str(element.id)), table.spec))
    if len(tables) > _TABLES_LIMIT:
        raise schema.place.error(f"at most {_TABLES_LIMIT} messages and groups", shown(len(tables)))
    spec = SbeMessagesSpec(header, schema.id, schema.version, tuple(specs))
    return Messages(MappingProxyType(tables), spec)


def _header(schema: Schema, block: Block) -> SbeHeaderSpec:
    specs, size = block.numbers(schema.header_type, ("blockLength", "templateId"), schema.place)
    return SbeHeaderSpec(
        bytes=size,
        block_length=specs["blockLength"],
        template_id=specs["templateId"],
        schema_id=specs.get("schemaId"),
        version=specs.get("version"),
    )


def _head(element: MessageElement, name: str, header: SbeHeaderSpec) -> Message:
    limit = (1 << 8 * header.template_id.width) - 1
    if element.id > limit:
        raise element.place.error(f"a template id that the header can hold, 0 to {limit}", shown(element.id))
    return Message(
        name=name,
        fields=MappingProxyType({}),
        codes=(str(element.id),),
        title=element.name,
        doc=element.description,
    )
