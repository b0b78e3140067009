//! Which packet a datagram is: its session and sequence numbers, as the protocol's framing says.

use super::packet::Content;
use crate::decode::Decoder;
use crate::framing::{PacketKind, SessionId};
use crate::padded::Padded;
use crate::plan::Plan;
use crate::spec::SequenceUnit;

/// A header that falls back by more units than this to the first [`RESTART_HEAD_UNITS`] begins the sequence anew
/// (docs/architecture.md, "Sequencing").
const RESTART_DISTANCE_UNITS: u64 = 1024;
const RESTART_HEAD_UNITS: u64 = 64;

/// What framing makes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Its header can be read.
    Header {
        kind: PacketKind,
        session: SessionId,
        sequence: u64,
        units: u64,
        /// Its messages can be told apart.
        is_whole: bool,
    },
    /// It cannot.
    Nothing,
}

impl Reading {
    /// Whether both have the same header, whatever stands behind it.
    pub fn has_header_of(self, other: Self) -> bool {
        let whole = |reading| match reading {
            Self::Header { kind, session, sequence, units, .. } => Some((kind, session, sequence, units)),
            Self::Nothing => None,
        };
        whole(self) == whole(other)
    }

    /// Reads a datagram.
    pub fn of(plan: &Plan, payload: &[u8]) -> Self {
        let Ok(packet) = plan.framing.packet(Padded::from(payload)) else { return Self::Nothing };
        let is_whole = packet.kind != PacketKind::Data
            || Decoder::check(plan, &plan.framing.delimiter, packet.payload, packet.messages).is_ok();
        let (kind, session, sequence) = (packet.kind, packet.session, packet.sequence);
        Self::Header { kind, session, sequence, units: packet.units, is_whole }
    }
}

/// Where a line is in its sequence: what turns readings into contents.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    session: Option<SessionId>,
    number: u32,
    next: u64,
}

impl Tracker {
    /// The sender begins a session anew with the next packet, whatever its identifier.
    pub fn restart(&mut self) {
        if self.session.is_some() {
            self.number += 1;
            self.session = None;
        }
    }

    /// What a packet is that comes next on the line.
    pub fn content(&mut self, plan: &Plan, payload: &[u8]) -> Content {
        if plan.framing.unit == SequenceUnit::Nothing {
            return Content::Unknown {};
        }
        let Reading::Header { kind, session, sequence, units, is_whole } = Reading::of(plan, payload) else {
            return Content::Malformed { session: None, next: None };
        };
        let first = self.extend(plan, sequence);
        if first < plan.framing.first_sequence && is_whole {
            return Content::Unsequenced { units };
        }
        if !is_whole {
            let next = Some(first.saturating_add(units));
            return Content::Malformed { session: Some(self.number), next };
        }
        self.enter(plan, session, first);
        self.next = self.next.max(first.saturating_add(units));
        let session = self.number;
        match kind {
            PacketKind::Data => Content::Data { session, first, last: first.saturating_add(units).saturating_sub(1) },
            PacketKind::Heartbeat => Content::Heartbeat { session, next: first },
            PacketKind::EndOfSession => Content::EndOfSession { session, next: first },
        }
    }

    fn enter(&mut self, plan: &Plan, session: SessionId, first: u64) {
        let is_at_head = first < plan.framing.first_sequence.saturating_add(RESTART_HEAD_UNITS);
        let falls_back = is_at_head && self.next.saturating_sub(first) > RESTART_DISTANCE_UNITS;
        if self.session.is_some_and(|known| known != session || falls_back) {
            self.number += 1;
            self.next = first;
        } else if self.session.is_none() {
            self.next = first;
        }
        self.session = Some(session);
    }

    /// Extends a sequence number of fewer than 64 bits to the one nearest to what comes next.
    fn extend(&self, plan: &Plan, sequence: u64) -> u64 {
        let unused = u64::BITS - plan.framing.sequence_bits;
        if unused == 0 || self.session.is_none() {
            return sequence;
        }
        let distance = (sequence.wrapping_sub(self.next) << unused).cast_signed() >> unused;
        self.next.checked_add_signed(distance).unwrap_or(sequence)
    }
}
