//! arbitrate: of the copies that several lines carry, the first good one wins; what none carried becomes a gap.
//!
//! Stands between framing and decode, one [`Arbiter`] a channel. It is sans-I/O and looks at no clock: the caller says
//! what time it is on the clock of the receive times, and until when every line has been looked at. It decides; the
//! pipeline decodes, and reports back with [`Arbiter::delivered`] or [`Arbiter::unusable`].
//!
//! Sequence numbers below are *units*: messages or packets, whichever the protocol counts. `first..end` is half open.

mod again;
mod claim;
mod coverage;
mod hole;
mod judge;
mod line;
mod lost;
mod reset;
mod session;
mod skew;
mod spans;
mod verdict;
mod window;
mod witness;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::event::{Cause, Event, EventKind};
use crate::framing::{Framing, Packet};
use crate::ledger::{LineUnits, UnitCounters};
use crate::spec::SequenceUnit;
use again::Again;
use claim::Claims;
use coverage::Coverage;
use hole::Hole;
use line::LineState;
use lost::LostRanges;
use reset::Resets;
use session::Past;
pub use session::Session;
use skew::Skew;
pub use verdict::{Step, Verdict};
pub use window::Held;
use window::Window;

/// How an arbiter treats disorder.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArbiterOptions {
    /// How long a missing unit is waited for, ns: the other lines, and reordering, have that long to bring it.
    pub grace_ns: u64,
    /// Once enough copies were measured, the grace time follows the skew between the lines instead.
    #[serde(default)]
    pub is_grace_adaptive: bool,
    /// Packets that are kept beyond a hole.
    pub window_packets: usize,
    /// Bytes that are kept beyond a hole.
    pub window_bytes: usize,
}

impl Default for ArbiterOptions {
    fn default() -> Self {
        Self { grace_ns: 5_000_000, is_grace_adaptive: false, window_packets: 4096, window_bytes: 8 << 20 }
    }
}

/// Packets delivered in order after which a drop no longer explains a gap.
const SUSPICION_PACKETS: u32 = 64;
/// No session has so many units (ten million a second for a day): a packet further ahead than this is not of it.
const FURTHEST_AHEAD_UNITS: u64 = 1 << 40;

/// Sequences and arbitrates one channel.
#[derive(Debug)]
pub struct Arbiter {
    options: ArbiterOptions,
    unit: SequenceUnit,
    first_sequence: u64,
    sequence_bits: u32,
    lines: Vec<LineState>,
    session: Option<Session>,
    past: Vec<Past>,
    /// Number of the present session among the channel's.
    epoch: u32,
    /// Sessions so far.
    epochs: u32,
    window: Window,
    lost: LostRanges,
    /// The channel's first session has no beginning yet: another line may still bring an earlier unit.
    is_opening: bool,
    hole: Option<Hole>,
    /// Packets of lines that have fallen back to the head.
    again: Again,
    /// Packets of sessions that nothing else says to be there.
    claims: Claims,
    resets: Resets,
    /// Where the present session ends, as was announced.
    ended_at: Option<u64>,
    /// What happened on this machine that would explain a loss.
    suspicion: Cause,
    suspicion_packets: u32,
    /// This machine dropped datagrams since the last one that came in order.
    has_dropped: bool,
    /// Packets in a row that came far from what is expected, where nothing was delivered.
    elsewhere_run: u32,
    heard_ns: u64,
    coverage: Coverage,
    skew: Skew,
    /// Fates of the units.
    pub counters: UnitCounters,
}

impl Arbiter {
    /// An arbiter for a channel of `lines` lines.
    #[must_use]
    pub fn new(framing: &Framing, lines: usize, options: ArbiterOptions) -> Self {
        Self {
            options,
            unit: framing.unit,
            first_sequence: framing.first_sequence,
            sequence_bits: framing.sequence_bits,
            lines: vec![LineState::default(); lines],
            session: None,
            past: Vec::new(),
            epoch: 0,
            epochs: 0,
            window: Window::new(options.window_packets, options.window_bytes),
            lost: LostRanges::default(),
            is_opening: false,
            hole: None,
            again: Again::new(),
            claims: Claims::default(),
            resets: Resets::default(),
            ended_at: None,
            suspicion: Cause::None,
            suspicion_packets: 0,
            has_dropped: false,
            elsewhere_run: 0,
            heard_ns: 0,
            coverage: Coverage::new(lines),
            skew: Skew::new(lines),
            counters: UnitCounters::default(),
        }
    }

    /// The present session.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Number of the present session among those of the channel: one that the channel comes back to has the one it had.
    #[must_use]
    pub fn session_number(&self) -> u32 {
        self.epoch
    }

    /// Whether anything waits for something else.
    #[inline]
    #[must_use]
    pub fn is_disordered(&self) -> bool {
        self.hole.is_some() || !self.again.is_empty() || !self.claims.is_empty()
    }

    /// Whether something is missing.
    #[inline]
    #[must_use]
    pub fn has_hole(&self) -> bool {
        self.hole.is_some()
    }

    /// The unit that comes next.
    #[inline]
    #[must_use]
    pub fn expected(&self) -> u64 {
        session_next(self.session)
    }

    /// Notes that datagrams of the channel were dropped or spoilt on this machine: a gap that shows soon has that cause.
    pub fn suspect(&mut self, cause: Cause) {
        self.suspicion = self.suspicion.max(cause);
        self.has_dropped |= matches!(cause, Cause::SocketBuffer | Cause::RingFull);
        self.suspicion_packets = SUSPICION_PACKETS;
    }

    /// A suspicion that no gap has confirmed by now was unfounded: another line had what was dropped.
    #[cold]
    fn let_suspicion_fade(&mut self) {
        self.suspicion_packets -= 1;
        if self.suspicion_packets == 0 {
            self.suspicion = Cause::None;
        }
    }

    /// Whether units are numbered.
    #[must_use]
    pub fn has_sequence(&self) -> bool {
        self.unit != SequenceUnit::Nothing
    }

    /// What each line brought, and what it missed; without a sequence, nobody knows what a line misses.
    #[must_use]
    pub fn line_units(&self) -> Vec<LineUnits> {
        if self.unit == SequenceUnit::Nothing {
            let won = self.coverage.wins();
            return won.map(|won| LineUnits { won, brought: won, ..LineUnits::default() }).collect();
        }
        self.coverage.units(self.settled())
    }

    /// Before which unit the present session's fates are settled: none while nobody knows where its first one begins.
    #[inline]
    fn settled(&self) -> u64 {
        if self.is_opening { 0 } else { self.expected() }
    }

    /// Units delivered, by the lines that they were delivered from.
    #[must_use]
    pub fn wins(&self) -> u64 {
        self.coverage.wins().sum()
    }

    /// How much later than the first copy a line's copies came, ns, where there were any.
    #[must_use]
    pub fn skew_ns(&self, line: usize) -> Option<&Histogram<u64>> {
        self.skew.of(line)
    }

    /// How long a missing unit is waited for now.
    #[must_use]
    pub fn grace_ns(&self) -> u64 {
        let ArbiterOptions { grace_ns, is_grace_adaptive, .. } = self.options;
        if is_grace_adaptive { self.skew.grace_ns(grace_ns) } else { grace_ns }
    }

    /// Nothing more will come: what a line has not come to, it has missed.
    pub fn finish(&mut self) {
        self.coverage.finish();
    }

    /// Notes that the framing of a packet judged `Duplicate` was followed to its end: it is a copy.
    #[inline]
    pub fn duplicated(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64) {
        let first = self.extend(packet.sequence, self.expected());
        let end = first.saturating_add(packet.units);
        self.refute(line, first, end);
        self.coverage.bring(line, first, end, self.settled());
        self.skew.on_copy(line, first, ts_ns);
        self.count_old(first, end);
    }

    /// Notes that a packet judged `Duplicate` is malformed: nothing is missing for it, and it brought nothing.
    #[cold]
    pub fn unusable_copy(&mut self, line: usize, packet: &Packet<'_>) {
        let first = self.extend(packet.sequence, self.expected());
        self.coverage.come_to(line, first.saturating_add(packet.units));
        self.counters.seen -= packet.units;
    }

    #[inline]
    fn note_head(&mut self, first: u64, packet: &Packet<'_>) {
        if first == self.first_sequence {
            self.again.note_head(packet.payload);
        }
    }

    /// Extends a sequence number of fewer than 64 bits to the one nearest to what is expected.
    #[inline]
    fn extend(&self, sequence: u64, next: u64) -> u64 {
        let unused = u64::BITS - self.sequence_bits;
        if unused == 0 {
            return sequence;
        }
        let distance = (sequence.wrapping_sub(next) << unused).cast_signed() >> unused;
        next.checked_add_signed(distance).unwrap_or(sequence)
    }

    /// Counts units that come when it is too late for them.
    fn count_old(&mut self, first: u64, end: u64) {
        let late = self.lost.overlap(first, end);
        self.counters.late += late;
        self.counters.duplicate += (end - first) - late;
    }

    /// Notes that messages without packets were decoded, which come in order and once.
    pub fn delivered_bare(&mut self, messages: u64) {
        if self.unit != SequenceUnit::Nothing {
            self.counters.seen += messages;
        }
        self.delivered(0, 0, messages);
    }

    /// Notes that a packet of `line` judged `Deliver` was decoded: all but the first `skip` of its units are done.
    #[inline]
    pub fn delivered(&mut self, line: usize, skip: u64, units: u64) {
        let Some(session) = &mut self.session else { return };
        let first = session.next;
        session.next += units - skip;
        let end = session.next;
        self.coverage.win(line, units - skip);
        self.coverage.bring(line, first - skip, end, end);
        self.refute(line, first - skip, end);
        self.elsewhere_run = 0;
        self.has_dropped = false;
        if self.unit == SequenceUnit::Nothing {
            self.counters.seen += units;
        }
        if skip > 0 {
            self.count_old(first - skip, first);
        }
        if self.hole.is_some() {
            self.counters.recovered += end - first;
            return;
        }
        self.counters.delivered += end - first;
        if self.suspicion != Cause::None {
            self.let_suspicion_fade();
        }
    }

    /// What is told of a packet judged `Deliver` while something is missing.
    #[must_use]
    pub fn recovered_by(&self, packet: &Packet<'_>, ts_ns: u64) -> Event {
        let next = self.expected();
        let end = self.extend(packet.sequence, next).saturating_add(packet.units);
        Event::units(EventKind::Recovered, Cause::None, next, end, ts_ns)
    }

    /// Notes that a packet which waited was decoded.
    pub fn released(&mut self, skip: u64, held: &Held) {
        let Some(session) = &mut self.session else { return };
        let first = session.next;
        session.next = held.end;
        self.counters.delivered += held.end - first;
        self.coverage.win(usize::from(held.line), held.end - first);
        if held.first == self.first_sequence {
            self.again.note_head(held.payload());
        }
        if skip > 0 {
            self.count_old(held.first, first);
        }
    }

    /// Notes that `units` of `line` from `sequence` on, judged `Deliver`, `Hold`, or released, could not be decoded: they
    /// are still missing.
    #[cold]
    pub fn unusable(&mut self, line: usize, sequence: u64, units: u64, ts_ns: u64) {
        let next = self.expected();
        let first = self.extend(sequence, next);
        self.coverage.come_to(line, first.saturating_add(units));
        self.lines[line].disbelieve(first, first.saturating_add(units));
        self.counters.seen -= units;
        self.suspect(Cause::Malformed);
        self.notice(ts_ns);
        if self.expected() == self.first_sequence {
            self.again.forget_head();
        }
    }

    /// Notes that a packet judged `Unsequenced` could not be decoded.
    pub fn unusable_unsequenced(&mut self, units: u64) {
        self.counters.seen -= units;
        self.counters.unsequenced -= units;
    }

    /// Keeps a packet judged `Hold` until what is missing in front of it came or was declared lost.
    pub fn hold(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, ts_recv_ns: u64) {
        let Some(Session { next, .. }) = self.session else { return };
        let first = self.extend(packet.sequence, next);
        self.notice(ts_ns);
        self.elsewhere_run = 0;
        self.counters.pending += packet.units;
        self.refute(line, first, first.saturating_add(packet.units));
        self.coverage.bring(line, first, first.saturating_add(packet.units), self.settled());
        self.window.insert(line, first, packet, [ts_ns, ts_recv_ns]);
    }

    /// Takes the memory of a packet back whose step was taken.
    pub fn recycle(&mut self, held: Held) {
        self.window.recycle(held);
    }
}

fn session_next(session: Option<Session>) -> u64 {
    session.map_or(0, |session| session.next)
}
