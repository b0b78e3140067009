"""A protocol declaration as its author writes it: the tables and keys of the TOML file, typed and frozen.

Nothing is worked out here; `feedhandler.protocol.framing` and `feedhandler.protocol.layout` give these
tables their meaning. The format is described for authors in ``docs/declarations.md``.
"""

from typing import Annotated, Literal

import msgspec

HeaderEncoding = Literal["binary", "msgpack"]
Encoding = Literal["binary", "msgpack", "sbe"]
Order = Literal["big", "little"]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Signed64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class IntKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step by an integer key of a msgpack map, where a bare integer would be a position in an array."""

    key: Signed64


Step = str | int | IntKey


class TypeTable(msgspec.Struct, frozen=True, kw_only=True):
    """A type under a name of its own (``[types.NAME]``): a built-in type and what its values mean."""

    type: str
    length: int | None = None
    byte_order: Order | None = None
    scale: int | None = None
    unit: str | None = None
    null: int | str | None = None
    nullable: bool | None = None
    enum: dict[str, str] | None = None
    flags: dict[str, str] | None = None
    doc: str | None = None


class FieldTable(TypeTable, frozen=True, kw_only=True):
    """A field of a message. What it leaves open comes from the named type; what it says goes before that."""

    name: str | None = None
    offset: Natural | None = None
    path: str | int | tuple[Step, ...] | None = None
    optional: bool = False


class MessageTable(msgspec.Struct, frozen=True, kw_only=True):
    """A message (``[messages.NAME]``), its fields in wire order."""

    fields: tuple[FieldTable, ...] = ()
    code: str | int | tuple[str | int, ...] = ()
    title: str = ""
    section: str = ""
    length: int | None = None
    layout: Literal["array", "map"] | None = None
    doc: str = ""


class CommonTable(msgspec.Struct, frozen=True, kw_only=True):
    """What every message begins with."""

    fields: tuple[FieldTable, ...] = ()


class HeaderFieldTable(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a packet header or of the header of a message block."""

    type: str
    name: str | None = None
    role: (
        Literal[
            "session",
            "unit",
            "sequence",
            "count",
            "send_time",
            "send_time_seconds",
            "payload_length",
            "length",
        ]
        | None
    ) = None
    length: int | None = None
    byte_order: Order | None = None
    offset: Natural | None = None
    excludes: Natural | None = None
    expect: tuple[int, ...] = ()
    heartbeat: tuple[int, ...] = ()
    end_of_session: tuple[int, ...] = ()
    session_reset: tuple[int, ...] = ()
    unsequenced: tuple[int, ...] = ()
    doc: str = ""


class FramingTable(msgspec.Struct, frozen=True, kw_only=True):
    """How datagrams are framed and sequenced."""

    name: str
    counts: Literal["messages", "packets", "nothing"]
    delimiter: Literal["whole", "length", "msgpack", "msgpack_array", "sbe"]
    first_sequence: Natural = 1
    header_encoding: HeaderEncoding = "binary"
    header: tuple[HeaderFieldTable, ...] = ()
    block: tuple[HeaderFieldTable, ...] = ()


class FileTable(msgspec.Struct, frozen=True, kw_only=True):
    """How messages stand in a file of bare messages."""

    block: tuple[HeaderFieldTable, ...]
    zero_length: Literal["empty", "by_type"] = "empty"


class EventTable(msgspec.Struct, frozen=True, kw_only=True):
    """What a message does to the book, and which of its fields say so."""

    action: Literal[
        "add",
        "reduce",
        "modify",
        "replace",
        "delete",
        "execute",
        "trade",
        "trade_break",
        "level",
        "quote",
        "directory",
        "clear",
        "clear_all",
    ]
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


class SidesTable(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a side field."""

    buy: str | int | tuple[str | int, ...]
    sell: str | int | tuple[str | int, ...]


class BookTable(msgspec.Struct, frozen=True, kw_only=True):
    """What the messages mean to an order book."""

    instrument: str | None = None
    sides: SidesTable | None = None
    messages: dict[str, EventTable] = {}


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file."""

    name: str
    encoding: Encoding
    framing: FramingTable
    messages: dict[str, MessageTable] = {}
    schema: str | None = None
    data_bytes: Annotated[int, msgspec.Meta(ge=1, le=65_507)] = 64
    title: str = ""
    version: str = ""
    specification: str = ""
    byte_order: Order | None = None
    discriminator: str | None = None
    types: dict[str, TypeTable] = {}
    common: CommonTable = CommonTable()
    file: FileTable | None = None
    book: BookTable | None = None
