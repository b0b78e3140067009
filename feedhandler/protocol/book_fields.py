"""Which fields a book can be kept with, and how they are handed to Rust.

`feedhandler.protocol.book` has made sure that every field is there; this module looks at what they hold.
Trades touch no book: their fields may be anything.
"""

from collections.abc import Iterator, Mapping

from feedhandler.protocol.book import Action, Book, Event
from feedhandler.protocol.kinds import INTEGERS, TEXTS, Kind
from feedhandler.protocol.message import Field, Message, Value, signed_bits
from feedhandler.protocol.spec import BookColumnSpec, BookEventSpec, BookSpec
from feedhandler.toml import Place, shown

ORDER_ACTIONS = frozenset(
    {Action.ADD, Action.REDUCE, Action.MODIFY, Action.REPLACE, Action.DELETE, Action.EXECUTE}
)
"""What makes a book of orders."""
BOOK_ACTIONS = ORDER_ACTIONS | {
    Action.LEVEL,
    Action.QUOTE,
    Action.DIRECTORY,
    Action.CLEAR,
    Action.CLEAR_ALL,
}
"""What changes a book."""

NAME_LIMIT_BYTES = 32
"""Longest text that names an instrument."""
WORD_BYTES = 8
"""Longest text that names an order or a side."""

_TEXT_LIMITS_BYTES: Mapping[str, int] = {
    "instrument": NAME_LIMIT_BYTES,
    "symbol": NAME_LIMIT_BYTES,
    "order_id": WORD_BYTES,
    "new_order_id": WORD_BYTES,
    "side": WORD_BYTES,
}
_PRICES = ("price", "bid_price", "ask_price")
_SIZES = ("size", "bid_size", "ask_size")
_COLUMNS = tuple(name for name in BookEventSpec.__struct_fields__ if name not in {"message", "action"})


def check_fields(book: Book, messages: Mapping[str, Message], where: Place) -> None:
    """Check that a book can be kept with the fields that its events name.

    Raises
    ------
    InvalidFileError
        A field is of a type that has no place in a book, or two fields do not go together.
    """
    of_books = [event for event in book.events.values() if event.action in BOOK_ACTIONS]
    for event in of_books:
        for role, field in _fields(event, messages, _COLUMNS):
            _check_kind(event, role, field, where.at("messages", event.message, role))
    _check_one_kind_of_book(of_books, where)
    for what, roles in (("instrument", ("instrument",)), ("price", _PRICES), ("size", _SIZES)):
        _check_agreement(what, roles, of_books, messages, where)


def compile_book(book: Book, messages: Mapping[str, Message]) -> BookSpec | None:
    """Return what Rust is told of a book; None where there are only trades, which make none."""
    events = [event for event in book.events.values() if event.action in BOOK_ACTIONS]
    if not events:
        return None
    scale = price_scale(book, messages)
    return BookSpec(
        tuple(_compile_event(event, messages, scale) for event in events),
        tuple(map(_text, book.buy)),
        tuple(map(_text, book.sell)),
    )


def price_scale(book: Book, messages: Mapping[str, Message]) -> int | None:
    """Return the decimal places of the prices of a book: the most that any message has; None for none."""
    events = [event for event in book.events.values() if event.action in BOOK_ACTIONS]
    fields = [field for event in events for _, field in _fields(event, messages, _PRICES)]
    return max((field.scale for field in fields if field.scale is not None), default=None)


def _fields(
    event: Event, messages: Mapping[str, Message], roles: tuple[str, ...]
) -> Iterator[tuple[str, Field]]:
    for role in roles:
        name = getattr(event, role)
        if name is not None:
            yield role, messages[event.message].fields[name]


def _check_kind(event: Event, role: str, field: Field, place: Place) -> None:
    found = f"{field.name} of type {field.type}"
    if role == "complete" and event.action is not Action.LEVEL:
        raise place.error("no key complete, which only level has", shown(field.name))
    if role == "size" and event.action in ORDER_ACTIONS and field.kind is Kind.FLOAT:
        raise place.error("an integer for the size of an order, which is added and subtracted", found)
    limit = _TEXT_LIMITS_BYTES.get(role)
    if limit is None:
        if role == "complete" and field.kind not in INTEGERS:
            raise place.error("an integer for complete", found)
    elif field.kind in TEXTS:
        if field.width > limit:
            raise place.error(f"at most {limit} bytes of {role}", f"{found} of {field.width} bytes")
    elif role == "symbol":
        raise place.error("text for symbol", found)
    elif field.kind not in INTEGERS:
        raise place.error(f"an integer or text for {role}", found)


def _check_one_kind_of_book(events: list[Event], where: Place) -> None:
    orders = [event for event in events if event.action in ORDER_ACTIONS]
    for level in (event for event in events if event.action is Action.LEVEL):
        if orders:
            at = where.at("messages", level.message, "action")
            other = f"level here and {orders[0].action} in {orders[0].message}"
            raise at.error("books made of orders or of levels", other)


def _check_agreement(
    what: str, roles: tuple[str, ...], events: list[Event], messages: Mapping[str, Message], where: Place
) -> None:
    """Check that what is compared or put into one column is of one sort and one scale."""
    first: Field | None = None
    for event in events:
        for role, field in _fields(event, messages, roles):
            if first is None:
                first = field
            elif _sort(field) != _sort(first) and not (what == "price" and _are_scaled(field, first)):
                at = where.at("messages", event.message, role)
                raise at.error(f"{_sort(first)}, as every {what} of a book is", f"{_sort(field)}")


def _are_scaled(*fields: Field) -> bool:
    """Whether the fields differ in their scale at most, so that one scale can be made of them."""
    return all(field.scale is not None for field in fields)


def _sort(field: Field) -> str:
    if field.kind in TEXTS:
        return "text"
    if field.kind is Kind.FLOAT:
        return "a float"
    return "an integer" if field.scale is None else f"an integer of scale {field.scale}"


def _compile_event(event: Event, messages: Mapping[str, Message], scale: int | None) -> BookEventSpec:
    columns = {
        role: BookColumnSpec(
            field.name,
            _null(field) if role in _PRICES + _SIZES else None,
            _factor(field, scale) if role in _PRICES else None,
        )
        for role, field in _fields(event, messages, _COLUMNS)
    }
    return BookEventSpec(message=event.message, action=event.action.value, **columns)


def _factor(field: Field, scale: int | None) -> int | None:
    """Return what a price is multiplied with to have the scale of all, where it has another."""
    if scale is None or field.scale is None or field.scale == scale:
        return None
    return int(10 ** (scale - field.scale))


def _null(field: Field) -> int | None:
    return signed_bits(field.null) if isinstance(field.null, int) else None


def _text(value: Value) -> int | str:
    return value if isinstance(value, int) else value.decode()
