//! A line that falls back to the head of the sequence by little: it has started again, or it repeats.
//!
//! One packet cannot tell the two apart, so the packets wait until the line's next ones do. They have started again when
//! the line brings [`RESTART_PACKETS`] packets, each ahead of the one before; they were copies when it goes on where it
//! was. Copies of the head, byte by byte, are not even doubted, unless the line was silent before them: a network repeats
//! packets within [`super::line::RESTART_SILENCE_NS`], and a sender that starts again with the same bytes takes longer.
//!
//! Where nothing follows that could tell, time does: two packets in order from the head are a restart after [`DOUBT_NS`],
//! and one alone was a copy.

use super::line::LineState;
use super::session::RESTART_HEAD_UNITS;
use super::{Arbiter, Held, Step, Verdict};
use crate::framing::{Packet, PacketKind};
use crate::padded::Padded;

/// Packets in order, from the head on, that make a restart.
const RESTART_PACKETS: u8 = 3;
/// Packets in order that are a restart where nothing follows them.
const LEAST_PACKETS: u8 = 2;
/// How long packets in doubt wait for the next.
const DOUBT_NS: u64 = 1_000_000_000;
/// Packets in doubt that wait at most, within those of the window; further ones are taken for copies.
const MOST_PACKETS: usize = 64;

/// How far a line has come since it fell back to the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// First unit behind its last packet.
    next: u64,
    /// Packets in order, from the head on; none where the line has only joined another that fell back.
    packets: u8,
}

impl Progress {
    /// Whether a packet at `first` comes next, or soon.
    fn goes_on_with(self, first: u64) -> bool {
        first >= self.next && first - self.next < RESTART_HEAD_UNITS
    }
}

/// Packets that are a restart, or copies.
#[derive(Debug)]
pub(super) struct Again {
    held: Vec<Held>,
    is_believed: bool,
    /// When the last packet came that is in doubt.
    last_ns: u64,
    /// Payload of the packet at the head of the present session, where it was delivered.
    head: Vec<u8>,
    is_head_known: bool,
}

impl Again {
    pub fn new() -> Self {
        Self { held: Vec::new(), is_believed: false, last_ns: 0, head: Vec::new(), is_head_known: false }
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether what waits is a restart, which is being opened.
    pub fn is_believed(&self) -> bool {
        self.is_believed
    }

    /// Whether packets have waited for the next one long enough.
    pub fn is_due(&self, now_ns: u64) -> bool {
        !self.is_empty() && now_ns >= self.last_ns.saturating_add(DOUBT_NS)
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Remembers the packet at the head of the session.
    #[cold]
    pub fn note_head(&mut self, payload: Padded<'_>) {
        self.head.clear();
        self.head.extend_from_slice(payload.bytes());
        self.is_head_known = true;
    }

    pub fn forget_head(&mut self) {
        self.is_head_known = false;
    }

    /// Whether a packet at the head has other content than the one that was delivered. Two that differ only in how many
    /// messages they carry have the same.
    fn differs(&self, payload: Padded<'_>) -> bool {
        let (known, found) = (self.head.as_slice(), payload.bytes());
        self.is_head_known && !known.starts_with(found) && !found.starts_with(known)
    }

    fn take_rejected(&mut self, lines: &[LineState]) -> Option<Held> {
        let at = self.held.iter().position(|held| lines[usize::from(held.line)].again.is_none())?;
        Some(self.held.remove(at))
    }
}

impl Arbiter {
    /// Judges a packet of a line that is not further on than it was; none where nothing speaks for a restart.
    #[cold]
    pub(super) fn judge_again(
        &mut self,
        line: usize,
        packet: &Packet<'_>,
        first: u64,
        next: u64,
        ts_ns: u64,
    ) -> Option<Verdict> {
        let end = first.saturating_add(packet.units);
        let state = self.lines[line];
        let is_behind = state.position.is_some_and(|position| first < position);
        let progress = self.progress(&state, packet, first, end <= next, ts_ns).filter(|_| !self.is_opening);
        // What is neither in order nor behind what came since has nothing to do with it.
        let waits_with = state.again.filter(|_| is_behind);
        self.lines[line].again = progress.or(waits_with).filter(|_| self.has_room_again());
        let Progress { next: reached, .. } = self.lines[line].again?;
        if progress.is_none() && first > reached {
            return None;
        }
        if progress.is_some_and(|progress| progress.packets >= RESTART_PACKETS) {
            self.again.is_believed = true;
            return Some(Verdict::Opens);
        }
        (self.heard_ns, self.again.last_ns) = (ts_ns, ts_ns);
        self.lines[line].stale_run = 0;
        if packet.kind != PacketKind::Data {
            return Some(Verdict::Quiet);
        }
        self.counters.seen += packet.units;
        Some(Verdict::Doubt)
    }

    /// Whether a packet at the head is not a copy of the one that came before: it has other content, or the line was
    /// silent before it.
    #[cold]
    pub(super) fn is_new_head(&self, line: usize, packet: &Packet<'_>, ts_ns: u64) -> bool {
        self.again.differs(packet.payload) || self.lines[line].is_silent_at(ts_ns)
    }

    fn has_room_again(&self) -> bool {
        self.again.len() < MOST_PACKETS && !self.window.is_full(self.again.len())
    }

    /// How far the line has come with this packet, if it brings it on.
    fn progress(
        &self,
        state: &LineState,
        packet: &Packet<'_>,
        first: u64,
        is_old: bool,
        ts_ns: u64,
    ) -> Option<Progress> {
        let position = state.position?;
        let end = first.saturating_add(packet.units);
        let is_head = first == self.first_sequence && first < position && packet.kind == PacketKind::Data;
        let is_after_silence = is_old && state.is_silent_at(ts_ns);
        if is_head && (is_after_silence || self.again.differs(packet.payload)) {
            return Some(Progress { next: end, packets: 1 });
        }
        match state.again {
            // A sequence that was short is soon as far as it was: the packet in order behind the last one belongs to it.
            Some(progress) if progress.goes_on_with(first) && (first == progress.next || first < position) => {
                Some(Progress { next: end, packets: progress.packets + u8::from(progress.packets > 0) })
            }
            None if !self.again.is_empty() && first < position && is_old => Some(Progress { next: end, packets: 0 }),
            _ => None,
        }
    }

    /// Keeps a packet judged `Doubt` until its line's next ones tell what it is.
    pub fn doubt(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, ts_recv_ns: u64) {
        let first = self.extend(packet.sequence, self.expected());
        self.counters.pending += packet.units;
        let held = self.window.copy(line, first, packet, [ts_ns, ts_recv_ns]);
        self.again.held.push(held);
    }

    /// Notes that a packet of `line` judged `Doubt` or `Opens` cannot be used: it speaks for no restart. `units` are those
    /// that it was counted with.
    #[cold]
    pub fn undoubt(&mut self, line: usize, units: u64) {
        self.counters.seen -= units;
        self.again.is_believed = false;
        if let Some(progress) = &mut self.lines[line].again {
            progress.packets = progress.packets.saturating_sub(1);
        }
    }

    /// What comes of packets in doubt at `now_ns`.
    #[cold]
    pub(super) fn step_again(&mut self, now_ns: u64) -> Option<Step> {
        if !self.again.is_due(now_ns) {
            return self.reject_again();
        }
        let restarts = |state: &LineState| state.again.is_some_and(|progress| progress.packets >= LEAST_PACKETS);
        if let Some(line) = self.lines.iter().position(restarts) {
            self.again.is_believed = true;
            return Some(Step::Restart { line });
        }
        // Should its line go on behind it later, that is a restart all the same, and the packet its missing head.
        let held = self.again.held.remove(0);
        Some(self.reject(held))
    }

    /// Takes out a packet whose line went on where it was: it is a copy.
    #[cold]
    pub(super) fn reject_again(&mut self) -> Option<Step> {
        let held = self.again.take_rejected(&self.lines)?;
        Some(self.reject(held))
    }

    fn reject(&mut self, held: Held) -> Step {
        self.counters.pending -= held.units();
        self.coverage.bring(usize::from(held.line), held.first, held.end, self.expected());
        self.count_old(held.first, held.end);
        Step::Duplicate(held)
    }

    /// Nothing more comes that could tell: what waits are copies, unless the restart that they are is being opened.
    pub(super) fn settle_again(&mut self) {
        if !self.again.is_believed {
            self.lines.iter_mut().for_each(|line| line.again = None);
        }
    }

    /// The session that the packets began is open: they and their lines are in it.
    pub(super) fn open_again(&mut self) {
        self.again.forget_head();
        if !std::mem::take(&mut self.again.is_believed) {
            return;
        }
        let Some(session) = self.session else { return };
        for held in std::mem::take(&mut self.again.held) {
            let line = &mut self.lines[usize::from(held.line)];
            if line.epoch != self.epoch {
                line.enter(self.epoch, session.id);
            }
            line.move_to(held.first, held.end, session.next, Verdict::Doubt, held.ts_ns);
            self.coverage.bring(usize::from(held.line), held.first, held.end, session.next);
            self.window.put(held);
        }
    }

    /// Whether a line that was left behind when the channel's sequence started again has started again as well.
    pub(super) fn follows(&mut self, line: usize, packet: &Packet<'_>, first: u64, next: u64) -> bool {
        let state = self.lines[line];
        if state.position.is_none_or(|position| first >= position) || first > next {
            self.lines[line].again = None;
            return false;
        }
        let is_head = first == self.first_sequence && self.again.is_head_known && !self.again.differs(packet.payload);
        let goes_on = state.again.is_some_and(|progress| progress.goes_on_with(first));
        let end = first.saturating_add(packet.units);
        self.lines[line].again = Some(Progress { next: end, packets: 1 });
        is_head || goes_on
    }
}
