"""Message type codes: how messages are told apart, on the wire and by people.

`feedhandler.protocol.layout` has put the fields in their place; here the discriminator is found to stand in
the same one in every message.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from feedhandler.protocol.declaration import Declaration
from feedhandler.protocol.kinds import INTEGERS, BuiltIn, Kind
from feedhandler.protocol.message import Field, Message
from feedhandler.toml import Place, nearest, shown

_CAN_TELL = INTEGERS | {Kind.CHAR, Kind.ASCII, Kind.STR}

BINARY_CODE_LIMIT = 0xFFFF
"""Codes of fixed fields are looked up in a table: one or two bytes, whatever the field's width."""


def with_codes(
    messages: Mapping[str, Message], declaration: Declaration, place: Place
) -> Mapping[str, Message]:
    """Return the messages with their codes as text.

    Raises
    ------
    InvalidFileError
        The discriminator is missing or stands elsewhere in some message; a code is missing, wrong, or
        taken.
    """
    if declaration.discriminator is None:
        return _without_codes(messages, declaration, place)
    taken: dict[int | str, str] = {}
    first: Field | None = None
    coded: dict[str, Message] = {}
    for name, message in messages.items():
        where = place.at("messages", name)
        field = _discriminator(message, declaration.discriminator, where)
        first = first or field
        if _stands(field) != _stands(first):
            raise where.error(
                f"{field.name} where {next(iter(messages))} has it", "it elsewhere, or of another type"
            )
        coded[name] = replace(message, codes=_codes(field, declaration, taken, name, where.at("code")))
    return MappingProxyType(coded)


def code_value(text: str, discriminator: Field) -> int | str:
    """Return a code as it stands on the wire.

    Parameters
    ----------
    text
        The code as in the specification.
    discriminator
        The field that holds it.

    Returns
    -------
    int | str
        The number that the bytes of the field make; text for a msgpack string.
    """
    if discriminator.kind is Kind.STR:
        return text
    if discriminator.kind in INTEGERS:
        return int(text)
    return int.from_bytes(text.encode("ascii").ljust(discriminator.width))


def _without_codes(
    messages: Mapping[str, Message], declaration: Declaration, place: Place
) -> Mapping[str, Message]:
    if len(messages) > 1:
        raise place.error("the key discriminator, the field that tells messages apart", "none")
    for name in messages:
        code = declaration.messages[name].code
        if code != ():
            raise place.at("messages", name, "code").error(
                "no code, as there is no discriminator", shown(code)
            )
    return messages


def _discriminator(message: Message, name: str, where: Place) -> Field:
    field = message.fields.get(name)
    if field is None:
        raise where.at("fields").error(f"the discriminator {name!r}", "none", nearest(name, message.fields))
    if field.kind not in _CAN_TELL or (field.kind is Kind.ASCII and field.width > 2):
        raise where.error(f"an integer or short text for the discriminator {name!r}", f"type {field.type}")
    if field.optional or field.nullable:
        raise where.error(f"a discriminator {name!r} that is always there", "an optional field")
    return field


def _stands(field: Field) -> object:
    return field.offset, field.width, field.byte_order, field.path, field.kind


def _codes(
    field: Field, declaration: Declaration, taken: dict[int | str, str], message: str, place: Place
) -> tuple[str, ...]:
    declared = declaration.messages[message].code
    codes = declared if isinstance(declared, tuple) else (declared,)
    if not codes:
        raise place.error(f"at least one value of {field.name}", "none")
    texts = []
    for code in codes:
        text = _text(code, field, place)
        owner = taken.setdefault(code_value(text, field), message)
        if owner != message or text in texts:
            raise place.error("each code once", f"{shown(code)}, which stands for {owner}")
        texts.append(text)
    return tuple(texts)


def _text(code: int | str, field: Field, place: Place) -> str:
    if field.kind in INTEGERS:
        least, greatest = BuiltIn(field.kind, field.width).limits
        if field.path is None:
            least, greatest = 0, min(greatest, BINARY_CODE_LIMIT)
        greatest = min(greatest, (1 << 63) - 1)
        if isinstance(code, int) and least <= code <= greatest:
            return str(code)
        raise place.error(f"an integer, {least} to {greatest}", shown(code))
    limit = 1 if field.kind is Kind.CHAR else field.width
    if not isinstance(code, str) or not code.isascii() or not 1 <= len(code) <= limit:
        raise place.error("one character" if limit == 1 else f"1 to {limit} ASCII characters", shown(code))
    return code
