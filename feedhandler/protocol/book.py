"""What the messages of a protocol mean to an order book: the `book` section of a declaration, checked.

The book stage asks here which message adds, takes away or trades, and which of its fields say what. Nothing
of it concerns decode.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType

from feedhandler.protocol.declaration import BookTable, Declaration, EventTable
from feedhandler.protocol.kinds import INTEGERS, BuiltIn, Kind
from feedhandler.protocol.message import Field, Message, Value
from feedhandler.toml import Place, nearest, shown


class Action(StrEnum):
    """What a message does."""

    ADD = "add"
    """A new order rests in the book."""
    REDUCE = "reduce"
    """An order loses `size`, and keeps its place."""
    MODIFY = "modify"
    """An order has this `size`, and this `price` where there is one, from now on."""
    REPLACE = "replace"
    """An order goes, and one with a new identity takes over its side and instrument."""
    DELETE = "delete"
    """An order goes."""
    EXECUTE = "execute"
    """An order loses `size` to a trade, at its own price or at `price` where there is one."""
    TRADE = "trade"
    """A trade that touches no order of the book."""
    TRADE_BREAK = "trade_break"
    """A trade never was."""
    LEVEL = "level"
    """A price has this `size` in all from now on; 0 takes it away."""
    QUOTE = "quote"
    """Best bid and offer."""
    DIRECTORY = "directory"
    """An instrument's symbol."""
    CLEAR = "clear"
    """An instrument's book is empty."""
    CLEAR_ALL = "clear_all"
    """Every book of the channel is empty."""


NEEDED: Mapping[Action, tuple[str, ...]] = {
    Action.ADD: ("instrument", "order_id", "side", "price", "size"),
    Action.REDUCE: ("order_id", "size"),
    Action.MODIFY: ("order_id", "size"),
    Action.REPLACE: ("order_id", "new_order_id", "price", "size"),
    Action.DELETE: ("order_id",),
    Action.EXECUTE: ("order_id", "size"),
    Action.TRADE: ("instrument", "price", "size"),
    Action.TRADE_BREAK: ("trade_id",),
    Action.LEVEL: ("instrument", "side", "price", "size"),
    Action.QUOTE: ("instrument", "bid_price", "bid_size", "ask_price", "ask_size"),
    Action.DIRECTORY: ("instrument", "symbol"),
    Action.CLEAR: ("instrument",),
    Action.CLEAR_ALL: (),
}
"""What an event of each action cannot do without. Others may be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one message does to the book. Each of the rest is the name of the field that holds it.

    Parameters
    ----------
    message
        Name of the message.
    action
        What it does.
    instrument
        The instrument, in the same terms as in all other events.
    symbol
        The name people know the instrument by.
    order_id, new_order_id
        The order; and what it is called from now on.
    side
        Its side, one of the values of `Book.buy` and `Book.sell`.
    price, size
        Price and size of the order, level or trade.
    bid_price, bid_size, ask_price, ask_size
        A quote.
    trade_id
        The trade.
    printable
        ``N`` or 0 where a trade does not count towards volume.
    complete
        0 while more messages of the same change of the book are to come.
    """

    message: str
    action: Action
    instrument: str | None = None
    symbol: str | None = None
    order_id: str | None = None
    new_order_id: str | None = None
    side: str | None = None
    price: str | None = None
    size: str | None = None
    bid_price: str | None = None
    bid_size: str | None = None
    ask_price: str | None = None
    ask_size: str | None = None
    trade_id: str | None = None
    printable: str | None = None
    complete: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What the messages of a protocol mean to an order book.

    Parameters
    ----------
    events
        By name of the message. A message that is not there has no part in the book.
    buy, sell
        Values of a side field.
    instrument
        Name of the field that names the instrument in every message that has it, where one is declared.
    """

    events: Mapping[str, Event]
    buy: tuple[Value, ...] = ()
    sell: tuple[Value, ...] = ()
    instrument: str | None = None


_ROLES = tuple(field.name for field in fields(Event) if field.name not in {"message", "action"})
_NUMBERS = frozenset({"price", "size", "bid_price", "bid_size", "ask_price", "ask_size"})


def read_book(declaration: Declaration, messages: Mapping[str, Message], place: Place) -> Book | None:
    """Return the book section of a declaration, where it has one.

    Raises
    ------
    InvalidFileError
        It names a message or field that is not there, or an event lacks a field that its action needs.
    """
    table = declaration.book
    if table is None:
        return None
    where = place.at("book")
    events = {name: _event(name, event, table, messages, where) for name, event in table.messages.items()}
    sides = [
        messages[event.message].fields[event.side] for event in events.values() if event.side is not None
    ]
    if table.sides is None:
        if sides:
            raise where.error("the key sides, the values that mean buy and sell", "none")
        return Book(events=MappingProxyType(events), instrument=table.instrument)
    at = where.at("sides")
    buy, sell = _side(table.sides.buy, sides, at.at("buy")), _side(table.sides.sell, sides, at.at("sell"))
    if set(buy) & set(sell):
        raise at.error(
            "other values for buy than for sell", f"{shown((set(buy) & set(sell)).pop())} for both"
        )
    return Book(events=MappingProxyType(events), buy=buy, sell=sell, instrument=table.instrument)


def _event(
    name: str, table: EventTable, book: BookTable, messages: Mapping[str, Message], where: Place
) -> Event:
    at = where.at("messages", name)
    if name not in messages:
        raise at.error("the name of a message", "none such", nearest(name, messages))
    action, message = Action(table.action), messages[name]
    roles = {role: getattr(table, role) for role in _ROLES}
    if roles["instrument"] is None and book.instrument in message.fields:
        roles["instrument"] = book.instrument
    for role in NEEDED[action]:
        if roles[role] is None:
            raise at.error(f"the key {role}, which {action} needs", "none")
    for role, field in roles.items():
        if field is not None:
            _check_field(role, field, message, at.at(role))
    return Event(message=name, action=action, **roles)


def _check_field(role: str, name: str, message: Message, place: Place) -> None:
    if name not in message.fields:
        raise place.error(f"a field of {message.name}", shown(name), nearest(name, message.fields))
    field = message.fields[name]
    if role in _NUMBERS and field.kind not in INTEGERS | {Kind.FLOAT}:
        raise place.error(f"a number for {role}", f"{name} of type {field.type}")


def _side(declared: str | int | tuple[str | int, ...], sides: list[Field], place: Place) -> tuple[Value, ...]:
    values = declared if isinstance(declared, tuple) else (declared,)
    for value in values:
        for field in sides:
            if not _can_hold(field, value):
                raise place.error(f"a value that {field.name} ({field.type}) can hold", shown(value))
    return tuple(value if isinstance(value, int) else value.encode() for value in values)


def _can_hold(field: Field, value: str | int) -> bool:
    if field.kind in INTEGERS:
        least, greatest = BuiltIn(field.kind, field.width).limits
        return isinstance(value, int) and least <= value <= greatest
    return isinstance(value, str) and value.isascii() and len(value) <= field.width
