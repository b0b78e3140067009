//! The packet header: session, sequence, count, send time; at fixed offsets or as a msgpack array.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};

use crate::field::IntField;
use crate::malformed::Reason;
use crate::msgpack::{Head, Kind, Reader};
use crate::padded::Padded;
use crate::plan::PlanError;
use crate::spec::{
    ExpectSpec, HeaderSpec, IntSpec, MatchPositionSpec, MatchSpec, PayloadLengthSpec, SequenceUnit, SessionKind,
    SessionSpec,
};

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

/// A datagram whose header was read.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: PacketKind,
    /// Session it belongs to.
    pub session: SessionId,
    /// Sequence number of its first unit, as on the wire.
    pub sequence: u64,
    /// Units of the sequence in it; 0 where the protocol has no sequence.
    pub units: u64,
    /// Number of messages, where the header says it.
    pub messages: Option<u64>,
    /// When the sender sent it, as on the wire; 0 where the header does not say.
    pub send_time: u64,
    /// The bytes behind the header.
    pub payload: Padded<'a>,
}

impl Packet<'_> {
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

#[derive(Debug)]
pub(super) struct BinaryHeader {
    bytes: usize,
    session: Option<SessionSpec>,
    session_number: Option<IntField>,
    sequence: Option<IntField>,
    count: Option<IntField>,
    send_time: Option<IntField>,
    payload_length: Option<(IntField, usize)>,
    expect: Vec<(IntField, Vec<u64>)>,
    heartbeat: Option<(IntField, Vec<u64>)>,
    end_of_session: Option<(IntField, Vec<u64>)>,
}

#[derive(Debug)]
pub(super) struct MsgpackHeader {
    length: usize,
    session: Option<usize>,
    sequence: Option<usize>,
    count: Option<usize>,
    send_time: Option<usize>,
    heartbeat: Option<MatchPositionSpec>,
    end_of_session: Option<MatchPositionSpec>,
}

impl Header {
    pub(super) fn new(spec: &HeaderSpec) -> Result<Self, PlanError> {
        match spec.clone() {
            HeaderSpec::None {} => Ok(Self::None),
            HeaderSpec::Binary {
                bytes,
                session,
                sequence,
                count,
                send_time,
                payload_length,
                expect,
                heartbeat,
                end_of_session,
            } => {
                let field = |spec: Option<IntSpec>, name| spec.map(|spec| checked(spec, bytes, name)).transpose();
                let marks = |spec: Option<MatchSpec>, name| {
                    spec.map(|spec| Ok((checked(spec.field, bytes, name)?, spec.values))).transpose()
                };
                Ok(Self::Binary(Box::new(BinaryHeader {
                    bytes,
                    session: session.map(|session| check_session(session, bytes)).transpose()?,
                    session_number: field(session.and_then(number_of_session), "session")?,
                    sequence: field(sequence, "sequence")?,
                    count: field(count, "count")?,
                    send_time: field(send_time, "send_time")?,
                    payload_length: payload_length.map(|length| length_field(length, bytes)).transpose()?,
                    expect: expect.into_iter().map(|expect| expectation(expect, bytes)).collect::<Result<_, _>>()?,
                    heartbeat: marks(heartbeat, "heartbeat")?,
                    end_of_session: marks(end_of_session, "end_of_session")?,
                })))
            }
            HeaderSpec::Msgpack { length, session, sequence, count, send_time, heartbeat, end_of_session } => {
                let header = MsgpackHeader { length, session, sequence, count, send_time, heartbeat, end_of_session };
                Ok(Self::Msgpack(Box::new(header.checked()?)))
            }
        }
    }

    pub(super) fn has_sequence(&self) -> bool {
        match self {
            Self::None => false,
            Self::Binary(header) => header.sequence.is_some(),
            Self::Msgpack(header) => header.sequence.is_some(),
        }
    }

    pub(super) fn has_count(&self) -> bool {
        match self {
            Self::None => false,
            Self::Binary(header) => header.count.is_some(),
            Self::Msgpack(header) => header.count.is_some(),
        }
    }

    pub(super) fn sequence_bits(&self) -> u32 {
        match self {
            Self::Binary(header) => header.sequence.map_or(u64::BITS, |sequence| sequence.bits()),
            Self::None | Self::Msgpack(_) => u64::BITS,
        }
    }

    #[inline]
    pub(super) fn read<'a>(&self, datagram: Padded<'a>, unit: SequenceUnit) -> Result<Packet<'a>, Reason> {
        match self {
            Self::None => Ok(Packet {
                kind: PacketKind::Data,
                session: SessionId::Nothing,
                sequence: 0,
                units: 0,
                messages: None,
                send_time: 0,
                payload: datagram,
            }),
            Self::Binary(header) => header.read(datagram, unit),
            Self::Msgpack(header) => header.read(datagram, unit),
        }
    }
}

fn checked(spec: IntSpec, header_bytes: usize, name: &str) -> Result<IntField, PlanError> {
    let is_inside = spec.offset.checked_add(spec.width).is_some_and(|end| end <= header_bytes);
    if is_inside && (1..=8).contains(&spec.width) {
        return Ok(IntField::new(spec));
    }
    let what = format!("{} bytes at {} of a header of {header_bytes}", spec.width, spec.offset);
    Err(PlanError::new(format!("framing.{name}"), what))
}

fn check_session(session: SessionSpec, header_bytes: usize) -> Result<SessionSpec, PlanError> {
    let most = if session.kind == SessionKind::Ascii { SESSION_BYTES } else { 8 };
    let is_inside = session.offset.checked_add(session.width).is_some_and(|end| end <= header_bytes);
    if is_inside && (1..=most).contains(&session.width) {
        return Ok(session);
    }
    let what = format!("{} bytes at {} of a header of {header_bytes}", session.width, session.offset);
    Err(PlanError::new("framing.session", what))
}

fn number_of_session(session: SessionSpec) -> Option<IntSpec> {
    use crate::spec::ByteOrder::{Big, Little};
    let byte_order = match session.kind {
        SessionKind::Ascii => return None,
        SessionKind::UintBig => Big,
        SessionKind::UintLittle => Little,
    };
    Some(IntSpec { offset: session.offset, width: session.width, byte_order })
}

fn length_field(spec: PayloadLengthSpec, header_bytes: usize) -> Result<(IntField, usize), PlanError> {
    Ok((checked(spec.field, header_bytes, "payload_length")?, spec.excludes))
}

fn expectation(spec: ExpectSpec, header_bytes: usize) -> Result<(IntField, Vec<u64>), PlanError> {
    Ok((checked(spec.field, header_bytes, &spec.name)?, spec.values))
}

impl BinaryHeader {
    #[inline]
    fn read<'a>(&self, datagram: Padded<'a>, unit: SequenceUnit) -> Result<Packet<'a>, Reason> {
        let bytes = datagram.slot();
        if datagram.len() < self.bytes {
            return Err(Reason::ShortHeader);
        }
        let load = |field: &IntField| field.load(bytes, 0).ok_or(Reason::ShortHeader);
        for (field, values) in &self.expect {
            if !values.contains(&load(field)?) {
                return Err(Reason::UnexpectedValue);
            }
        }
        let count = self.count.as_ref().map(load).transpose()?;
        let kind = self.kind(bytes, count);
        let is_data = kind == PacketKind::Data;
        Ok(Packet {
            kind,
            session: self.session(bytes),
            sequence: self.sequence.as_ref().map(load).transpose()?.unwrap_or(0),
            units: if is_data { units(unit, count) } else { 0 },
            messages: if is_data { count } else { Some(0) },
            send_time: self.send_time.as_ref().map(load).transpose()?.unwrap_or(0),
            payload: self.payload(datagram)?,
        })
    }

    #[inline]
    fn kind(&self, bytes: &[u8], count: Option<u64>) -> PacketKind {
        let holds = |mark: &Option<(IntField, Vec<u64>)>| {
            mark.as_ref().is_some_and(|(field, values)| field.load(bytes, 0).is_some_and(|v| values.contains(&v)))
        };
        if holds(&self.end_of_session) {
            PacketKind::EndOfSession
        } else if count == Some(0) || holds(&self.heartbeat) {
            PacketKind::Heartbeat
        } else {
            PacketKind::Data
        }
    }

    #[inline]
    fn session(&self, bytes: &[u8]) -> SessionId {
        match (&self.session, &self.session_number) {
            (None, _) => SessionId::Nothing,
            (Some(_), Some(number)) => SessionId::Number(number.load(bytes, 0).unwrap_or(0)),
            (Some(session), None) => {
                let mut text = [0; SESSION_BYTES];
                text[..session.width].copy_from_slice(&bytes[session.offset..session.offset + session.width]);
                SessionId::Text(text)
            }
        }
    }

    #[inline]
    fn payload<'a>(&self, datagram: Padded<'a>) -> Result<Padded<'a>, Reason> {
        let Some((field, excludes)) = &self.payload_length else {
            return Ok(behind(datagram, self.bytes, datagram.len() - self.bytes));
        };
        let length = field.load(datagram.slot(), 0).and_then(|length| usize::try_from(length).ok());
        let end = length.and_then(|length| length.checked_add(*excludes));
        let end = end.filter(|end| (self.bytes..=datagram.len()).contains(end)).ok_or(Reason::PayloadLength)?;
        Ok(behind(datagram, self.bytes, end - self.bytes))
    }
}

fn units(unit: SequenceUnit, count: Option<u64>) -> u64 {
    match unit {
        SequenceUnit::Messages => count.unwrap_or(1),
        SequenceUnit::Packets => 1,
        SequenceUnit::Nothing => 0,
    }
}

/// What is read of a msgpack header; its elements come in the order of the array.
#[derive(Default)]
struct Elements {
    session: Option<SessionId>,
    sequence: u64,
    count: Option<u64>,
    send_time: u64,
    is_heartbeat: bool,
    is_end_of_session: bool,
}

impl MsgpackHeader {
    fn checked(self) -> Result<Self, PlanError> {
        let positions = [self.session, self.sequence, self.count, self.send_time];
        let marks = [&self.heartbeat, &self.end_of_session].map(|mark| mark.as_ref().map(|mark| mark.position));
        if positions.iter().chain(&marks).flatten().any(|position| *position >= self.length) {
            return Err(PlanError::new("framing", format!("a position is outside the {} elements", self.length)));
        }
        Ok(self)
    }

    #[inline]
    fn read<'a>(&self, datagram: Padded<'a>, unit: SequenceUnit) -> Result<Packet<'a>, Reason> {
        let mut reader = Reader::new(datagram.slot(), 0, datagram.len());
        let head = reader.head().map_err(|_| Reason::ShortHeader)?;
        if head.kind != Kind::Array || head.number < self.length as u64 {
            return Err(Reason::ShortHeader);
        }
        let mut elements = Elements::default();
        for position in 0..usize::try_from(head.number).unwrap_or(usize::MAX) {
            self.element(position, &mut reader, &mut elements)?;
        }
        let payload = behind(datagram, reader.at, datagram.len() - reader.at);
        Ok(elements.into_packet(unit, payload))
    }

    #[inline]
    fn element(&self, position: usize, reader: &mut Reader<'_>, elements: &mut Elements) -> Result<(), Reason> {
        let here = Some(position);
        if here == self.session {
            elements.session = Some(read_session(reader)?);
            return Ok(());
        }
        let matches = |mark: &Option<MatchPositionSpec>, value| {
            mark.as_ref().is_some_and(|mark| mark.position == position && mark.values.contains(&value))
        };
        let is_mark = |mark: &Option<MatchPositionSpec>| mark.as_ref().is_some_and(|mark| mark.position == position);
        let is_number = here == self.sequence || here == self.count || here == self.send_time;
        if !is_number && !is_mark(&self.heartbeat) && !is_mark(&self.end_of_session) {
            return reader.skip();
        }
        let value = read_number(reader)?;
        elements.is_heartbeat |= matches(&self.heartbeat, value);
        elements.is_end_of_session |= matches(&self.end_of_session, value);
        if here == self.sequence {
            elements.sequence = value;
        } else if here == self.count {
            elements.count = Some(value);
        } else if here == self.send_time {
            elements.send_time = value;
        }
        Ok(())
    }
}

impl Elements {
    fn into_packet(self, unit: SequenceUnit, payload: Padded<'_>) -> Packet<'_> {
        let kind = if self.is_end_of_session {
            PacketKind::EndOfSession
        } else if self.is_heartbeat || self.count == Some(0) {
            PacketKind::Heartbeat
        } else {
            PacketKind::Data
        };
        let is_data = kind == PacketKind::Data;
        Packet {
            kind,
            session: self.session.unwrap_or(SessionId::Nothing),
            sequence: self.sequence,
            units: if is_data { units(unit, self.count) } else { 0 },
            messages: if is_data { self.count } else { Some(0) },
            send_time: self.send_time,
            payload,
        }
    }
}

fn read_number(reader: &mut Reader<'_>) -> Result<u64, Reason> {
    match reader.head()? {
        Head { kind: Kind::Unsigned, number, .. } => Ok(number),
        Head { kind: Kind::Signed, number, .. } if number.cast_signed() >= 0 => Ok(number),
        Head { kind: Kind::Signed, .. } => Err(Reason::OutOfRange),
        _ => Err(Reason::WrongKind),
    }
}

fn read_session(reader: &mut Reader<'_>) -> Result<SessionId, Reason> {
    let head = reader.head()?;
    match head.kind {
        Kind::Unsigned | Kind::Signed => Ok(SessionId::Number(head.number)),
        Kind::Str | Kind::Bin => {
            let bytes = reader.bytes(head.number)?;
            let mut text = [0; SESSION_BYTES];
            text.get_mut(..bytes.len()).ok_or(Reason::TooLong)?.copy_from_slice(bytes);
            Ok(SessionId::Text(text))
        }
        Kind::Nil => Ok(SessionId::Nothing),
        _ => Err(Reason::WrongKind),
    }
}
