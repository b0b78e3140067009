//! A packet that says itself that the sequence starts again with it, whatever its number is.
//!
//! Every line carries one, and a network may repeat it: the first begins a session, and its copies must not begin
//! another. What tells two of them apart is their content, so that this is remembered of the session's own and of those
//! that the channel has left. A line whose copy was lost follows as one without such packets does ([`super::session`]).

use std::hash::{DefaultHasher, Hash, Hasher};

use super::line::{LineState, RESTART_SILENCE_NS};
use super::session::{RESTART_DISTANCE_UNITS, RESTART_HEAD_UNITS};
use super::{Arbiter, Session, Verdict};
use crate::framing::{Packet, PacketKind, Standing};

/// Resets of past sessions that are remembered.
const REMEMBERED_RESETS: usize = 8;

/// What is told apart by its content.
type Identity = u64;

/// Resets of the present session and of those that were left.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// That which began the present session, where it came.
    present: Option<Identity>,
    /// Those of past sessions, with the number of each session.
    past: Vec<(Identity, u32)>,
    /// When the present session was opened.
    opened_ns: u64,
}

impl Resets {
    /// A session is opened by `packet`, after the one with number `left`.
    pub fn begin(&mut self, packet: &Packet<'_>, left: u32, ts_ns: u64) {
        if let Some(identity) = self.present.take() {
            if self.past.len() == REMEMBERED_RESETS {
                self.past.remove(0);
            }
            self.past.push((identity, left));
        }
        self.present = is_reset(packet).then(|| identity_of(packet));
        self.opened_ns = ts_ns;
    }
}

/// Whether the sequence starts again with a packet.
#[inline]
pub(super) fn is_reset(packet: &Packet<'_>) -> bool {
    packet.standing == Standing::Reset && packet.kind == PacketKind::Data
}

#[cold]
fn identity_of(packet: &Packet<'_>) -> Identity {
    let mut hasher = DefaultHasher::new();
    (packet.sequence, packet.payload.bytes()).hash(&mut hasher);
    hasher.finish()
}

impl Arbiter {
    /// Judges a reset; none where it is that of the present session, which its line is then in.
    #[cold]
    pub(super) fn judge_reset(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64) -> Option<Verdict> {
        let Some(session) = self.session else { return Some(Verdict::Opens) };
        let (state, identity) = (self.lines[line], identity_of(packet));
        let is_here = state.epoch == self.epoch && state.session.is_some();
        if is_here && comes_again(&state, packet.sequence, ts_ns) {
            return Some(Verdict::Opens);
        }
        if self.resets.present.is_none() && self.lacks_head(&session, packet.sequence, ts_ns) {
            self.resets.present = Some(identity);
        }
        if self.resets.present == Some(identity) {
            if !is_here {
                self.lines[line].enter(self.epoch, session.id);
            }
            return None;
        }
        let Some((_, epoch)) = self.resets.past.iter().rev().find(|(past, _)| *past == identity) else {
            return Some(Verdict::Opens);
        };
        if state.epoch < *epoch {
            self.lines[line].enter(*epoch, session.id);
        }
        Some(Verdict::Stale)
    }

    /// Whether the present session is one whose reset was lost on the line that opened it just now.
    fn lacks_head(&self, session: &Session, head: u64, ts_ns: u64) -> bool {
        let lowest = if self.is_opening { self.window.first().unwrap_or(session.first) } else { session.first };
        let is_near = lowest >= head && lowest - head < RESTART_HEAD_UNITS;
        let is_missing = lowest > head || session.next == head || self.lost.overlap(head, head.saturating_add(1)) > 0;
        is_near && is_missing && ts_ns.saturating_sub(self.resets.opened_ns) < RESTART_SILENCE_NS
    }
}

/// Whether a line that has gone on in the present session cannot be repeating what it sent at its head.
fn comes_again(state: &LineState, head: u64, ts_ns: u64) -> bool {
    let gone_on = state.position.map_or(0, |position| position.saturating_sub(head));
    gone_on > RESTART_DISTANCE_UNITS || (gone_on > 0 && state.is_silent_at(ts_ns))
}
