//! What is to be done with a packet: its place among those that came, and whether it is believed.

use super::line::Moved;
use super::reset::is_reset;
use super::{Arbiter, FURTHEST_AHEAD_UNITS, Session, Verdict};
use crate::event::{Cause, Event, EventKind};
use crate::framing::{Packet, PacketKind, Standing};
use crate::spec::SequenceUnit;

impl Arbiter {
    /// Judges a packet that came on `line` at `ts_ns`.
    #[inline]
    pub fn judge(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, events: &mut Vec<Event>) -> Verdict {
        if self.unit == SequenceUnit::Nothing {
            return self.judge_without_sequence(ts_ns);
        }
        let first = self.session.map_or(packet.sequence, |session| self.extend(packet.sequence, session.next));
        if is_reset(packet) {
            match self.judge_reset(line, packet, ts_ns) {
                Some(Verdict::Stale) => return self.stale(line, packet, ts_ns, events),
                Some(verdict) => return verdict,
                None => {}
            }
        } else if first < self.first_sequence || packet.standing == Standing::Outside {
            return self.judge_unsequenced(packet, ts_ns);
        }
        let Some(session) = self.session else { return Verdict::Opens };
        if !self.claims.is_empty() && self.is_second_witness(line, packet, first, session.next) {
            return Verdict::Opens;
        }
        let is_elsewhere = session.id != packet.session || self.lines[line].epoch != self.epoch;
        if is_elsewhere || self.restarts(line, packet, first, &session, ts_ns) {
            match self.judge_other_session(line, packet, first, &session, ts_ns) {
                Some(Verdict::Stale) => return self.stale(line, packet, ts_ns, events),
                Some(Verdict::Claim) => return self.judge_claim(line, packet, ts_ns),
                Some(verdict) => return verdict,
                None => {}
            }
        }
        let ahead = if self.is_opening { first.abs_diff(session.next) } else { first.saturating_sub(session.next) };
        if ahead > FURTHEST_AHEAD_UNITS {
            return self.judge_implausible(line, first, ts_ns);
        }
        if self.lines[line].is_back_at(first)
            && let Some(verdict) = self.judge_again(line, packet, first, session.next, ts_ns)
        {
            return verdict;
        }
        self.heard_ns = ts_ns;
        if !self.claims.is_empty() {
            self.claims.pass(line);
        }
        let end = first.saturating_add(packet.units);
        if self.window.has_doubted() {
            self.window.confirm(first, end, packet.payload);
        }
        let verdict = self.judge_units(first, end, session.next);
        if verdict == Verdict::Duplicate && self.is_carried_away_by(line, first, end, &session, ts_ns) {
            return Verdict::Opens;
        }
        match self.lines[line].move_to(first, end, session.next, verdict, ts_ns) {
            Moved::On => {}
            Moved::Back => {
                self.coverage.step_back(line);
                self.window.doubt(line, end, ts_ns);
            }
            Moved::Against => self.speak_against(line, end, session.next, ts_ns),
        }
        if packet.kind != PacketKind::Data {
            self.coverage.come_to(line, end);
            return self.judge_quiet(packet.kind, end, &session, ts_ns, events);
        }
        self.counters.seen += packet.units;
        if verdict != Verdict::Duplicate {
            self.skew.on_first(line, first, ts_ns);
            self.note_head(first, packet);
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

    /// A number below that of the first unit says that the packet is not part of the sequence; or its header does.
    #[cold]
    fn judge_unsequenced(&mut self, packet: &Packet<'_>, ts_ns: u64) -> Verdict {
        self.heard_ns = ts_ns;
        if packet.kind != PacketKind::Data {
            return Verdict::Quiet;
        }
        self.counters.seen += packet.units;
        self.counters.unsequenced += packet.units;
        Verdict::Unsequenced
    }

    #[cold]
    fn judge_implausible(&mut self, line: usize, first: u64, ts_ns: u64) -> Verdict {
        if self.was_carried_away(line, first, ts_ns) {
            return Verdict::Opens;
        }
        self.counters.implausible_packets += 1;
        Verdict::Implausible
    }

    fn judge_without_sequence(&mut self, ts_ns: u64) -> Verdict {
        self.heard_ns = ts_ns;
        if self.session.is_some() { Verdict::Deliver { skip: 0 } } else { Verdict::Opens }
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
            let end = announced.max(session.next);
            self.ended_at = Some(end);
            events.push(Event::units(EventKind::SessionEnd, Cause::None, session.first, end, ts_ns));
        }
        Verdict::Quiet
    }
}
