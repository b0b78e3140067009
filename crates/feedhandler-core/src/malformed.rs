//! Why a packet or a message could not be used. Bad wire data is counted under these names and never stops the feed.

use serde::Serialize;

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The packet is shorter than its header.
    ShortHeader,
    /// A header field holds a value of another protocol or version.
    UnexpectedValue,
    /// The payload length in the header does not agree with the datagram.
    PayloadLength,
    /// A message's length runs beyond the packet, or is too small to hold itself.
    BlockLength,
    /// The header counts more messages than the packet holds.
    CountTooLarge,
    /// The header counts fewer messages than the array that holds them.
    CountTooSmall,
    /// The datagram was larger than the ring's slot and was cut off.
    DatagramCutOff,
    /// One stray packet was ahead of the sequence that went on without it.
    ImplausibleSequence,
    /// One stray packet was of a session that nothing else was of.
    ImplausibleSession,
    /// A packet of one more unit than can be told apart.
    TooManyUnits,
    /// A message is shorter than its type's fields.
    MessageTooShort,
    /// A group of an SBE message counts more entries than the message holds.
    GroupCount,
    /// Variable-length data of an SBE message runs beyond the message.
    DataLength,
    /// A msgpack value ends before it is complete.
    Incomplete,
    /// A byte that no msgpack value begins with (0xc1).
    ReservedByte,
    /// A msgpack value is of a kind that the column cannot hold.
    WrongKind,
    /// A number does not fit the column.
    OutOfRange,
    /// Text or binary is longer than the column.
    TooLong,
    /// A field that is not optional is missing.
    MissingField,
    /// A key of a msgpack map comes twice.
    RepeatedKey,
}

impl Reason {
    /// The name used in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ShortHeader => "short_header",
            Self::UnexpectedValue => "unexpected_value",
            Self::PayloadLength => "payload_length",
            Self::BlockLength => "block_length",
            Self::CountTooLarge => "count_too_large",
            Self::CountTooSmall => "count_too_small",
            Self::DatagramCutOff => "datagram_cut_off",
            Self::ImplausibleSequence => "implausible_sequence",
            Self::ImplausibleSession => "implausible_session",
            Self::TooManyUnits => "too_many_units",
            Self::MessageTooShort => "message_too_short",
            Self::GroupCount => "group_count",
            Self::DataLength => "data_length",
            Self::Incomplete => "incomplete",
            Self::ReservedByte => "reserved_byte",
            Self::WrongKind => "wrong_kind",
            Self::OutOfRange => "out_of_range",
            Self::TooLong => "too_long",
            Self::MissingField => "missing_field",
            Self::RepeatedKey => "repeated_key",
        }
    }
}
