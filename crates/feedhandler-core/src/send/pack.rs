//! Packs bare messages into packets of a declared framing, such as `MoldUDP64`'s downstream packets.
//!
//! Sans-I/O: messages go in, packets come out, with sequence numbers that run on.

use std::fmt;

use crate::spec::{
    BinaryHeaderSpec, ByteOrder, DelimiterSpec, FramingSpec, HeaderSpec, IntSpec, MatchSpec, SequenceUnit, SessionKind,
};

/// Payload that fits a datagram of 1,500 bytes with room for tunnels.
pub const DEFAULT_PAYLOAD_BYTES: usize = 1_400;

/// Why messages cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackError {
    /// The framing has something that a packer cannot make up.
    Framing {
        /// Name of the framing.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// The session does not fit its header field.
    Session {
        /// What was asked for.
        session: String,
        /// What fits.
        expected: String,
    },
    /// A message does not fit a packet of its own.
    TooLong {
        /// Bytes of the packet.
        found_bytes: usize,
        /// Bytes that a packet may have.
        limit_bytes: usize,
    },
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Framing { name, what } => write!(f, "cannot pack messages into {name} packets: {what}"),
            Self::Session { session, expected } => write!(f, "expected {expected} as session, found {session:?}"),
            Self::TooLong { found_bytes, limit_bytes } => {
                write!(f, "a message needs a packet of {found_bytes} bytes, and packets may have {limit_bytes}")
            }
        }
    }
}

impl std::error::Error for PackError {}

/// Packets of one session, one after the other.
///
/// Invariant: `packet` begins with a header whose session and expected fields are filled in; its other fields are
/// filled in when the packet is taken.
#[derive(Clone, Debug)]
pub struct Packer {
    header: Header,
    block: Block,
    header_bytes: usize,
    limit_bytes: usize,
    next_sequence: u64,
    count: u64,
    packet: Vec<u8>,
}

/// Header fields that differ from packet to packet.
#[derive(Clone, Debug)]
struct Header {
    sequence: Option<IntSpec>,
    counts: SequenceUnit,
    count: Option<IntSpec>,
    payload_length: Option<(IntSpec, usize)>,
    heartbeat: Option<MatchSpec>,
    end_of_session: Option<MatchSpec>,
}

/// What stands in front of each message.
#[derive(Clone, Copy, Debug)]
struct Block {
    length: IntSpec,
    excludes: usize,
    data_offset: usize,
}

impl Packer {
    /// A packer of `framing`, whose packets name `session` and have at most `limit_bytes`.
    ///
    /// # Errors
    ///
    /// A framing whose header is not binary, stamps send times, or whose messages have no length in front of them; a
    /// session that does not fit its field.
    pub fn new(framing: &FramingSpec, session: &str, limit_bytes: usize) -> Result<Self, PackError> {
        let refuse = |what| PackError::Framing { name: framing.name.clone(), what };
        let DelimiterSpec::Length { field: length, excludes, data_offset } = framing.delimiter else {
            return Err(refuse("its messages have no length in front of them"));
        };
        let spec = match &framing.header {
            HeaderSpec::Binary(spec) if spec.send_time.is_none() => spec,
            _ => return Err(refuse("expected a binary header without a send time")),
        };
        let BinaryHeaderSpec { bytes, count, sequence, payload_length, heartbeat, end_of_session, .. } = &**spec;
        let header = Header {
            sequence: *sequence,
            counts: framing.counts,
            count: *count,
            payload_length: payload_length.map(|length| (length.field, length.excludes)),
            heartbeat: heartbeat.clone(),
            end_of_session: end_of_session.clone(),
        };
        let block = Block { length, excludes, data_offset };
        let packet = constant_header(spec, session)?;
        Ok(Self {
            header,
            block,
            header_bytes: *bytes,
            limit_bytes,
            next_sequence: framing.first_sequence,
            count: 0,
            packet,
        })
    }

    /// Messages in the packet so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether the packet has room for a message of `message_bytes`.
    #[must_use]
    pub fn has_room(&self, message_bytes: usize) -> bool {
        let most = self.header.count.map_or(u64::MAX, |field| greatest(field.width)) - 1;
        self.packet.len() + self.block.data_offset + message_bytes <= self.limit_bytes && self.count < most
    }

    /// Adds a message behind the others.
    ///
    /// # Errors
    ///
    /// There is no room: take the packet first; and where it is empty, the message fits no packet.
    pub fn push(&mut self, message: &[u8]) -> Result<(), PackError> {
        let length = (self.block.data_offset + message.len()).saturating_sub(self.block.excludes) as u64;
        let start = self.packet.len();
        if !self.has_room(message.len()) || length > greatest(self.block.length.width) {
            let found_bytes = start + self.block.data_offset + message.len();
            return Err(PackError::TooLong { found_bytes, limit_bytes: self.limit_bytes });
        }
        self.packet.resize(start + self.block.data_offset, 0);
        write_int(&mut self.packet[start..], self.block.length, length);
        self.packet.extend_from_slice(message);
        self.count += 1;
        Ok(())
    }

    /// Writes the packet to `out` and begins the next one; without a message in it, it is a heartbeat.
    pub fn take(&mut self, out: &mut Vec<u8>) {
        let heartbeat = self.header.heartbeat.as_ref().filter(|_| self.count == 0);
        self.write_packet(out, heartbeat);
        self.next_sequence += match self.header.counts {
            SequenceUnit::Messages => self.count,
            SequenceUnit::Packets => u64::from(self.count > 0),
            SequenceUnit::Nothing => 0,
        };
        self.packet.truncate(self.header_bytes);
        self.count = 0;
    }

    /// Writes the packet that ends the session to `out`; `false` where the framing has none.
    ///
    /// Messages not taken yet are not part of the session that ended: take them first.
    pub fn end_of_session(&mut self, out: &mut Vec<u8>) -> bool {
        self.packet.truncate(self.header_bytes);
        self.count = 0;
        let mark = self.header.end_of_session.as_ref();
        self.write_packet(out, mark);
        mark.is_some()
    }

    fn write_packet(&self, out: &mut Vec<u8>, mark: Option<&MatchSpec>) {
        out.clear();
        out.extend_from_slice(&self.packet);
        let header = &self.header;
        if let Some(field) = header.sequence {
            write_int(out, field, self.next_sequence);
        }
        if let Some(field) = header.count {
            write_int(out, field, self.count);
        }
        if let Some((field, excludes)) = header.payload_length {
            let length = out.len().saturating_sub(excludes) as u64;
            write_int(out, field, length);
        }
        if let Some((mark, &value)) = mark.and_then(|mark| Some((mark, mark.values.first()?))) {
            write_int(out, mark.field, value);
        }
    }
}

/// A header with what is the same in every packet: the session, and the values a receiver expects.
fn constant_header(header: &BinaryHeaderSpec, session: &str) -> Result<Vec<u8>, PackError> {
    let BinaryHeaderSpec { bytes, session: field, expect, .. } = header;
    let mut packet = vec![0; *bytes];
    for expected in expect {
        let value = expected.values.first().copied().unwrap_or(0);
        write_int(&mut packet, expected.field, value);
    }
    if let Some(field) = field {
        let refuse = |expected| PackError::Session { session: session.to_owned(), expected };
        match field.kind {
            SessionKind::Ascii if session.is_ascii() && session.len() <= field.width => {
                let padded = format!("{session:<width$}", width = field.width);
                let room = packet.iter_mut().skip(field.offset);
                room.zip(padded.bytes()).for_each(|(byte, character)| *byte = character);
            }
            SessionKind::Ascii => return Err(refuse(format!("at most {} ASCII characters", field.width))),
            SessionKind::UintBig | SessionKind::UintLittle => {
                let greatest = greatest(field.width);
                let number = session.parse().ok().filter(|&number| number <= greatest);
                let number = number.ok_or_else(|| refuse(format!("a number up to {greatest}")))?;
                let byte_order = if field.kind == SessionKind::UintBig { ByteOrder::Big } else { ByteOrder::Little };
                write_int(&mut packet, IntSpec { offset: field.offset, width: field.width, byte_order }, number);
            }
        }
    }
    Ok(packet)
}

/// The greatest number of `width` bytes.
fn greatest(width: usize) -> u64 {
    1_u64.checked_shl(8 * u32::try_from(width).unwrap_or(8)).map_or(u64::MAX, |beyond| beyond - 1)
}

/// Writes `value` where `field` says; what lies beyond the bytes is not written.
fn write_int(bytes: &mut [u8], field: IntSpec, value: u64) {
    let Some(room) = bytes.get_mut(field.offset..field.offset + field.width) else { return };
    match field.byte_order {
        ByteOrder::Little => room.iter_mut().zip(value.to_le_bytes()).for_each(|(byte, digit)| *byte = digit),
        ByteOrder::Big => room.iter_mut().rev().zip(value.to_le_bytes()).for_each(|(byte, digit)| *byte = digit),
    }
}

#[cfg(test)]
pub(crate) mod tests;
