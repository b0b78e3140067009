//! A header that is a msgpack array: its elements by position.

use super::{Packet, PacketKind, SessionId, behind, send_time};
use crate::malformed::Reason;
use crate::msgpack::{Head, Kind, Reader};
use crate::padded::Padded;
use crate::plan::PlanError;
use crate::spec::{MatchPositionSpec, MsgpackHeaderSpec, SequenceUnit};

/// A header that is a msgpack array.
#[derive(Debug)]
pub(in crate::framing) struct MsgpackHeader {
    /// What becomes of each of the declared elements.
    roles: Box<[Role]>,
    has: [bool; NUMBERS],
    heartbeat: Option<MatchPositionSpec>,
    end_of_session: Option<MatchPositionSpec>,
}

/// What becomes of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Skipped,
    Session,
    /// It is a number, and perhaps one that says what kind of packet it is.
    Number {
        into: usize,
        is_mark: bool,
    },
}

/// Places of the numbers that are read; the last is that of those which nobody asks for.
const SEQUENCE: usize = 0;
const COUNT: usize = 1;
const SEND_TIME: usize = 2;
const SEND_TIME_SECONDS: usize = 3;
const NO_PLACE: usize = 4;
const NUMBERS: usize = 5;

impl MsgpackHeader {
    pub fn new(spec: &MsgpackHeaderSpec) -> Result<Self, PlanError> {
        let MsgpackHeaderSpec { length, session, sequence, count, send_time, send_time_seconds, .. } = *spec;
        let (heartbeat, end_of_session) = (spec.heartbeat.clone(), spec.end_of_session.clone());
        let numbers = [sequence, count, send_time, send_time_seconds];
        let marks = [&heartbeat, &end_of_session].map(|mark| mark.as_ref().map(|mark| mark.position));
        if numbers.iter().chain(&marks).chain([&session]).flatten().any(|position| *position >= length) {
            return Err(PlanError::new("framing", format!("a position is outside the {length} elements")));
        }
        let role = |position| {
            let (here, is_mark) = (Some(position), marks.contains(&Some(position)));
            match numbers.iter().position(|number| *number == here) {
                _ if session == here => Role::Session,
                Some(into) => Role::Number { into, is_mark },
                None if is_mark => Role::Number { into: NO_PLACE, is_mark },
                None => Role::Skipped,
            }
        };
        let [has_sequence, has_count, has_send_time, has_seconds] = numbers.map(|number| number.is_some());
        let has = [has_sequence, has_count, has_send_time, has_seconds, false];
        Ok(Self { roles: (0..length).map(role).collect(), has, heartbeat, end_of_session })
    }

    pub fn has_sequence(&self) -> bool {
        self.has[SEQUENCE]
    }

    pub fn has_count(&self) -> bool {
        self.has[COUNT]
    }

    #[inline]
    pub fn read<'a>(&self, datagram: Padded<'a>, unit: SequenceUnit, packet: &mut Packet<'a>) -> Result<(), Reason> {
        let mut reader = Reader::new(datagram.slot(), 0, datagram.len());
        let head = reader.head().map_err(|_| Reason::ShortHeader)?;
        if head.kind != Kind::Array || head.number < self.roles.len() as u64 {
            return Err(Reason::ShortHeader);
        }
        let mut numbers = [0; NUMBERS];
        packet.kind = PacketKind::Data;
        for (role, position) in self.roles.iter().zip(0..) {
            match *role {
                Role::Skipped => reader.skip()?,
                Role::Session => packet.session = read_session(&mut reader)?,
                Role::Number { into, is_mark } => {
                    let value = read_number(&mut reader)?;
                    numbers[into] = value;
                    if is_mark {
                        self.mark(position, value, &mut packet.kind);
                    }
                }
            }
        }
        for _ in self.roles.len() as u64..head.number {
            reader.skip()?;
        }
        let number = |place: usize| self.has[place].then_some(numbers[place]);
        packet.count(number(COUNT), unit);
        packet.sequence = numbers[SEQUENCE];
        packet.send_time = send_time(number(SEND_TIME_SECONDS), number(SEND_TIME));
        packet.payload = behind(datagram, reader.at, datagram.len() - reader.at);
        Ok(())
    }

    /// Takes what the number at a position says of the kind of packet.
    #[inline]
    fn mark(&self, position: usize, value: u64, kind: &mut PacketKind) {
        if matches(self.end_of_session.as_ref(), position, value) {
            *kind = PacketKind::EndOfSession;
        } else if *kind == PacketKind::Data && matches(self.heartbeat.as_ref(), position, value) {
            *kind = PacketKind::Heartbeat;
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

#[inline]
fn matches(mark: Option<&MatchPositionSpec>, position: usize, value: u64) -> bool {
    mark.is_some_and(|mark| mark.position == position && mark.values.contains(&value))
}

fn read_session(reader: &mut Reader<'_>) -> Result<SessionId, Reason> {
    let head = reader.head()?;
    match head.kind {
        Kind::Unsigned | Kind::Signed => Ok(SessionId::Number(head.number)),
        Kind::Str | Kind::Bin => Ok(SessionId::Text(reader.sixteen_bytes(head.number)?)),
        Kind::Nil => Ok(SessionId::Nothing),
        _ => Err(Reason::WrongKind),
    }
}
