"""A protocol as plain data: what a machine, or a table for people, is shown of it.

`feedhandler.cli.protocols` prints it.
"""

from typing import Any

import msgspec

from feedhandler.protocol.book import Action, Event
from feedhandler.protocol.kinds import Kind
from feedhandler.protocol.loader import Protocol, declaration
from feedhandler.protocol.message import Field, Message, Value
from feedhandler.tables import Dtype


def summary_of(protocol: Protocol) -> dict[str, Any]:
    """Return what a protocol is called, and how much there is of it."""
    return {
        "name": protocol.name,
        "title": protocol.title,
        "version": protocol.version,
        "specification": protocol.specification,
        "encoding": protocol.encoding,
        "framing": protocol.spec.framing.name,
        "messages": len(protocol.messages),
        "books": books_of(protocol),
    }


def summary_without_schema(name: str) -> dict[str, Any]:
    """Return the same of a shipped protocol whose schema is to be given: its messages are not known."""
    declared = declaration(name)
    return {
        "name": declared.name,
        "title": declared.title,
        "version": declared.version,
        "specification": declared.specification,
        "encoding": declared.encoding,
        "framing": declared.framing.name,
        "messages": None,
        "books": None,
    }


def description_of(protocol: Protocol) -> dict[str, Any]:
    """Return everything that a declaration says, its defaults resolved.

    Returns
    -------
    dict
        Values of text as text; a dtype as numpy writes it, such as ``<u4`` or ``|S8``.
    """
    book = protocol.book
    return summary_of(protocol) | {
        "framing": msgspec.to_builtins(protocol.spec.framing),
        "file": msgspec.to_builtins(protocol.spec.file),
        "messages": [_message(message, protocol.dtypes[name]) for name, message in protocol.messages.items()],
        "book": {} if book is None else {name: _event(event) for name, event in book.events.items()},
    }


def books_of(protocol: Protocol) -> str | None:
    """Return what a book of the protocol is made of: ``orders``, ``levels`` or ``quotes``; None for none."""
    actions = set() if protocol.book is None else {event.action for event in protocol.book.events.values()}
    made_of = {Action.ADD: "orders", Action.LEVEL: "levels", Action.QUOTE: "quotes"}
    return next((what for action, what in made_of.items() if action in actions), None)


def _message(message: Message, dtype: Dtype) -> dict[str, Any]:
    return {
        "name": message.name,
        "title": message.title,
        "section": message.section,
        "codes": list(message.codes),
        "length": message.length,
        "min_length": message.min_length,
        "doc": message.doc,
        "fields": [_field(field, dtype) for field in message.fields.values()],
    }


def _field(field: Field, dtype: Dtype) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.type,
        "dtype": dtype[field.name].str,
        "width": field.width,
        "offset": field.offset,
        "byte_order": field.byte_order if field.kind in _ORDERED else None,
        "path": None if field.path is None else msgspec.to_builtins(field.path),
        "scale": field.scale,
        "unit": field.unit,
        "null": None if field.null is None else _plain(field.null),
        "optional": field.optional,
        "nullable": field.nullable,
        "enum": {str(_plain(value)): meaning for value, meaning in field.enum.items()},
        "flags": {f"{mask:#04x}": name for mask, name in field.flags.items()},
        "doc": field.doc,
    }


_ORDERED = frozenset({Kind.UINT, Kind.INT, Kind.FLOAT})


def _event(event: Event) -> dict[str, str]:
    said = msgspec.to_builtins(event)
    return {role: name for role, name in said.items() if name is not None and role != "message"}


def _plain(value: Value) -> int | str:
    return value if isinstance(value, int) else value.decode("latin-1")
