//! A header of fields at fixed offsets.

use super::{Packet, PacketKind, SESSION_BYTES, SessionId, Standing, behind, send_time};
use crate::field::IntField;
use crate::malformed::Reason;
use crate::padded::Padded;
use crate::plan::PlanError;
use crate::spec::{
    BinaryHeaderSpec, ExpectSpec, IntSpec, MatchSpec, PayloadLengthSpec, SequenceUnit, SessionKind, SessionSpec,
};

/// A header of fields at fixed offsets.
#[derive(Debug)]
pub(in crate::framing) struct BinaryHeader {
    bytes: usize,
    session: Option<SessionSpec>,
    session_number: Option<IntField>,
    sequence: Option<IntField>,
    count: Option<IntField>,
    send_time: Option<IntField>,
    send_time_seconds: Option<IntField>,
    payload_length: Option<(IntField, usize)>,
    expect: Vec<(IntField, Vec<u64>)>,
    heartbeat: Option<Mark>,
    end_of_session: Option<Mark>,
    unit: Option<IntField>,
    session_reset: Option<Mark>,
    unsequenced: Option<Mark>,
}

/// A field and the values of it that mean something.
type Mark = (IntField, Vec<u64>);

impl BinaryHeader {
    pub fn new(spec: &BinaryHeaderSpec) -> Result<Self, PlanError> {
        let spec = spec.clone();
        let bytes = spec.bytes;
        let field = |spec: Option<IntSpec>, name| spec.map(|spec| checked(spec, bytes, name)).transpose();
        let marks = |spec: Option<MatchSpec>, name| {
            spec.map(|spec| Ok((checked(spec.field, bytes, name)?, spec.values))).transpose()
        };
        Ok(Self {
            bytes,
            session: spec.session.map(|session| check_session(session, bytes)).transpose()?,
            session_number: field(spec.session.and_then(number_of_session), "session")?,
            sequence: field(spec.sequence, "sequence")?,
            count: field(spec.count, "count")?,
            send_time: field(spec.send_time, "send_time")?,
            send_time_seconds: field(spec.send_time_seconds, "send_time_seconds")?,
            payload_length: spec.payload_length.map(|length| length_field(length, bytes)).transpose()?,
            expect: spec.expect.into_iter().map(|expect| expectation(expect, bytes)).collect::<Result<_, _>>()?,
            heartbeat: marks(spec.heartbeat, "heartbeat")?,
            end_of_session: marks(spec.end_of_session, "end_of_session")?,
            unit: spec.unit.map(|unit| check_unit(unit, bytes)).transpose()?,
            session_reset: marks(spec.session_reset, "session_reset")?,
            unsequenced: marks(spec.unsequenced, "unsequenced")?,
        })
    }

    pub fn has_units(&self) -> bool {
        self.unit.is_some()
    }

    pub fn has_sequence(&self) -> bool {
        self.sequence.is_some()
    }

    pub fn has_count(&self) -> bool {
        self.count.is_some()
    }

    pub fn sequence_bits(&self) -> u32 {
        self.sequence.map_or(u64::BITS, |sequence| sequence.bits())
    }

    #[inline]
    pub fn read<'a>(&self, datagram: Padded<'a>, unit: SequenceUnit, packet: &mut Packet<'a>) -> Result<(), Reason> {
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
        packet.kind = self.kind(bytes);
        packet.count(self.count.as_ref().map(load).transpose()?, unit);
        packet.standing = self.standing(bytes);
        packet.unit = self.unit.as_ref().and_then(|unit| unit.load(bytes, 0)).map_or(0, u64_to_unit);
        packet.session = self.session(bytes);
        packet.sequence = self.sequence.as_ref().map(load).transpose()?.unwrap_or(0);
        packet.send_time = send_time(
            self.send_time_seconds.as_ref().map(load).transpose()?,
            self.send_time.as_ref().map(load).transpose()?,
        );
        packet.payload = self.payload(datagram)?;
        Ok(())
    }

    /// The header without what tells one copy of a packet from another, and one packet of the same content from another:
    /// sequence number and send time are blank.
    pub fn content(&self, datagram: &[u8], into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(datagram.get(..self.bytes).unwrap_or(datagram));
        for field in [self.sequence, self.send_time, self.send_time_seconds].into_iter().flatten() {
            if let Some(bytes) = into.get_mut(start..).and_then(|header| header.get_mut(field.range())) {
                bytes.fill(0);
            }
        }
    }

    #[inline]
    fn kind(&self, bytes: &[u8]) -> PacketKind {
        if holds(self.end_of_session.as_ref(), bytes) {
            PacketKind::EndOfSession
        } else if holds(self.heartbeat.as_ref(), bytes) {
            PacketKind::Heartbeat
        } else {
            PacketKind::Data
        }
    }

    #[inline]
    fn standing(&self, bytes: &[u8]) -> Standing {
        if holds(self.session_reset.as_ref(), bytes) {
            Standing::Reset
        } else if holds(self.unsequenced.as_ref(), bytes) {
            Standing::Outside
        } else {
            Standing::Inside
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

#[inline]
fn holds(mark: Option<&Mark>, bytes: &[u8]) -> bool {
    mark.is_some_and(|(field, values)| field.load(bytes, 0).is_some_and(|value| values.contains(&value)))
}

#[expect(clippy::cast_possible_truncation, reason = "the field has one byte")]
fn u64_to_unit(unit: u64) -> u8 {
    unit as u8
}

fn check_unit(spec: IntSpec, header_bytes: usize) -> Result<IntField, PlanError> {
    if spec.width != 1 {
        return Err(PlanError::new("framing.unit", format!("one byte is needed, found {}", spec.width)));
    }
    checked(spec, header_bytes, "unit")
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
