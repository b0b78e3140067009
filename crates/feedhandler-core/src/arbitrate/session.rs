//! Sessions of a channel: which one it is in, which line begins another, and which is stuck in an old one.

use super::line::LineState;
use super::reset::is_reset;
use super::{Arbiter, FURTHEST_AHEAD_UNITS, Verdict};
use crate::event::{Cause, Event, EventKind, NO_LINE};
use crate::framing::{Packet, PacketKind, SessionId};
use crate::spec::SequenceUnit;

/// A line that falls back by more units than this to the head of the sequence has started again; of one that falls back
/// by fewer, [`super::again`] has to find out.
pub(super) const RESTART_DISTANCE_UNITS: u64 = 1024;
/// How near to the first sequence number a restarted line must be.
pub(super) const RESTART_HEAD_UNITS: u64 = 64;
/// A new session's head counts as lost only when the channel was heard so recently that its start would have been heard.
const LISTENING_NS: u64 = 60_000_000_000;
/// A line that came from a newer session is taken back into an older one after this many packets of it in a row.
const RETURN_PACKETS: u32 = 8;
/// A sequence that a stray has carried away is taken to where its lines go on after this many packets of theirs.
const ELSEWHERE_PACKETS: u32 = 16;
/// A line that has not come on for so long does not keep the sequence where it is.
const GOING_ON_NS: u64 = 1_000_000_000;
/// Sessions that are remembered in order to know a line that is stuck in one.
const REMEMBERED_SESSIONS: usize = 8;

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
pub(super) struct Past {
    pub session: Session,
    pub epoch: u32,
}

impl Arbiter {
    /// Whether a line that was further on has fallen back to the head of the sequence.
    #[inline]
    pub(super) fn restarts(&self, line: usize, packet: &Packet<'_>, first: u64, session: &Session, ts_ns: u64) -> bool {
        let LineState { epoch, position: Some(position), .. } = self.lines[line] else { return false };
        // A stray may have raised the line's position; it cannot have raised what was delivered.
        let position = if epoch == self.epoch { position.min(session.next) } else { position };
        if first >= position || first >= self.first_sequence.saturating_add(RESTART_HEAD_UNITS) {
            return false;
        }
        position - first > RESTART_DISTANCE_UNITS
            || (session.is_ended && first == self.first_sequence && self.is_new_head(line, packet, ts_ns))
    }

    /// Judges a packet of a line that is not in the present session, or leaves it; none where it has just come into it.
    #[cold]
    pub(super) fn judge_other_session(
        &mut self,
        line: usize,
        packet: &Packet<'_>,
        first: u64,
        session: &Session,
        ts_ns: u64,
    ) -> Option<Verdict> {
        let state = self.lines[line];
        let was_here = state.session == Some(packet.session);
        let restarts = was_here && self.restarts(line, packet, first, session, ts_ns);
        let is_behind = state.epoch != self.epoch;
        let opens = if self.needs_witness(&state, packet, session, ts_ns) { Verdict::Claim } else { Verdict::Opens };
        if session.id != packet.session {
            let Some(past) = self.past.iter().find(|past| past.session.id == packet.session) else {
                return Some(opens);
            };
            // A line that comes into it from an older one is only late.
            let is_from_newer = !was_here && state.epoch > past.epoch;
            return Some(match () {
                () if is_from_newer && state.stale_run >= RETURN_PACKETS => Verdict::Opens,
                () if is_from_newer && packet.sequence == self.first_sequence => opens,
                () => Verdict::Stale,
            });
        }
        if !is_behind {
            return restarts.then_some(opens);
        }
        if was_here && !restarts && !self.follows(line, packet, first, session.next) {
            return Some(Verdict::Stale);
        }
        self.lines[line].enter(self.epoch, session.id);
        None
    }

    /// Whether one packet of a line does not take the channel out of a session: neither has the line seen it end and brings
    /// something, nor is the session long silent.
    fn needs_witness(&self, line: &LineState, packet: &Packet<'_>, session: &Session, ts_ns: u64) -> bool {
        let is_data = packet.kind == PacketKind::Data;
        let is_at_end = is_data && session.is_ended && line.position >= Some(session.next);
        !is_at_end && ts_ns.saturating_sub(self.heard_ns) < LISTENING_NS
    }

    pub(super) fn stale(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, events: &mut Vec<Event>) -> Verdict {
        self.counters.seen += packet.units;
        self.counters.stale += packet.units;
        let state = &mut self.lines[line];
        if state.stale_run == 0 {
            let line = u16::try_from(line).unwrap_or(NO_LINE);
            events.push(Event::of_line(EventKind::StaleSession, Cause::None, line, packet.units, ts_ns));
        }
        state.stale_run = state.stale_run.saturating_add(1);
        Verdict::Stale
    }

    /// Opens the session of `packet`; the present one must have been settled.
    pub fn open(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, events: &mut Vec<Event>) {
        let claims = self.claims.take(packet.session, packet.sequence);
        let lowest = claims.iter().map(|claim| claim.first).fold(packet.sequence, u64::min);
        let Past { session, epoch } = self.opened_by(&Packet { sequence: lowest, ..*packet }, ts_ns);
        if epoch == self.epoch {
            self.lines.iter_mut().filter(|state| state.epoch == epoch).for_each(LineState::forget_position);
        }
        if epoch != self.epoch {
            self.resets.begin(packet, self.epoch, ts_ns);
        }
        (self.elsewhere_run, self.ended_at) = (0, None);
        let may_be_earlier = self.session.is_none() && self.lines.len() > 1 && session.first > self.first_sequence;
        self.is_opening = may_be_earlier && self.unit != SequenceUnit::Nothing && !is_reset(packet);
        self.close(ts_ns, events);
        self.epoch = epoch;
        self.epochs = self.epochs.max(epoch);
        self.lines[line].enter(epoch, session.id);
        self.session = Some(session);
        self.coverage.begin(if self.is_opening { 0 } else { session.first });
        self.heard_ns = ts_ns;
        let is_ahead = self.unit != SequenceUnit::Nothing && self.extend(packet.sequence, session.next) > session.next;
        self.open_again();
        let earliest_ns = claims.iter().map(|claim| claim.ts_ns).fold(ts_ns, u64::min);
        self.enter_claims(claims);
        if is_ahead || self.is_opening || !self.window.is_empty() {
            self.notice(earliest_ns);
        }
        if !self.is_opening {
            events.push(session_start(session.first, ts_ns));
        }
    }

    /// The session that `packet` opens: one that is new, one that starts again, one that its line comes back to, or the
    /// present one where its lines go on.
    fn opened_by(&self, packet: &Packet<'_>, ts_ns: u64) -> Past {
        if is_reset(packet) {
            let first = packet.sequence;
            let session = Session { id: packet.session, first, next: first, is_ended: false };
            return Past { session, epoch: self.epochs + 1 };
        }
        let first = match &self.session {
            _ if self.unit == SequenceUnit::Nothing => self.first_sequence,
            Some(present) if self.is_carried_away() => self.extend(packet.sequence, present.next),
            Some(_) if self.again.is_believed() => self.first_sequence,
            Some(_) if ts_ns.saturating_sub(self.heard_ns) < LISTENING_NS => self.first_missed(packet.sequence),
            _ => packet.sequence,
        };
        let session = Session { id: packet.session, first, next: first, is_ended: false };
        let left = self.past.iter().find(|past| past.session.id == packet.session && self.continues(past, packet));
        match left {
            Some(Past { session, epoch }) => {
                Past { session: Session { first: session.next, ..*session }, epoch: *epoch }
            }
            // The lines that went on have never left.
            None if self.is_carried_away() => Past { session, epoch: self.epoch },
            None => Past { session, epoch: self.epochs + 1 },
        }
    }

    /// Whether a packet with nothing new is one too many far below what is expected, where nothing was ever delivered.
    #[inline]
    pub(super) fn is_carried_away_by(
        &mut self,
        line: usize,
        first: u64,
        end: u64,
        session: &Session,
        ts_ns: u64,
    ) -> bool {
        let is_far = end.saturating_add(RESTART_DISTANCE_UNITS) < session.next;
        if is_far && (end <= session.first || self.lost.overlap(first, end) > 0) {
            return self.was_carried_away(line, first, ts_ns);
        }
        self.elsewhere_run = 0;
        false
    }

    /// Whether the lines have gone on far from what is expected for so long that what came there was a stray.
    ///
    /// A line that is only slow says nothing while another goes on ahead of it.
    #[cold]
    pub(super) fn was_carried_away(&mut self, line: usize, first: u64, ts_ns: u64) -> bool {
        let goes_on = |other: &LineState| {
            let is_far = other.position.is_some_and(|position| position.abs_diff(first) > RESTART_DISTANCE_UNITS);
            is_far && other.epoch == self.epoch && ts_ns.saturating_sub(other.moved_ns) < GOING_ON_NS
        };
        let mut others = self.lines.iter().enumerate().filter(|(other, _)| *other != line);
        if !others.any(|(_, other)| goes_on(other)) {
            self.elsewhere_run += 1;
        }
        self.is_carried_away()
    }

    fn is_carried_away(&self) -> bool {
        self.elsewhere_run >= ELSEWHERE_PACKETS
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
        debug_assert!(self.window.is_empty(), "a session is settled before it is left");
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
        self.coverage.end(session.next);
        self.skew.forget();
    }
}

pub(super) fn session_start(first: u64, ts_ns: u64) -> Event {
    Event { count: 0, ..Event::units(EventKind::SessionStart, Cause::None, first, first.saturating_add(1), ts_ns) }
}
