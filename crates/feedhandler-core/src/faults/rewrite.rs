//! A sender that starts again, or leaves numbers out: faults that are in the headers, on each packet from then on.

use super::choice::Choice;
use super::injector::FaultError;
use super::packet::Packet;
use super::read::Tracker;
use super::spec::Fault;
use super::truth::Done;
use crate::field::IntField;
use crate::padded::Padded;
use crate::plan::Plan;
use crate::spec::{BinaryHeaderSpec, ByteOrder, HeaderSpec, IntSpec, ProtocolSpec, SessionKind, SessionSpec};

/// Changes sequence numbers and sessions in a header of fixed places.
pub(super) struct Rewriter {
    sequence: IntSpec,
    session: Option<SessionSpec>,
    faults: Vec<Change>,
    /// What is added to each number, modulo its width.
    shift: u64,
    identifier: Option<Vec<u8>>,
}

/// A change that is still to come.
pub(super) struct Change {
    pub choice: Choice,
    pub what: Fault,
    is_done: bool,
}

impl Change {
    pub fn new(choice: Choice, what: Fault) -> Self {
        Self { choice, what, is_done: false }
    }
}

impl Rewriter {
    /// The changes of a line, in their order.
    ///
    /// # Errors
    /// The protocol's header has no sequence number at a fixed place, or no session of that form.
    pub fn new(protocol: Option<&ProtocolSpec>, faults: Vec<Change>) -> Result<Option<Self>, FaultError> {
        if faults.is_empty() {
            return Ok(None);
        }
        let name = protocol.map_or("a feed without a protocol", |spec| &spec.name);
        let fixed = protocol.and_then(|spec| binary(&spec.framing.header));
        let Some((BinaryHeaderSpec { session, .. }, sequence)) = fixed else {
            return Err(FaultError::NoFixedHeader(name.to_owned()));
        };
        for change in &faults {
            if let Fault::Restart { session: Some(text) } = &change.what {
                identifier(*session, text).ok_or_else(|| FaultError::Session(name.to_owned(), text.clone()))?;
            }
        }
        Ok(Some(Self { sequence, session: *session, faults, shift: 0, identifier: None }))
    }

    /// Rewrites a packet that is the next of its line, and returns what begins with it.
    pub fn rewrite(&mut self, plan: &Plan, packet: &mut Packet, tracker: &mut Tracker) -> Vec<Done> {
        let Ok(header) = plan.framing.packet(Padded::from(packet.payload.as_slice())) else { return Vec::new() };
        let sequence = header.sequence;
        let due: Vec<usize> = (0..self.faults.len()).filter(|at| self.is_due(*at, packet)).collect();
        let begun: Vec<Done> = due.into_iter().map(|at| self.begin(at, plan, sequence)).collect();
        if begun.iter().any(|done| matches!(done, Done::Restart { .. })) {
            tracker.restart();
        }
        self.write(packet, sequence);
        begun
    }

    fn is_due(&mut self, at: usize, packet: &Packet) -> bool {
        let change = &mut self.faults[at];
        let is_due = !change.is_done && change.choice.takes(packet);
        change.is_done |= is_due;
        is_due
    }

    fn begin(&mut self, at: usize, plan: &Plan, sequence: u64) -> Done {
        match &self.faults[at].what {
            Fault::Restart { session } => {
                self.shift = plan.framing.first_sequence.wrapping_sub(sequence);
                self.identifier = session.as_ref().and_then(|text| identifier(self.session, text));
                Done::Restart { identifier: session.clone() }
            }
            Fault::Jump { by } => {
                self.shift = self.shift.wrapping_add(*by);
                Done::Jump { by: *by }
            }
            _ => Done::Jump { by: 0 },
        }
    }

    fn write(&self, packet: &mut Packet, sequence: u64) {
        if self.shift != 0 {
            store(self.sequence, &mut packet.payload, sequence.wrapping_add(self.shift));
        }
        if let (Some(session), Some(identifier)) = (self.session, &self.identifier)
            && let Some(field) = packet.payload.get_mut(session.offset..session.offset + session.width)
        {
            field.copy_from_slice(identifier);
        }
    }
}

fn binary(header: &HeaderSpec) -> Option<(&BinaryHeaderSpec, IntSpec)> {
    match header {
        HeaderSpec::Binary(binary) => Some((binary, binary.sequence?)),
        HeaderSpec::None {} | HeaderSpec::Msgpack(_) => None,
    }
}

/// A session's identifier as it stands in the header.
fn identifier(session: Option<SessionSpec>, text: &str) -> Option<Vec<u8>> {
    let SessionSpec { width, kind, .. } = session?;
    let order = match kind {
        SessionKind::Ascii => {
            let padded = format!("{text:width$}").into_bytes();
            return (text.is_ascii() && padded.len() == width).then_some(padded);
        }
        SessionKind::UintBig => ByteOrder::Big,
        SessionKind::UintLittle => ByteOrder::Little,
    };
    let number: u64 = text.parse().ok()?;
    let mut bytes = vec![0; width];
    let field = IntSpec { offset: 0, width, byte_order: order };
    store(field, &mut bytes, number);
    (IntField::new(field).load(&bytes, 0) == Some(number)).then_some(bytes)
}

fn store(field: IntSpec, bytes: &mut [u8], value: u64) {
    let Some(place) = bytes.get_mut(field.offset..field.offset + field.width) else { return };
    match field.byte_order {
        ByteOrder::Big => place.copy_from_slice(&value.to_be_bytes()[8 - field.width..]),
        ByteOrder::Little => place.copy_from_slice(&value.to_le_bytes()[..field.width]),
    }
}
