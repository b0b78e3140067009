//! arbitrate: of the copies that several lines carry, the first good one wins; what none carried becomes a gap.
//!
//! Stands between framing and decode, one [`Arbiter`] a channel. It is sans-I/O and looks at no clock: the caller says
//! what time it is on the clock of the receive times, and until when every line has been looked at. It decides; the
//! pipeline decodes, and reports back with [`Arbiter::delivered`] or [`Arbiter::unusable`].
//!
//! Sequence numbers below are *units*: messages or packets, whichever the protocol counts. `first..end` is half open.

mod line;
mod lost;
mod window;

use serde::Deserialize;

use crate::event::{Cause, Event, EventKind, NO_LINE};
use crate::framing::{Framing, Packet, PacketKind, SessionId};
use crate::ledger::UnitCounters;
use crate::spec::SequenceUnit;
use line::LineState;
use lost::LostRanges;
pub use window::Held;
use window::Window;

/// How an arbiter treats disorder.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArbiterOptions {
    /// How long a missing unit is waited for, ns: the other lines, and reordering, have that long to bring it.
    pub grace_ns: u64,
    /// Packets that are kept beyond a hole.
    pub window_packets: usize,
    /// Bytes that are kept beyond a hole.
    pub window_bytes: usize,
}

impl Default for ArbiterOptions {
    fn default() -> Self {
        Self { grace_ns: 5_000_000, window_packets: 4096, window_bytes: 8 << 20 }
    }
}

/// A line that falls back by more units than this to the head of the sequence has started again; by fewer, it repeats.
const RESTART_DISTANCE_UNITS: u64 = 1024;
/// How near to the first sequence number a restarted line must be.
const RESTART_HEAD_UNITS: u64 = 64;
/// A new session's head counts as lost only when the channel was heard so recently that its start would have been heard.
const LISTENING_NS: u64 = 60_000_000_000;
/// A line that came from a newer session is taken back into an older one after this many packets of it in a row.
const RETURN_PACKETS: u32 = 8;
/// Packets delivered in order after which a drop no longer explains a gap.
const SUSPICION_PACKETS: u32 = 64;
/// Sessions that are remembered in order to know a line that is stuck in one.
const REMEMBERED_SESSIONS: usize = 8;
/// No session has so many units (ten million a second for a day): a packet further ahead than this is not of it.
const FURTHEST_AHEAD_UNITS: u64 = 1 << 40;

/// A session of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// First unit seen or missed.
    pub first: u64,
    /// Next unit expected.
    pub next: u64,
    /// End of session was announced.
    pub is_ended: bool,
}

/// A session that the channel has left, and where its lines are in it.
#[derive(Clone, Copy, Debug)]
struct Past {
    session: Session,
    epoch: u32,
}

/// Units are missing in front of others.
#[derive(Clone, Copy, Debug)]
struct Hole {
    /// First unit that is missing.
    first: u64,
    /// First unit behind those that were noticed to be missing; none while no line's place was looked at.
    end: Option<u64>,
    /// When they were noticed.
    noticed_ns: u64,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Decode it, without its first `skip` units, which were delivered before; then [`Arbiter::delivered`].
    Deliver {
        /// Units to skip.
        skip: u64,
    },
    /// Check its framing, then [`Arbiter::hold`]: something in front of it is missing.
    Hold,
    /// All of it was delivered before (some of it perhaps declared lost): it is counted and done with.
    Duplicate,
    /// Its line goes on in a session that the channel has left.
    Stale,
    /// It carries no unit.
    Quiet,
    /// It is so far ahead that it cannot be of this session: it is counted as malformed.
    Implausible,
    /// It opens another session: [`Arbiter::settle`] the present one, [`Arbiter::open`] it, and ask again.
    Opens,
}

/// What the order allows next, while a channel is being settled.
#[derive(Debug)]
pub enum Step {
    /// A packet that waited is next: decode it without its first `skip` units.
    Release {
        /// The packet.
        held: Held,
        /// Units to skip.
        skip: u64,
    },
    /// A packet that waited has nothing new any more.
    Duplicate(Held),
    /// A packet that waited was a stray, far ahead of a sequence that went on without it.
    Stray(Held),
    /// A hole was declared lost.
    Gap,
}

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
    /// What happened on this machine that would explain a loss.
    suspicion: Cause,
    suspicion_packets: u32,
    heard_ns: u64,
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
            suspicion: Cause::None,
            suspicion_packets: 0,
            heard_ns: 0,
            counters: UnitCounters::default(),
        }
    }

    /// The present session.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whether anything waits for something missing.
    #[inline]
    #[must_use]
    pub fn is_disordered(&self) -> bool {
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

    /// Adds a line that was not known at first.
    pub fn add_line(&mut self) {
        self.lines.push(LineState::default());
    }

    /// Judges a packet that came on `line` at `ts_ns`.
    #[inline]
    pub fn judge(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, events: &mut Vec<Event>) -> Verdict {
        if self.unit == SequenceUnit::Nothing {
            return self.judge_unsequenced(ts_ns);
        }
        let Some(session) = self.session else { return Verdict::Opens };
        let first = self.extend(packet.sequence, session.next);
        let is_elsewhere = session.id != packet.session || self.lines[line].epoch != self.epoch;
        if is_elsewhere || self.restarts(line, first, &session) {
            match self.judge_other_session(line, packet, first, &session) {
                Some(Verdict::Stale) => return self.stale(line, packet, ts_ns, events),
                Some(verdict) => return verdict,
                None => {}
            }
        }
        let ahead = if self.is_opening { first.abs_diff(session.next) } else { first.saturating_sub(session.next) };
        if ahead > FURTHEST_AHEAD_UNITS {
            self.counters.implausible_packets += 1;
            return Verdict::Implausible;
        }
        self.heard_ns = ts_ns;
        let end = first.saturating_add(packet.units);
        let verdict = self.judge_units(first, end, session.next);
        self.lines[line].move_to(end, matches!(verdict, Verdict::Deliver { .. }), ts_ns);
        if packet.kind != PacketKind::Data {
            return self.judge_quiet(packet.kind, end, &session, ts_ns, events);
        }
        self.counters.seen += packet.units;
        if verdict == Verdict::Duplicate {
            self.count_old(first, end);
        }
        verdict
    }

    /// Judges the units `first..end` when `next` is expected.
    #[inline]
    fn judge_units(&self, first: u64, end: u64, next: u64) -> Verdict {
        if self.is_opening && first < end {
            if self.window.covers(first, end) { Verdict::Duplicate } else { Verdict::Hold }
        } else if first <= next && (end > next || first == end) {
            Verdict::Deliver { skip: next - first }
        } else if end <= next || self.window.covers(first, end) {
            Verdict::Duplicate
        } else {
            Verdict::Hold
        }
    }

    fn judge_unsequenced(&mut self, ts_ns: u64) -> Verdict {
        self.heard_ns = ts_ns;
        if self.session.is_some() { Verdict::Deliver { skip: 0 } } else { Verdict::Opens }
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

    /// Whether a line that was further on has fallen back to the head of the sequence.
    #[inline]
    fn restarts(&self, line: usize, first: u64, session: &Session) -> bool {
        let LineState { epoch, position: Some(position), .. } = self.lines[line] else { return false };
        // A stray may have raised the line's position; it cannot have raised what was delivered.
        let position = if epoch == self.epoch { position.min(session.next) } else { position };
        if first >= position || first >= self.first_sequence.saturating_add(RESTART_HEAD_UNITS) {
            return false;
        }
        position - first > RESTART_DISTANCE_UNITS || (session.is_ended && first == self.first_sequence)
    }

    /// Judges a packet of a line that is not in the present session, or leaves it; none where it has just come into it.
    #[cold]
    fn judge_other_session(
        &mut self,
        line: usize,
        packet: &Packet<'_>,
        first: u64,
        session: &Session,
    ) -> Option<Verdict> {
        let state = self.lines[line];
        let was_here = state.session == Some(packet.session);
        let restarts = was_here && self.restarts(line, first, session);
        let is_behind = state.epoch != self.epoch;
        if session.id != packet.session {
            let is_past = self.past.iter().any(|past| past.session.id == packet.session);
            let returns = !was_here && (state.stale_run >= RETURN_PACKETS || packet.sequence == self.first_sequence);
            return Some(if is_past && !returns { Verdict::Stale } else { Verdict::Opens });
        }
        if !is_behind {
            return restarts.then_some(Verdict::Opens);
        }
        if was_here && !restarts {
            return Some(Verdict::Stale);
        }
        self.lines[line].enter(self.epoch, session.id);
        None
    }

    fn stale(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, events: &mut Vec<Event>) -> Verdict {
        self.counters.seen += packet.units;
        self.counters.stale += packet.units;
        let state = &mut self.lines[line];
        if state.stale_run == 0 {
            let line = u16::try_from(line).unwrap_or(NO_LINE);
            events.push(Event::of_line(EventKind::StaleSession, Cause::None, line, packet.units, ts_ns));
        }
        state.stale_run += 1;
        Verdict::Stale
    }

    /// A heartbeat or an end of session says what comes next: what should have come before it is missing.
    fn judge_quiet(
        &mut self,
        kind: PacketKind,
        announced: u64,
        session: &Session,
        ts_ns: u64,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if announced > session.next {
            self.notice(ts_ns);
        }
        if kind == PacketKind::EndOfSession && !session.is_ended {
            if let Some(session) = &mut self.session {
                session.is_ended = true;
            }
            events.push(Event::units(EventKind::SessionEnd, Cause::None, session.first, announced, ts_ns));
        }
        Verdict::Quiet
    }

    /// Counts units that come when it is too late for them.
    fn count_old(&mut self, first: u64, end: u64) {
        let late = self.lost.overlap(first, end);
        self.counters.late += late;
        self.counters.duplicate += (end - first) - late;
    }

    /// Opens the session of `packet`; the present one must have been settled.
    pub fn open(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, events: &mut Vec<Event>) {
        let Past { session, epoch } = self.opened_by(packet, ts_ns);
        let may_be_earlier = self.session.is_none() && self.lines.len() > 1 && session.first > self.first_sequence;
        self.is_opening = may_be_earlier && self.unit != SequenceUnit::Nothing;
        self.close(ts_ns, events);
        self.epoch = epoch;
        self.epochs = self.epochs.max(epoch);
        self.lines[line].enter(epoch, session.id);
        self.session = Some(session);
        self.heard_ns = ts_ns;
        let is_ahead = self.unit != SequenceUnit::Nothing && self.extend(packet.sequence, session.next) > session.next;
        if is_ahead || self.is_opening {
            self.notice(ts_ns);
        }
        if !self.is_opening {
            events.push(session_start(session.first, ts_ns));
        }
    }

    /// The session that `packet` opens: one that is new, one that starts again, or one that its line comes back to.
    fn opened_by(&self, packet: &Packet<'_>, ts_ns: u64) -> Past {
        let first = match &self.session {
            _ if self.unit == SequenceUnit::Nothing => self.first_sequence,
            Some(_) if ts_ns.saturating_sub(self.heard_ns) < LISTENING_NS => self.first_missed(packet.sequence),
            _ => packet.sequence,
        };
        let session = Session { id: packet.session, first, next: first, is_ended: false };
        let left = self.past.iter().find(|past| past.session.id == packet.session && self.continues(past, packet));
        match left {
            Some(Past { session, epoch }) => {
                Past { session: Session { first: session.next, ..*session }, epoch: *epoch }
            }
            None => Past { session, epoch: self.epochs + 1 },
        }
    }

    /// First unit of a session that began while we listened, and whose first packet we heard is at `joined`.
    fn first_missed(&self, joined: u64) -> u64 {
        let missed = joined.saturating_sub(self.first_sequence);
        if missed > FURTHEST_AHEAD_UNITS { joined } else { joined - missed }
    }

    /// Whether the packet goes on where the channel left its session, rather than start it again.
    fn continues(&self, past: &Past, packet: &Packet<'_>) -> bool {
        let is_present = self.session.is_some_and(|session| session.id == packet.session);
        let first = self.extend(packet.sequence, past.session.next);
        !is_present && first > self.first_sequence && first.saturating_add(RESTART_DISTANCE_UNITS) >= past.session.next
    }

    fn close(&mut self, ts_ns: u64, events: &mut Vec<Event>) {
        let Some(session) = self.session.take() else { return };
        if !session.is_ended {
            events.push(Event::units(EventKind::SessionEnd, Cause::None, session.first, session.next, ts_ns));
        }
        self.past.retain(|past| past.session.id != session.id);
        if self.past.len() == REMEMBERED_SESSIONS {
            self.past.remove(0);
        }
        self.past.push(Past { session, epoch: self.epoch });
        self.lost.clear();
        self.hole = None;
    }

    /// Notes that a packet judged `Deliver` was decoded: all but the first `skip` of its units are done.
    #[inline]
    pub fn delivered(&mut self, skip: u64, units: u64, ts_ns: u64, events: &mut Vec<Event>) {
        let Some(session) = &mut self.session else { return };
        let first = session.next;
        session.next += units - skip;
        let end = session.next;
        if self.unit == SequenceUnit::Nothing {
            self.counters.seen += units;
        }
        if skip > 0 {
            self.count_old(first - skip, first);
        }
        if self.is_disordered() {
            self.counters.recovered += end - first;
            events.push(Event::units(EventKind::Recovered, Cause::None, first, end, ts_ns));
            return;
        }
        self.counters.delivered += end - first;
        if self.suspicion != Cause::None {
            self.let_suspicion_fade();
        }
    }

    /// Notes that a packet which waited was decoded.
    pub fn released(&mut self, skip: u64, held: &Held) {
        let Some(session) = &mut self.session else { return };
        let first = session.next;
        session.next = held.end;
        self.counters.delivered += held.end - first;
        if skip > 0 {
            self.count_old(held.first, first);
        }
    }

    /// Notes that a packet judged `Deliver`, `Hold`, or released, could not be decoded: its units are still missing.
    #[cold]
    pub fn unusable(&mut self, units: u64, ts_ns: u64) {
        self.counters.seen -= units;
        self.suspect(Cause::Malformed);
        self.notice(ts_ns);
    }

    /// Keeps a packet judged `Hold` until what is missing in front of it came or was declared lost.
    pub fn hold(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64) {
        let Some(session) = &self.session else { return };
        let first = self.extend(packet.sequence, session.next);
        self.notice(ts_ns);
        self.counters.pending += packet.units;
        self.window.insert(line, first, packet, ts_ns);
    }

    /// Notes that what is expected is missing.
    fn notice(&mut self, ts_ns: u64) {
        let first = self.expected();
        self.hole.get_or_insert(Hole { first, end: None, noticed_ns: ts_ns });
    }

    /// What the order allows next at `now_ns`, given that every line was looked at up to then: a packet that waited, or
    /// a hole whose grace time has passed. Call until it says nothing.
    pub fn step(&mut self, now_ns: u64, events: &mut Vec<Event>) -> Option<Step> {
        self.step_after(self.options.grace_ns, now_ns, events)
    }

    /// Like [`Arbiter::step`], but waits for nothing: at the end of a session or of the input.
    pub fn settle(&mut self, now_ns: u64, events: &mut Vec<Event>) -> Option<Step> {
        self.step_after(0, now_ns, events)
    }

    fn step_after(&mut self, grace_ns: u64, now_ns: u64, events: &mut Vec<Event>) -> Option<Step> {
        let hole = self.hole?;
        if self.is_opening {
            if !self.is_due(hole, grace_ns, now_ns) {
                return None;
            }
            self.begin_at_earliest(now_ns, events);
        }
        let next = self.expected();
        if let Some(held) = self.window.pop_reached(next) {
            return Some(self.leave_window(held, next));
        }
        let furthest = self.furthest(next);
        if furthest <= next && self.window.is_empty() {
            self.hole = None;
            self.suspicion = Cause::None;
            return None;
        }
        let hole = self.present_hole(hole, next, furthest);
        self.hole = Some(hole);
        self.is_due(hole, grace_ns, now_ns).then(|| self.declare(hole, furthest, now_ns, events))
    }

    fn is_due(&self, hole: Hole, grace_ns: u64, now_ns: u64) -> bool {
        grace_ns == 0 || now_ns >= hole.noticed_ns.saturating_add(grace_ns) || self.window.is_full()
    }

    /// Takes a packet out of the window, now that all in front of it was delivered or declared lost.
    fn leave_window(&mut self, held: Held, next: u64) -> Step {
        self.counters.pending -= held.units();
        if held.end <= next {
            self.count_old(held.first, held.end);
            return Step::Duplicate(held);
        }
        Step::Release { skip: next - held.first, held }
    }

    /// First unit behind what the lines have come to.
    fn furthest(&self, next: u64) -> u64 {
        let here = self.lines.iter().filter(|line| line.epoch == self.epoch);
        here.filter_map(|line| line.position).max().unwrap_or(next)
    }

    /// The hole at `next`: as it was, or, where the last one was filled, as what came behind it tells.
    fn present_hole(&self, last: Hole, next: u64, furthest: u64) -> Hole {
        if last.first == next {
            return Hole { end: last.end.filter(|end| *end > next).or(Some(furthest)), ..last };
        }
        let lines = self.lines.iter().filter(|line| line.epoch == self.epoch && line.position > Some(next));
        let waits = self.window.earliest_ns().map(|ts_ns| (ts_ns, Some(furthest)));
        let told = lines.map(|line| (line.moved_ns, line.position)).chain(waits).min();
        let (noticed_ns, end) = told.unwrap_or((last.noticed_ns, Some(furthest)));
        Hole { first: next, end, noticed_ns }
    }

    /// The first session begins with the earliest unit that any line has brought.
    fn begin_at_earliest(&mut self, now_ns: u64, events: &mut Vec<Event>) {
        self.is_opening = false;
        if let (Some(session), Some(earliest)) = (&mut self.session, self.window.first()) {
            (session.first, session.next) = (earliest, earliest);
        }
        events.push(session_start(self.expected(), now_ns));
    }

    /// Declares a hole lost, or what waits beyond it a stray, if every line went on in front of it.
    fn declare(&mut self, hole: Hole, furthest: u64, now_ns: u64, events: &mut Vec<Event>) -> Step {
        let reached = self.window.first().unwrap_or(furthest);
        if reached > furthest
            && let Some(stray) = self.window.pop_reached(reached)
        {
            self.counters.pending -= stray.units();
            self.counters.seen -= stray.units();
            self.counters.implausible_packets += 1;
            return Step::Stray(stray);
        }
        self.lose(hole.first, hole.end.unwrap_or(reached).min(reached), now_ns, events);
        Step::Gap
    }

    fn lose(&mut self, first: u64, end: u64, now_ns: u64, events: &mut Vec<Event>) {
        let cause = self.suspicion.max(Cause::Line);
        self.lost.push(first, end);
        self.counters.lose(cause, end - first);
        events.push(Event::units(EventKind::Gap, cause, first, end, now_ns));
        if let Some(session) = &mut self.session {
            session.next = end;
        }
    }
}

fn session_start(first: u64, ts_ns: u64) -> Event {
    Event { count: 0, ..Event::units(EventKind::SessionStart, Cause::None, first, first.saturating_add(1), ts_ns) }
}

fn session_next(session: Option<Session>) -> u64 {
    session.map_or(0, |session| session.next)
}
