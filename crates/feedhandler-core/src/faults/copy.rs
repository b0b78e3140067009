//! Duplicates: packets that come again, at once or later.

use super::choice::Choice;
use super::hold::Held;
use super::packet::Packet;
use super::stage::Stage;
use super::truth::{Done, LineTruth};

/// Sends packets twice.
pub(super) struct Duplicate {
    choice: Choice,
    after_ns: u64,
    held: Held,
}

impl Duplicate {
    pub fn new(choice: Choice, after_ns: u64) -> Self {
        Self { choice, after_ns, held: Held::default() }
    }
}

impl Stage for Duplicate {
    fn take(&mut self, packet: Packet, truth: &mut LineTruth<'_>, out: &mut Vec<Packet>) {
        if !self.choice.takes(&packet) {
            out.push(packet);
            return;
        }
        let mut copy = Packet { copy: truth.next_copy(), ..packet.clone() };
        copy.delay(self.after_ns);
        truth.note(&packet, Done::Duplicate { is: copy.copy, after_ns: self.after_ns });
        out.push(packet);
        if self.after_ns == 0 { out.push(copy) } else { self.held.keep(copy) }
    }

    fn until(&mut self, now_ns: u64, out: &mut Vec<Packet>) {
        self.held.release(now_ns, out);
    }
}
