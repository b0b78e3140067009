//! Corruption and truncation: packets that come other than they were sent.
//!
//! What the protocol's framing then makes of a packet is read from the packet itself, and told: a byte of a message's
//! field is nothing that a protocol without a checksum can notice.

use std::sync::Arc;

use super::choice::Choice;
use super::packet::{Content, Packet};
use super::parts::Parts;
use super::read::Reading;
use super::spec::Part;
use super::stage::Stage;
use super::truth::{Done, Effect, LineTruth, PartName};
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
        let effect = effect(self.protocol.as_ref(), &before, &packet.payload);
        let part = PartName::from(parts.part_of(offset));
        truth.note(packet, Done::Corrupt { offset, mask, part, effect });
        packet.content = after(packet.content, effect);
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
        let effect = effect(self.protocol.as_ref(), &before, &packet.payload);
        truth.note(packet, Done::Truncate { bytes, keep, effect });
        packet.content = after(packet.content, effect);
    }
}

/// What framing makes of a packet now that it is another.
fn effect(protocol: Option<&Protocol>, before: &[u8], now: &[u8]) -> Effect {
    let Some(protocol) = protocol else { return Effect::Unknown };
    let (plan, _) = &**protocol;
    match (Reading::of(plan, before), Reading::of(plan, now)) {
        (before, now) if before == now => Effect::None,
        (Reading::Header { session, sequence, units, kind, .. }, now @ Reading::Header { .. }) => {
            let broken = Reading::Header { session, sequence, units, kind, is_whole: false };
            if now == broken { Effect::Malformed } else { Effect::Misread }
        }
        (_, Reading::Nothing) => Effect::Unreadable,
        (Reading::Nothing, Reading::Header { .. }) => Effect::Misread,
    }
}

/// What a packet is afterwards.
fn after(content: Content, effect: Effect) -> Content {
    match (effect, content) {
        (Effect::None | Effect::Unknown, _) => content,
        (Effect::Misread, _) | (_, Content::Misread {}) => Content::Misread {},
        (Effect::Malformed, Content::Data { session, last, .. }) => {
            Content::Malformed { session: Some(session), next: Some(last.saturating_add(1)) }
        }
        (Effect::Malformed | Effect::Unreadable, _) => Content::Malformed { session: None, next: None },
    }
}
