"""A protocol as it is handed to Rust: every default resolved, nothing implied.

The Python side of ``crates/feedhandler-core/src/spec.rs``, where each of these types is described. They
travel as JSON.
"""

from typing import Literal

import msgspec

ByteOrder = Literal["big", "little"]
BinaryKind = Literal["uint", "int", "float", "char", "ascii", "bytes"]
MsgpackKind = Literal["uint", "int", "float", "bool", "str", "bin", "timestamp"]


class IntSpec(msgspec.Struct, frozen=True):
    """An unsigned integer at a fixed offset."""

    offset: int
    width: int
    byte_order: ByteOrder


class SessionSpec(msgspec.Struct, frozen=True):
    """How a session is named in a packet header."""

    offset: int
    width: int
    kind: Literal["ascii", "uint_big", "uint_little"]


class PayloadLengthSpec(msgspec.Struct, frozen=True):
    """A payload length in the header."""

    field: IntSpec
    excludes: int


class ExpectSpec(msgspec.Struct, frozen=True):
    """A header field that must hold one of the values."""

    name: str
    field: IntSpec
    values: tuple[int, ...]


class MatchSpec(msgspec.Struct, frozen=True):
    """A header field and the values that mean something."""

    field: IntSpec
    values: tuple[int, ...]


class MatchPositionSpec(msgspec.Struct, frozen=True):
    """A position in a msgpack header and the values that mean something."""

    position: int
    values: tuple[int, ...]


class NoHeaderSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="none"):
    """The datagram is messages from its first byte."""


class BinaryHeaderSpec(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="binary"):
    """Header fields at fixed offsets."""

    bytes: int
    session: SessionSpec | None = None
    sequence: IntSpec | None = None
    count: IntSpec | None = None
    send_time: IntSpec | None = None
    send_time_seconds: IntSpec | None = None
    payload_length: PayloadLengthSpec | None = None
    expect: tuple[ExpectSpec, ...] = ()
    heartbeat: MatchSpec | None = None
    end_of_session: MatchSpec | None = None
    unit: IntSpec | None = None
    session_reset: MatchSpec | None = None
    unsequenced: MatchSpec | None = None


class MsgpackHeaderSpec(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="msgpack"):
    """One msgpack array in front of the messages; numbers are positions in it."""

    length: int
    session: int | None = None
    sequence: int | None = None
    count: int | None = None
    send_time: int | None = None
    send_time_seconds: int | None = None
    heartbeat: MatchPositionSpec | None = None
    end_of_session: MatchPositionSpec | None = None


class WholeSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="whole"):
    """The payload is one message."""


class LengthSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="length"):
    """A length stands in each message block."""

    field: IntSpec
    excludes: int
    data_offset: int


class MsgpackSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="msgpack"):
    """Each message is one msgpack object, one behind the other."""


class MsgpackArraySpec(msgspec.Struct, frozen=True, tag_field="kind", tag="msgpack_array"):
    """The payload is one msgpack array of messages."""


class SbeMessagesDelimiterSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="sbe"):
    """Each message is one of SBE, one behind the other."""


HeaderSpec = NoHeaderSpec | BinaryHeaderSpec | MsgpackHeaderSpec
DelimiterSpec = WholeSpec | LengthSpec | MsgpackSpec | MsgpackArraySpec | SbeMessagesDelimiterSpec


class FramingSpec(msgspec.Struct, frozen=True):
    """How datagrams are framed and sequenced."""

    name: str
    header: HeaderSpec
    counts: Literal["messages", "packets", "nothing"]
    first_sequence: int
    delimiter: DelimiterSpec


class FileSpec(msgspec.Struct, frozen=True):
    """How messages stand in a file without packets."""

    field: IntSpec
    excludes: int
    data_offset: int
    zero_length_by_type: bool


class CodeSpec(msgspec.Struct, frozen=True):
    """A message type's code: on the wire, and as people write it."""

    value: int | str
    text: str


class BinaryFieldSpec(msgspec.Struct, frozen=True):
    """A field at a fixed offset."""

    name: str
    kind: BinaryKind
    offset: int
    width: int
    byte_order: ByteOrder


class BinaryMessageSpec(msgspec.Struct, frozen=True):
    """A message whose fields stand at fixed offsets."""

    name: str
    codes: tuple[CodeSpec, ...]
    length: int
    min_length: int
    fields: tuple[BinaryFieldSpec, ...]


class IntKeySpec(msgspec.Struct, frozen=True):
    """A step by an integer key of a map."""

    key: int


StepSpec = int | str | IntKeySpec


class MsgpackFieldSpec(msgspec.Struct, frozen=True):
    """A value inside a msgpack object."""

    name: str
    path: tuple[StepSpec, ...]
    kind: MsgpackKind
    width: int
    optional: bool
    nullable: bool
    null: int


class MsgpackMessageSpec(msgspec.Struct, frozen=True):
    """A message that is a msgpack object."""

    name: str
    codes: tuple[CodeSpec, ...]
    fields: tuple[MsgpackFieldSpec, ...]


class BinaryMessagesSpec(msgspec.Struct, frozen=True, tag_field="encoding", tag="binary"):
    """Messages with fields at fixed offsets."""

    code: IntSpec | None
    messages: tuple[BinaryMessageSpec, ...]


class MsgpackMessagesSpec(msgspec.Struct, frozen=True, tag_field="encoding", tag="msgpack"):
    """Messages that are msgpack objects."""

    code: tuple[StepSpec, ...] | None
    messages: tuple[MsgpackMessageSpec, ...]


class SbeHeaderSpec(msgspec.Struct, frozen=True):
    """The header in front of each message."""

    bytes: int
    block_length: IntSpec
    template_id: IntSpec
    schema_id: IntSpec | None
    version: IntSpec | None


class SbeFieldSpec(msgspec.Struct, frozen=True):
    """A fixed field."""

    field: BinaryFieldSpec
    since: int
    null: int


class SbeDimensionSpec(msgspec.Struct, frozen=True):
    """What stands in front of a group's entries."""

    bytes: int
    block_length: IntSpec
    num_in_group: IntSpec


class SbeDataSpec(msgspec.Struct, frozen=True):
    """Data of variable length."""

    name: str
    length_name: str
    since: int
    length: IntSpec
    data_offset: int
    capacity: int
    is_text: bool


class SbeBlockSpec(msgspec.Struct, frozen=True):
    """The root of a message, or an entry of a group."""

    name: str
    length: int
    fields: tuple[SbeFieldSpec, ...]
    groups: tuple["SbeGroupSpec", ...]
    data: tuple[SbeDataSpec, ...]


class SbeGroupSpec(msgspec.Struct, frozen=True):
    """A repeating group."""

    since: int
    dimension: SbeDimensionSpec
    block: SbeBlockSpec


class SbeMessageSpec(msgspec.Struct, frozen=True):
    """A message."""

    code: CodeSpec
    block: SbeBlockSpec


class SbeMessagesSpec(msgspec.Struct, frozen=True, tag_field="encoding", tag="sbe"):
    """Messages of FIX Simple Binary Encoding."""

    header: SbeHeaderSpec
    schema_id: int
    version: int
    messages: tuple[SbeMessageSpec, ...]


MessagesSpec = BinaryMessagesSpec | MsgpackMessagesSpec | SbeMessagesSpec


class BookColumnSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column that a book reads."""

    column: str
    null: int | None = None
    factor: int | None = None


class BookEventSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a message does to a book, and which of its columns say so."""

    message: str
    action: str
    instrument: BookColumnSpec | None = None
    symbol: BookColumnSpec | None = None
    order_id: BookColumnSpec | None = None
    new_order_id: BookColumnSpec | None = None
    side: BookColumnSpec | None = None
    price: BookColumnSpec | None = None
    size: BookColumnSpec | None = None
    bid_price: BookColumnSpec | None = None
    bid_size: BookColumnSpec | None = None
    ask_price: BookColumnSpec | None = None
    ask_size: BookColumnSpec | None = None
    complete: BookColumnSpec | None = None


class BookSpec(msgspec.Struct, frozen=True):
    """What messages do to books."""

    events: tuple[BookEventSpec, ...]
    buy: tuple[int | str, ...]
    sell: tuple[int | str, ...]


class InstrumentSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a message says what instrument it is about."""

    message: str
    column: str
    null: int | None = None
    symbol: str | None = None


class ProtocolSpec(msgspec.Struct, frozen=True):
    """A whole protocol."""

    name: str
    framing: FramingSpec
    file: FileSpec | None
    messages: MessagesSpec
    book: BookSpec | None = None
    instruments: tuple[InstrumentSpec, ...] = ()
