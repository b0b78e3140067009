"""Messages and their fields: what each column of a batch is, and what its values mean.

A user looks them up in `feedhandler.protocol.Protocol.messages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from feedhandler.protocol.kinds import Kind
from feedhandler.protocol.spec import ByteOrder, StepSpec

Value = int | bytes
"""A value as it stands in a column: a number, or text as bytes without the padding at its right end."""

LEADING_COLUMNS = ("seq", "ts_recv_ns", "channel")
"""The columns every table of a batch begins with, whatever the protocol."""


PARENT = "parent"
"""The column behind them in the table of a group: the row of the enclosing table that a row belongs to."""

Constant = int | float | bytes
"""A value that every message has, and which is not on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a message, and so a column of its table.

    Parameters
    ----------
    name
        The specification's name in snake case.
    type
        The built-in type, such as ``u32`` or ``ascii``.
    kind
        What its values are, whatever the width.
    width
        Width in bytes: on the wire for binary messages, of the column for msgpack.
    offset
        Offset in a binary message, or in a block of an SBE message, in bytes. Data of variable length has
        none.
    byte_order
        Byte order of a number in a binary message.
    path
        Way to the value in a msgpack message: positions in arrays and keys of maps.
    scale
        Decimal places of a scaled number: a value of 123400 and a scale of 4 mean 12.34.
    unit
        What one step of the number is, such as ``shares`` or ``ns_since_midnight``.
    null
        The value that stands for "there is none".
    optional
        The field may be missing at the end of a binary message or anywhere in a msgpack message.
    nullable
        A msgpack nil is allowed, and becomes `null`.
    enum
        Meanings by value, the values being what the column holds.
    flags
        Names by bit mask.
    doc
        What the field says.
    tag
        The number by which an SBE schema knows it: FIX's tag.
    since
        Version of the SBE schema that it came with: in older messages it is missing, and `null` stands there.
    """

    name: str
    type: str
    kind: Kind
    width: int
    offset: int | None = None
    byte_order: ByteOrder | None = None
    path: tuple[StepSpec, ...] | None = None
    scale: int | None = None
    unit: str | None = None
    null: Value | None = None
    optional: bool = False
    nullable: bool = False
    enum: Mapping[Value, str] = field(default_factory=lambda: MappingProxyType({}))
    flags: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    doc: str = ""
    tag: int | None = None
    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A type of message, or a repeating group of one, and so a table of a batch.

    Parameters
    ----------
    name
        The specification's name in snake case.
    fields
        Fields by name, in the order of the columns.
    codes
        What tells the message from others, as in the specification: ``A``, ``34``. Empty where it is the
        only one.
    title
        The specification's own heading.
    section
        Where the specification describes it.
    length
        Full length of a binary message in bytes, reserved bytes included; of an SBE message or group, that of
        its block.
    min_length
        Length of a binary message without its optional fields.
    doc
        What the message says.
    parent
        Of a group, the name of the message or group that it is a part of; the rows of the one say in the
        column ``parent`` which row of the other they belong to.
    constants
        What the schema says that every message has, and which is on no wire and in no column.
    """

    name: str
    fields: Mapping[str, Field]
    codes: tuple[str, ...] = ()
    title: str = ""
    section: str = ""
    length: int | None = None
    min_length: int | None = None
    doc: str = ""
    parent: str | None = None
    constants: Mapping[str, Constant] = field(default_factory=lambda: MappingProxyType({}))


def signed_bits(number: int) -> int:
    """Return a number's 64 bits as a signed integer; the greatest unsigned numbers become negative."""
    return number - (1 << 64) if number >= 1 << 63 else number
