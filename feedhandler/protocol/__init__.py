"""Protocol declarations: files that say what is on the wire, loaded, checked and compiled once.

General layout, in the order a declaration passes through: `declaration` is the file as its author writes
it, `kinds`, `meaning`, `layout`, `paths` and `codes` make `message` of it, `header` and `framing` the rest
of `spec`, and `compile` puts together what Rust is given; `book` and `instruments` stand beside it. The
messages of an SBE schema are made by `sbe`. `loader` drives them all. What other modules need is here.
"""

from feedhandler.protocol.book import Action, Book, Event
from feedhandler.protocol.kinds import Kind
from feedhandler.protocol.loader import Protocol, load, needs_schema, shipped
from feedhandler.protocol.message import LEADING_COLUMNS, Field, Message, Value

__all__ = [
    "LEADING_COLUMNS",
    "Action",
    "Book",
    "Event",
    "Field",
    "Kind",
    "Message",
    "Protocol",
    "Value",
    "load",
    "needs_schema",
    "shipped",
]
