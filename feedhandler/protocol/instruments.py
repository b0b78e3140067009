"""Where messages say what instrument they are about: what a filter by instrument looks at.

The `book` section of a declaration says it for the messages of a book; other messages that have a field of
the same name mean the same by it. `feedhandler.filter` asks here what names an instrument can have.
"""

from collections.abc import Iterator, Mapping

from feedhandler.protocol.book import Action, Book
from feedhandler.protocol.book_fields import NAME_LIMIT_BYTES
from feedhandler.protocol.kinds import INTEGERS, TEXTS
from feedhandler.protocol.message import Field, Message, signed_bits
from feedhandler.protocol.spec import InstrumentSpec


def compile_instruments(book: Book | None, messages: Mapping[str, Message]) -> tuple[InstrumentSpec, ...]:
    """Return what Rust is told of the messages that name their instrument."""
    if book is None:
        return ()
    return tuple(_compile(message, book) for message in messages.values() if _field(message, book))


def _compile(message: Message, book: Book) -> InstrumentSpec:
    field = _field(message, book)
    assert field is not None
    null = signed_bits(field.null) if field.kind in INTEGERS and isinstance(field.null, int) else None
    return InstrumentSpec(message.name, field.name, null, _symbol(message, field, book))


def _field(message: Message, book: Book) -> Field | None:
    """Return the field that names the instrument a message is about, where it has one that can be used."""
    event = book.events.get(message.name)
    if event is not None and event.instrument is not None:
        return _usable(message.fields[event.instrument])
    return next(_usable_fields(message, _names(book, "instrument")), None)


def _symbol(message: Message, instrument: Field, book: Book) -> str | None:
    """Return the field with the symbol that people know, where the message has one besides the instrument."""
    fields = _usable_fields(message, _names(book, "symbol"))
    return next((field.name for field in fields if field.kind in TEXTS and field != instrument), None)


def _names(book: Book, role: str) -> dict[str, None]:
    """Return the names of the fields that events say a role's fields are, in their order."""
    events = book.events.values()
    declared = [book.instrument] if role == "instrument" else []
    said = [getattr(event, role) for event in events if role != "symbol" or event.action is Action.DIRECTORY]
    return dict.fromkeys(name for name in declared + said if name is not None)


def _usable_fields(message: Message, names: Mapping[str, None]) -> Iterator[Field]:
    fields = (_usable(message.fields[name]) for name in names if name in message.fields)
    return (field for field in fields if field is not None)


def _usable(field: Field) -> Field | None:
    is_name = field.kind in INTEGERS or (field.kind in TEXTS and field.width <= NAME_LIMIT_BYTES)
    return field if is_name else None
