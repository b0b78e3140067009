//! A header that is a msgpack array: its elements by position.

use super::{Packet, PacketKind, SESSION_BYTES, SessionId, Standing, behind, send_time, units};
use crate::malformed::Reason;
use crate::msgpack::{Head, Kind, Reader};
use crate::padded::Padded;
use crate::plan::PlanError;
use crate::spec::{MatchPositionSpec, MsgpackHeaderSpec, SequenceUnit};

/// A header that is a msgpack array.
#[derive(Debug)]
pub(in crate::framing) struct MsgpackHeader {
    length: usize,
    session: Option<usize>,
    sequence: Option<usize>,
    count: Option<usize>,
    send_time: Option<usize>,
    send_time_seconds: Option<usize>,
    heartbeat: Option<MatchPositionSpec>,
    end_of_session: Option<MatchPositionSpec>,
}

/// What is read of a msgpack header; its elements come in the order of the array.
#[derive(Default)]
struct Elements {
    session: Option<SessionId>,
    sequence: u64,
    count: Option<u64>,
    send_time: Option<u64>,
    send_time_seconds: Option<u64>,
    is_heartbeat: bool,
    is_end_of_session: bool,
}

impl MsgpackHeader {
    pub fn new(spec: &MsgpackHeaderSpec) -> Result<Self, PlanError> {
        let MsgpackHeaderSpec { length, session, sequence, count, send_time, send_time_seconds, .. } = *spec;
        let (heartbeat, end_of_session) = (spec.heartbeat.clone(), spec.end_of_session.clone());
        let positions = [session, sequence, count, send_time, send_time_seconds];
        let marks = [&heartbeat, &end_of_session].map(|mark| mark.as_ref().map(|mark| mark.position));
        if positions.iter().chain(&marks).flatten().any(|position| *position >= length) {
            return Err(PlanError::new("framing", format!("a position is outside the {length} elements")));
        }
        Ok(Self { length, session, sequence, count, send_time, send_time_seconds, heartbeat, end_of_session })
    }

    pub fn has_sequence(&self) -> bool {
        self.sequence.is_some()
    }

    pub fn has_count(&self) -> bool {
        self.count.is_some()
    }

    #[inline]
    pub fn read<'a>(&self, datagram: Padded<'a>, unit: SequenceUnit) -> Result<Packet<'a>, Reason> {
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
        let numbers = [self.sequence, self.count, self.send_time, self.send_time_seconds];
        if !numbers.contains(&here) && !is_mark(&self.heartbeat) && !is_mark(&self.end_of_session) {
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
            elements.send_time = Some(value);
        } else if here == self.send_time_seconds {
            elements.send_time_seconds = Some(value);
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
            standing: Standing::Inside,
            unit: 0,
            session: self.session.unwrap_or(SessionId::Nothing),
            sequence: self.sequence,
            units: if is_data { units(unit, self.count) } else { 0 },
            messages: if is_data { self.count } else { Some(0) },
            send_time: send_time(self.send_time_seconds, self.send_time),
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
