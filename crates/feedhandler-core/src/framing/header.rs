//! The packet header: session, sequence, count, send time; at fixed offsets ([`binary`]) or as a msgpack array
//! ([`msgpack`]).

mod binary;
mod msgpack;

use std::cmp::Ordering;

use serde::{Serialize, Serializer};

use crate::malformed::Reason;
use crate::msgpack::{Kind, Reader};
use crate::padded::Padded;
use crate::plan::PlanError;
use crate::spec::{HeaderSpec, SequenceUnit};
use binary::BinaryHeader;
use msgpack::MsgpackHeader;

/// Identifies a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionId {
    /// The protocol has no sessions.
    Nothing,
    /// A number.
    Number(u64),
    /// Characters, padded with zeros.
    Text([u8; SESSION_BYTES]),
}

/// Bytes of the longest session identifier.
const SESSION_BYTES: usize = 16;

impl SessionId {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Number(number) => bytes.extend_from_slice(&number.to_le_bytes()),
            Self::Text(text) => bytes.extend_from_slice(text),
        }
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Text(text) => {
                let text = String::from_utf8_lossy(text);
                serializer.serialize_str(text.trim_matches([' ', '\0']))
            }
        }
    }
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// It carries messages.
    Data,
    /// It says that the line lives, and which sequence number comes next.
    Heartbeat,
    /// It says that the session is over, and which sequence number would come next.
    EndOfSession,
}

/// How a packet stands to the sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It has its place in it.
    #[default]
    Inside,
    /// The sequence starts again with it.
    Reset,
    /// It has no place in it, whatever its number says.
    Outside,
}

/// A datagram whose header was read.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: PacketKind,
    /// How it stands to the sequence.
    pub standing: Standing,
    /// Which of the stream's sequences it belongs to; 0 where there is one only.
    pub unit: u8,
    /// Session it belongs to.
    pub session: SessionId,
    /// Sequence number of its first unit, as on the wire.
    pub sequence: u64,
    /// Units of the sequence in it; 0 where the protocol has no sequence.
    pub units: u64,
    /// Number of messages, where the header says it.
    pub messages: Option<u64>,
    /// When the sender sent it, as on the wire, or in nanoseconds where seconds and nanoseconds are two fields; 0 where
    /// the header does not say.
    pub send_time: u64,
    /// The bytes behind the header.
    pub payload: Padded<'a>,
}

impl<'a> Packet<'a> {
    /// A datagram that is payload from its first byte, and part of no sequence.
    #[inline]
    #[must_use]
    pub fn without_header(payload: Padded<'a>) -> Self {
        Self {
            kind: PacketKind::Data,
            standing: Standing::Inside,
            unit: 0,
            session: SessionId::Nothing,
            sequence: 0,
            units: 0,
            messages: None,
            send_time: 0,
            payload,
        }
    }

    /// Takes in how many messages the header says there are: where there are none, the packet is a heartbeat.
    #[inline]
    fn count(&mut self, count: Option<u64>, unit: SequenceUnit) {
        if self.kind == PacketKind::Data && count == Some(0) {
            self.kind = PacketKind::Heartbeat;
        }
        let is_data = self.kind == PacketKind::Data;
        self.units = if is_data { units(unit, count) } else { 0 };
        self.messages = if is_data { count } else { Some(0) };
    }

    /// Steps into the msgpack array that holds the messages.
    pub(super) fn enter_array(&mut self) -> Result<(), Reason> {
        let mut reader = Reader::new(self.payload.slot(), 0, self.payload.len());
        let head = reader.head()?;
        if head.kind != Kind::Array {
            return Err(Reason::WrongKind);
        }
        // Where the two disagree, nobody can say which messages the sequence numbers are those of.
        match self.messages.map(|messages| messages.cmp(&head.number)) {
            Some(Ordering::Greater) => return Err(Reason::CountTooLarge),
            Some(Ordering::Less) => return Err(Reason::CountTooSmall),
            Some(Ordering::Equal) | None => self.messages = Some(head.number),
        }
        self.payload = behind(self.payload, reader.at, self.payload.len() - reader.at);
        Ok(())
    }
}

/// The `length` bytes of `bytes` from `start` on, with the slack behind them.
fn behind(bytes: Padded<'_>, start: usize, length: usize) -> Padded<'_> {
    Padded::new(&bytes.slot()[start..], length)
}

/// A compiled header.
#[derive(Debug)]
pub(super) enum Header {
    /// The datagram is payload from its first byte.
    None,
    /// Fields at fixed offsets.
    Binary(Box<BinaryHeader>),
    /// A msgpack array.
    Msgpack(Box<MsgpackHeader>),
}

impl Header {
    pub(super) fn new(spec: &HeaderSpec) -> Result<Self, PlanError> {
        match spec {
            HeaderSpec::None {} => Ok(Self::None),
            HeaderSpec::Binary(spec) => Ok(Self::Binary(Box::new(BinaryHeader::new(spec)?))),
            HeaderSpec::Msgpack(spec) => Ok(Self::Msgpack(Box::new(MsgpackHeader::new(spec)?))),
        }
    }

    pub(super) fn has_sequence(&self) -> bool {
        match self {
            Self::None => false,
            Self::Binary(header) => header.has_sequence(),
            Self::Msgpack(header) => header.has_sequence(),
        }
    }

    pub(super) fn has_count(&self) -> bool {
        match self {
            Self::None => false,
            Self::Binary(header) => header.has_count(),
            Self::Msgpack(header) => header.has_count(),
        }
    }

    pub(super) fn has_units(&self) -> bool {
        match self {
            Self::Binary(header) => header.has_units(),
            Self::None | Self::Msgpack(_) => false,
        }
    }

    pub(super) fn sequence_bits(&self) -> u32 {
        match self {
            Self::Binary(header) => header.sequence_bits(),
            Self::None | Self::Msgpack(_) => u64::BITS,
        }
    }

    pub(super) fn content(&self, datagram: &[u8], packet: &Packet<'_>, into: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Binary(header) => header.content(datagram, into),
            // Its elements have no fixed place; of those that are read, the session is what tells packets apart.
            Self::Msgpack(_) => packet.session.append_to(into),
        }
    }

    /// Reads a header into `packet`, which is one [without a header](Packet::without_header).
    #[inline]
    pub(super) fn read<'a>(
        &self,
        datagram: Padded<'a>,
        unit: SequenceUnit,
        packet: &mut Packet<'a>,
    ) -> Result<(), Reason> {
        match self {
            Self::None => Ok(()),
            Self::Binary(header) => header.read(datagram, unit, packet),
            Self::Msgpack(header) => header.read(datagram, unit, packet),
        }
    }
}

fn units(unit: SequenceUnit, count: Option<u64>) -> u64 {
    match unit {
        SequenceUnit::Messages => count.unwrap_or(1),
        SequenceUnit::Packets => 1,
        SequenceUnit::Nothing => 0,
    }
}

/// The send time of a header that says it in one field, or in seconds and nanoseconds.
#[inline]
fn send_time(seconds: Option<u64>, number: Option<u64>) -> u64 {
    let number = number.unwrap_or(0);
    seconds.map_or(number, |seconds| seconds.saturating_mul(NS_PER_SECOND).saturating_add(number))
}

const NS_PER_SECOND: u64 = 1_000_000_000;
