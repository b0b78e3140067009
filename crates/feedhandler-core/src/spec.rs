//! A protocol declaration as the Python loader hands it over: every default resolved, nothing implied.
//!
//! These types are the contract between `feedhandler/protocol/`, which reads and checks a declaration, and
//! [`crate::plan`], which compiles it. They travel as JSON.

mod sbe;

pub use sbe::{
    SbeBlockSpec, SbeDataSpec, SbeDimensionSpec, SbeFieldSpec, SbeGroupSpec, SbeHeaderSpec, SbeMessageSpec, SbeSpec,
};

use serde::{Deserialize, Serialize};

/// A whole protocol: how packets are framed, how messages are told apart, and what is in them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolSpec {
    /// Name the protocol is known by, such as `itch50`.
    pub name: String,
    /// How a datagram is framed.
    pub framing: FramingSpec,
    /// How messages stand in a file of bare messages, where such a form exists.
    pub file: Option<FileSpec>,
    /// The messages.
    pub messages: MessagesSpec,
    /// What messages do to books, where the declaration says so.
    #[serde(default)]
    pub book: Option<BookSpec>,
    /// Where messages say what instrument they are about: those that do.
    #[serde(default)]
    pub instruments: Vec<InstrumentSpec>,
}

/// Byte order of a number on the wire.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ByteOrder {
    /// Most significant byte first.
    Big,
    /// Least significant byte first.
    Little,
}

/// An unsigned integer of 1 to 8 bytes at a fixed offset.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IntSpec {
    /// Offset from the start of what it stands in, in bytes.
    pub offset: usize,
    /// Width, 1 to 8 bytes.
    pub width: usize,
    /// Byte order.
    pub byte_order: ByteOrder,
}

/// How a session is named in a packet header.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSpec {
    /// Offset in the header, in bytes.
    pub offset: usize,
    /// Width, 1 to 16 bytes.
    pub width: usize,
    /// Text, or a number in this byte order.
    pub kind: SessionKind,
}

/// What a session identifier is made of.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// Characters, padded with spaces.
    Ascii,
    /// A big-endian unsigned integer of at most 8 bytes.
    UintBig,
    /// A little-endian unsigned integer of at most 8 bytes.
    UintLittle,
}

/// How datagrams are framed and sequenced.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FramingSpec {
    /// Name of the transport, such as `moldudp64`.
    pub name: String,
    /// The packet header.
    pub header: HeaderSpec,
    /// What the sequence number counts.
    pub counts: SequenceUnit,
    /// Sequence number of the first unit of a session.
    pub first_sequence: u64,
    /// How messages are told apart in the payload behind the header.
    pub delimiter: DelimiterSpec,
}

/// What one step of the sequence number stands for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SequenceUnit {
    /// Each message has a number; a packet carries that of its first.
    Messages,
    /// Each packet has a number.
    Packets,
    /// There is no sequence number: arrival order is all there is, and loss cannot be seen.
    Nothing,
}

/// The header in front of a packet's messages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum HeaderSpec {
    /// No header: the datagram is messages from its first byte.
    None {},
    /// Fields at fixed offsets.
    Binary(Box<BinaryHeaderSpec>),
    /// One msgpack array in front of the messages.
    Msgpack(MsgpackHeaderSpec),
}

/// Header fields at fixed offsets.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryHeaderSpec {
    /// Length of the header in bytes.
    pub bytes: usize,
    /// Session identifier.
    pub session: Option<SessionSpec>,
    /// Sequence number of the packet's first unit.
    pub sequence: Option<IntSpec>,
    /// Number of messages.
    pub count: Option<IntSpec>,
    /// When the sender sent it, or the nanoseconds of the second in which it did.
    pub send_time: Option<IntSpec>,
    /// That second, where it stands in a field of its own.
    #[serde(default)]
    pub send_time_seconds: Option<IntSpec>,
    /// Length of the payload, and how many bytes of the packet it does not cover.
    pub payload_length: Option<PayloadLengthSpec>,
    /// Fields that must hold one of some values, or the packet is of another protocol.
    pub expect: Vec<ExpectSpec>,
    /// Field and values that mark a heartbeat; a count of 0 always does.
    pub heartbeat: Option<MatchSpec>,
    /// Field and values that mark the end of the session.
    pub end_of_session: Option<MatchSpec>,
    /// Which of several sequences in one stream the packet belongs to; one byte.
    #[serde(default)]
    pub unit: Option<IntSpec>,
    /// Field and values that mark a packet with which the sequence starts again.
    #[serde(default)]
    pub session_reset: Option<MatchSpec>,
    /// Field and values that mark packets which stand outside the sequence.
    #[serde(default)]
    pub unsequenced: Option<MatchSpec>,
}

/// One msgpack array in front of the messages; numbers are positions in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MsgpackHeaderSpec {
    /// Elements the array must have at least.
    pub length: usize,
    /// Session identifier: an integer, or a string of at most 16 bytes.
    pub session: Option<usize>,
    /// Sequence number of the packet's first unit.
    pub sequence: Option<usize>,
    /// Number of messages.
    pub count: Option<usize>,
    /// When the sender sent it, or the nanoseconds of the second in which it did.
    pub send_time: Option<usize>,
    /// That second, where it stands in an element of its own.
    #[serde(default)]
    pub send_time_seconds: Option<usize>,
    /// Position and values that mark a heartbeat; a count of 0 always does.
    pub heartbeat: Option<MatchPositionSpec>,
    /// Position and values that mark the end of the session.
    pub end_of_session: Option<MatchPositionSpec>,
}

/// A payload length in the header.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadLengthSpec {
    /// Where it stands.
    pub field: IntSpec,
    /// Bytes of the packet that the length does not count (0 where it is the packet's whole length).
    pub excludes: usize,
}

/// A header field that must hold one of the values.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectSpec {
    /// Name in the declaration, for reports.
    pub name: String,
    /// Where it stands.
    pub field: IntSpec,
    /// What it may hold.
    pub values: Vec<u64>,
}

/// A header field and the values that mean something.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MatchSpec {
    /// Where it stands.
    pub field: IntSpec,
    /// Values that match.
    pub values: Vec<u64>,
}

/// A position in a msgpack header and the values that mean something.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MatchPositionSpec {
    /// Position in the header array.
    pub position: usize,
    /// Values that match.
    pub values: Vec<u64>,
}

/// How one message ends and the next begins.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DelimiterSpec {
    /// The payload is one message.
    Whole {},
    /// A length stands in each message block.
    Length {
        /// Where in the block the length stands.
        field: IntSpec,
        /// Bytes of the block that the length does not count (0 where it is the block's whole length).
        excludes: usize,
        /// Where in the block the message's data begins.
        data_offset: usize,
    },
    /// Each message is one msgpack object, one behind the other.
    Msgpack {},
    /// The payload is one msgpack array of messages.
    MsgpackArray {},
    /// Each message is one of SBE, one behind the other: its counts and lengths tell its end.
    Sbe {},
}

/// How messages stand in a file without packets.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Where in the block the length stands.
    pub field: IntSpec,
    /// Bytes of the block that the length does not count.
    pub excludes: usize,
    /// Where in the block the message's data begins.
    pub data_offset: usize,
    /// A length of 0 stands for "as long as the type says" (otherwise: an empty message).
    pub zero_length_by_type: bool,
}

/// How messages are encoded.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "encoding", rename_all = "lowercase", deny_unknown_fields)]
pub enum MessagesSpec {
    /// Fields at fixed offsets.
    Binary {
        /// Where the message type stands; without it there is one message only.
        code: Option<IntSpec>,
        /// The messages.
        messages: Vec<BinaryMessageSpec>,
    },
    /// msgpack objects.
    Msgpack {
        /// Path to the message type; without it there is one message only.
        code: Option<Vec<StepSpec>>,
        /// The messages.
        messages: Vec<MsgpackMessageSpec>,
    },
    /// FIX Simple Binary Encoding.
    Sbe(SbeSpec),
}

/// A message type's code: how it stands on the wire, and how people write it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CodeSpec {
    /// Value on the wire.
    pub value: CodeValue,
    /// As in the specification: `A`, `32`.
    pub text: String,
}

/// A code's value on the wire.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, Hash)]
#[serde(untagged)]
pub enum CodeValue {
    /// A number (a character is its byte).
    Int(i64),
    /// A msgpack string.
    Text(String),
}

/// A message whose fields stand at fixed offsets.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryMessageSpec {
    /// Name in snake case.
    pub name: String,
    /// Codes that stand for it; empty where there is only one message.
    pub codes: Vec<CodeSpec>,
    /// Full length in bytes, as declared.
    pub length: usize,
    /// Length below which it is malformed: that of the fields that are not optional.
    pub min_length: usize,
    /// Fields, in the order of the columns.
    pub fields: Vec<BinaryFieldSpec>,
}

/// A field at a fixed offset.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryFieldSpec {
    /// Name in snake case.
    pub name: String,
    /// What it is.
    pub kind: BinaryKind,
    /// Offset in the message, in bytes.
    pub offset: usize,
    /// Width in bytes: 1 to 8 for integers, 4 or 8 for floats, any for text.
    pub width: usize,
    /// Byte order of numbers.
    pub byte_order: ByteOrder,
}

/// What a fixed field is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum BinaryKind {
    /// Unsigned integer.
    Uint,
    /// Two's complement integer.
    Int,
    /// IEEE 754.
    Float,
    /// One character, kept as it is.
    Char,
    /// Characters; spaces and zeros at the right end are padding and not part of the value.
    Ascii,
    /// Bytes, kept as they are.
    Bytes,
}

/// One step on the way to a value inside a msgpack object.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum StepSpec {
    /// Position in an array.
    Index(usize),
    /// Key in a map, a string.
    Key(String),
    /// Key in a map, an integer.
    IntKey {
        /// The key.
        key: i64,
    },
}

/// A message that is a msgpack object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MsgpackMessageSpec {
    /// Name in snake case.
    pub name: String,
    /// Codes that stand for it; empty where there is only one message.
    pub codes: Vec<CodeSpec>,
    /// Fields, in the order of the columns.
    pub fields: Vec<MsgpackFieldSpec>,
}

/// A value inside a msgpack object.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MsgpackFieldSpec {
    /// Name in snake case.
    pub name: String,
    /// Way to the value; empty where the message itself is the value.
    pub path: Vec<StepSpec>,
    /// What the column holds.
    pub kind: MsgpackKind,
    /// Width of the column in bytes.
    pub width: usize,
    /// The value may be missing; the column then holds `null`.
    pub optional: bool,
    /// nil is allowed; the column then holds `null`.
    pub nullable: bool,
    /// What stands in the column for nil or missing, as the bits of an integer column (floats: NaN, text: empty).
    pub null: i64,
}

/// What a column made from msgpack holds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MsgpackKind {
    /// Unsigned integer of 1, 2, 4 or 8 bytes.
    Uint,
    /// Signed integer of 1, 2, 4 or 8 bytes.
    Int,
    /// IEEE 754 of 4 or 8 bytes; integers are converted.
    Float,
    /// `true` or `false`.
    Bool,
    /// UTF-8 text of at most `width` bytes.
    Str,
    /// Binary of at most `width` bytes.
    Bin,
    /// Timestamp extension, as signed nanoseconds since 1970.
    Timestamp,
}

/// What messages do to books.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BookSpec {
    /// One a message that has a part in the book; trades have none.
    pub events: Vec<BookEventSpec>,
    /// Values of a side column that mean a buy.
    pub buy: Vec<CodeValue>,
    /// Values of a side column that mean a sell.
    pub sell: Vec<CodeValue>,
}

/// What a message does to a book, and which of its columns say so. An action needs some of them and has no use for others.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BookEventSpec {
    /// Name of the message.
    pub message: String,
    /// What it does.
    pub action: BookAction,
    /// The instrument.
    pub instrument: Option<BookColumnSpec>,
    /// The name people know the instrument by.
    pub symbol: Option<BookColumnSpec>,
    /// The order.
    pub order_id: Option<BookColumnSpec>,
    /// What the order is called from now on.
    pub new_order_id: Option<BookColumnSpec>,
    /// Its side.
    pub side: Option<BookColumnSpec>,
    /// Price of the order or level.
    pub price: Option<BookColumnSpec>,
    /// Size of the order or level, or what an order loses.
    pub size: Option<BookColumnSpec>,
    /// Best bid.
    pub bid_price: Option<BookColumnSpec>,
    /// Size at the best bid.
    pub bid_size: Option<BookColumnSpec>,
    /// Best offer.
    pub ask_price: Option<BookColumnSpec>,
    /// Size at the best offer.
    pub ask_size: Option<BookColumnSpec>,
    /// 0 while more messages of the same change of the book are to come; of levels only.
    pub complete: Option<BookColumnSpec>,
}

/// Where a message says what instrument it is about.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentSpec {
    /// Name of the message.
    pub message: String,
    /// Name of the column that names the instrument, by an integer or text.
    pub column: String,
    /// The value that stands for "about none", as the bits of an integer column.
    pub null: Option<i64>,
    /// Name of the column with the symbol that people know, where the message has one besides.
    pub symbol: Option<String>,
}

/// A column that a book reads.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BookColumnSpec {
    /// Name of the column.
    pub column: String,
    /// The value that stands for "there is none", as the bits of an integer column.
    pub null: Option<i64>,
    /// What a price is multiplied with, so that all prices of the books have one scale.
    #[serde(default)]
    pub factor: Option<i64>,
}

/// What a message does to a book.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum BookAction {
    /// A new order rests in the book.
    Add,
    /// An order loses a size, and keeps its place.
    Reduce,
    /// An order has this size, and this price where there is one, from now on.
    Modify,
    /// An order goes, and one with a new identity takes over its side and instrument.
    Replace,
    /// An order goes.
    Delete,
    /// An order loses a size to a trade, at whatever price.
    Execute,
    /// A price has this size in all from now on; 0 takes it away.
    Level,
    /// Best bid and offer.
    Quote,
    /// An instrument's symbol.
    Directory,
    /// An instrument's book is empty.
    Clear,
    /// Every book of the channel is empty.
    ClearAll,
}
