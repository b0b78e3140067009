//! Corruption and truncation: packets that come other than they were sent.
//!
//! What the protocol's framing then makes of a packet is read from the packet itself, and told: a byte of a message's
//! field is nothing that a protocol without a checksum can notice.

use std::sync::Arc;

use super::choice::Choice;
use super::packet::{Content, Packet, Passes, PassesAs};
use super::parts::Parts;
use super::read::Reading;
use super::spec::Part;
use super::stage::Stage;
use super::truth::{Done, Effect, LineTruth, PartName};
use crate::framing::PacketKind;
use crate::plan::Plan;
use crate::spec::ProtocolSpec;

/// A protocol, compiled and as declared.
pub(super) type Protocol = Arc<(Plan, ProtocolSpec)>;

/// Changes a bit or a byte.
pub(super) struct Corrupt {
    pub choice: Choice,
    pub part: Part,
    pub is_byte: bool,
    pub protocol: Option<Protocol>,
}

impl Stage for Corrupt {
    fn take(&mut self, mut packet: Packet, truth: &mut LineTruth<'_>, out: &mut Vec<Packet>) {
        if self.choice.takes(&packet) {
            self.change(&mut packet, truth);
        }
        out.push(packet);
    }
}

impl Corrupt {
    fn change(&mut self, packet: &mut Packet, truth: &mut LineTruth<'_>) {
        let parts = Parts::of(self.protocol.as_deref().map(|(plan, spec)| (plan, spec)), &packet.payload);
        let offsets = parts.offsets(self.part);
        let chance = self.choice.chance();
        let mask = if self.is_byte { 1 + chance.index(255) } else { 1 << chance.index(8) };
        let (Some(&offset), Ok(mask)) = (offsets.get(chance.index(offsets.len())), u8::try_from(mask)) else { return };
        let before = packet.payload.clone();
        packet.payload[offset] ^= mask;
        let (effect, content) = changed(self.protocol.as_ref(), packet.content, &before, &packet.payload);
        let part = PartName::from(parts.part_of(offset));
        truth.note(packet, Done::Corrupt { offset, mask, part, effect, passes: passes(effect, content) });
        packet.content = content;
    }
}

/// Cuts packets off.
pub(super) struct Truncate {
    pub choice: Choice,
    pub keep: Option<usize>,
    pub protocol: Option<Protocol>,
}

impl Stage for Truncate {
    fn take(&mut self, mut packet: Packet, truth: &mut LineTruth<'_>, out: &mut Vec<Packet>) {
        if self.choice.takes(&packet) {
            self.cut(&mut packet, truth);
        }
        out.push(packet);
    }
}

impl Truncate {
    fn cut(&mut self, packet: &mut Packet, truth: &mut LineTruth<'_>) {
        let bytes = packet.payload.len();
        let keep = self.keep.unwrap_or_else(|| self.choice.chance().index(bytes));
        if keep >= bytes {
            return;
        }
        let before = packet.payload.clone();
        packet.payload.truncate(keep);
        let (effect, content) = changed(self.protocol.as_ref(), packet.content, &before, &packet.payload);
        truth.note(packet, Done::Truncate { bytes, keep, effect, passes: passes(effect, content) });
        packet.content = content;
    }
}

/// What framing makes of a packet now that it is another, and what it is afterwards.
fn changed(protocol: Option<&Protocol>, content: Content, before: &[u8], now: &[u8]) -> (Effect, Content) {
    let Some((plan, _)) = protocol.map(|protocol| &**protocol) else { return (Effect::Unknown, content) };
    let (before, now) = (Reading::of(plan, before), Reading::of(plan, now));
    let effect = effect(before, now);
    let content = match effect {
        Effect::None | Effect::Unknown => content,
        Effect::Misread => Content::Misread { passes: place(plan, content, before, now) },
        Effect::Unreadable => Content::Malformed { session: None, next: None },
        Effect::Malformed => match content {
            Content::Data { session, last, .. } if before.has_header_of(now) => {
                Content::Malformed { session: Some(session), next: Some(last.saturating_add(1)) }
            }
            _ => Content::Malformed { session: None, next: None },
        },
    };
    (effect, content)
}

fn effect(before: Reading, now: Reading) -> Effect {
    match (before, now) {
        (before, now) if before == now => Effect::None,
        // Whatever it passes for, it cannot be used.
        (_, Reading::Header { is_whole: false, .. }) => Effect::Malformed,
        (_, Reading::Nothing) => Effect::Unreadable,
        _ => Effect::Misread,
    }
}

fn passes(effect: Effect, content: Content) -> Option<Passes> {
    match content {
        Content::Misread { passes } if effect == Effect::Misread => passes,
        _ => None,
    }
}

/// Which packet one passes for, given which it was.
fn place(plan: &Plan, content: Content, before: Reading, now: Reading) -> Option<Passes> {
    let (number, is_of_line, first) = match content {
        Content::Data { session, first, .. } => (session, true, first),
        Content::Heartbeat { session, next } | Content::EndOfSession { session, next } => (session, true, next),
        Content::Misread { passes: Some(Passes { session, first, .. }) } => (session?, true, first),
        _ => (0, false, 0),
    };
    let Reading::Header { session: was, sequence: from, .. } = before else { return None };
    let Reading::Header { session, sequence, units, kind, .. } = now else { return None };
    if !is_of_line {
        return None;
    }
    let unused = u64::BITS - plan.framing.sequence_bits;
    let distance = (sequence.wrapping_sub(from) << unused).cast_signed() >> unused;
    let first = first.checked_add_signed(distance).unwrap_or(sequence);
    let kind = match kind {
        PacketKind::Data => PassesAs::Data,
        PacketKind::Heartbeat => PassesAs::Heartbeat,
        PacketKind::EndOfSession => PassesAs::EndOfSession,
    };
    Some(Passes { kind, session: (session == was).then_some(number), first, end: first.saturating_add(units) })
}
