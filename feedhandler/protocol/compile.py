"""From a checked declaration to what Rust is given.

The last step of loading: `feedhandler.protocol.loader` keeps the result and hands it out as JSON.
"""

from collections.abc import Mapping
from typing import cast

from feedhandler.protocol.book import Book
from feedhandler.protocol.book_fields import compile_book
from feedhandler.protocol.codes import code_value
from feedhandler.protocol.declaration import Declaration
from feedhandler.protocol.instruments import compile_instruments
from feedhandler.protocol.message import Field, Message, signed_bits
from feedhandler.protocol.spec import (
    BinaryFieldSpec,
    BinaryKind,
    BinaryMessageSpec,
    BinaryMessagesSpec,
    CodeSpec,
    FileSpec,
    FramingSpec,
    IntSpec,
    MsgpackFieldSpec,
    MsgpackKind,
    MsgpackMessageSpec,
    MsgpackMessagesSpec,
    ProtocolSpec,
)


def compile_spec(
    declaration: Declaration,
    framing: FramingSpec,
    file: FileSpec | None,
    messages: Mapping[str, Message],
    book: Book | None,
) -> ProtocolSpec:
    """Return the specification of a protocol whose parts have been checked."""
    compiled = (
        _binary(messages, declaration)
        if declaration.encoding == "binary"
        else _msgpack(messages, declaration)
    )
    compiled_book = None if book is None else compile_book(book, messages)
    instruments = compile_instruments(book, messages)
    return ProtocolSpec(declaration.name, framing, file, compiled, compiled_book, instruments)


def _binary(messages: Mapping[str, Message], declaration: Declaration) -> BinaryMessagesSpec:
    tells = _discriminator(messages, declaration)
    code = None
    if tells is not None:
        assert tells.offset is not None
        assert tells.byte_order is not None
        code = IntSpec(tells.offset, tells.width, tells.byte_order)
    return BinaryMessagesSpec(code, tuple(_binary_message(message, tells) for message in messages.values()))


def _discriminator(messages: Mapping[str, Message], declaration: Declaration) -> Field | None:
    if declaration.discriminator is None:
        return None
    return next(iter(messages.values())).fields[declaration.discriminator]


def _binary_message(message: Message, tells: Field | None) -> BinaryMessageSpec:
    assert message.length is not None
    assert message.min_length is not None
    return BinaryMessageSpec(
        name=message.name,
        codes=_codes(message, tells),
        length=message.length,
        min_length=message.min_length,
        fields=tuple(_binary_field(field) for field in message.fields.values()),
    )


def _codes(message: Message, tells: Field | None) -> tuple[CodeSpec, ...]:
    return tuple(CodeSpec(code_value(text, tells), text) for text in message.codes if tells is not None)


def _binary_field(field: Field) -> BinaryFieldSpec:
    assert field.offset is not None
    assert field.byte_order is not None
    return BinaryFieldSpec(
        name=field.name,
        kind=cast(BinaryKind, field.kind.value),
        offset=field.offset,
        width=field.width,
        byte_order=field.byte_order,
    )


def _msgpack(messages: Mapping[str, Message], declaration: Declaration) -> MsgpackMessagesSpec:
    tells = _discriminator(messages, declaration)
    return MsgpackMessagesSpec(
        None if tells is None else tells.path,
        tuple(
            MsgpackMessageSpec(
                name=message.name,
                codes=_codes(message, tells),
                fields=tuple(_msgpack_field(field) for field in message.fields.values()),
            )
            for message in messages.values()
        ),
    )


def _msgpack_field(field: Field) -> MsgpackFieldSpec:
    assert field.path is not None
    return MsgpackFieldSpec(
        name=field.name,
        path=field.path,
        kind=cast(MsgpackKind, field.kind.value),
        width=field.width,
        optional=field.optional,
        nullable=field.nullable,
        null=signed_bits(field.null) if isinstance(field.null, int) else 0,
    )
