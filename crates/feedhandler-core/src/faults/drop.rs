//! Loss: packets that never come, for their own sake or because their line is down.

use super::choice::Choice;
use super::packet::Packet;
use super::stage::Stage;
use super::truth::{Done, LineTruth};

/// Loses packets.
pub(super) struct Lose {
    pub choice: Choice,
    /// The line is down, which is told as such.
    pub is_down: bool,
}

impl Stage for Lose {
    fn take(&mut self, packet: Packet, truth: &mut LineTruth<'_>, out: &mut Vec<Packet>) {
        if self.choice.takes(&packet) {
            truth.note(&packet, if self.is_down { Done::Down {} } else { Done::Loss {} });
        } else {
            out.push(packet);
        }
    }
}
