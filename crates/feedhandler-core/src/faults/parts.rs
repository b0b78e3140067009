//! Which bytes of a packet are its header, which are lengths between its messages, and which are messages.

use std::ops::Range;

use super::spec::Part;
use crate::framing::Delimiter;
use crate::padded::Padded;
use crate::plan::{MessagesPlan, Plan};
use crate::spec::{DelimiterSpec, ProtocolSpec};

/// Where a byte of a packet stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    header_bytes: usize,
    lengths: Vec<Range<usize>>,
    bytes: usize,
}

impl Parts {
    /// The parts of a packet; without a protocol, or where the header cannot be read, all of it is message.
    pub fn of(protocol: Option<(&Plan, &ProtocolSpec)>, payload: &[u8]) -> Self {
        let whole = Self { header_bytes: 0, lengths: Vec::new(), bytes: payload.len() };
        let Some((plan, spec)) = protocol else { return whole };
        let Ok(packet) = plan.framing.packet(Padded::from(payload)) else { return whole };
        // The payload ends with the datagram, or before it where the header says so.
        let header_bytes = packet.payload.bytes().as_ptr().addr().saturating_sub(payload.as_ptr().addr());
        let lengths = lengths(plan, spec, packet.payload, header_bytes);
        Self { header_bytes, lengths, bytes: payload.len() }
    }

    /// The part that a byte is of.
    pub fn part_of(&self, at: usize) -> Part {
        if at < self.header_bytes {
            Part::Header
        } else if self.lengths.iter().any(|length| length.contains(&at)) {
            Part::Framing
        } else {
            Part::Message
        }
    }

    /// The bytes of a part.
    pub fn offsets(&self, part: Part) -> Vec<usize> {
        (0..self.bytes).filter(|at| part == Part::Any || self.part_of(*at) == part).collect()
    }
}

fn lengths(plan: &Plan, spec: &ProtocolSpec, payload: Padded<'_>, start: usize) -> Vec<Range<usize>> {
    let (DelimiterSpec::Length { field, .. }, MessagesPlan::Binary(messages)) =
        (&spec.framing.delimiter, &plan.messages)
    else {
        return Vec::new();
    };
    let (mut at, mut found) = (0, Vec::new());
    let delimiter: &Delimiter = &plan.framing.delimiter;
    while at < payload.len()
        && let Ok(block) = delimiter.next(payload.slot(), at, payload.len(), messages)
    {
        found.push(start + at + field.offset..start + at + field.offset + field.width);
        at = block.next;
    }
    found
}
