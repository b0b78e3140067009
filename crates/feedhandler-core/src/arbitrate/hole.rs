//! Holes in the sequence: noticed, waited for, filled, or declared lost.

use super::session::session_start;
use super::window::Doubt;
use super::witness::Behind;
use super::{Arbiter, Held, Step};
use crate::event::{Cause, Event, EventKind};

/// Units are missing in front of others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    /// First unit that is missing.
    pub first: u64,
    /// First unit behind those that were noticed to be missing; none while no line's place was looked at.
    pub end: Option<u64>,
    /// When they were noticed.
    pub noticed_ns: u64,
    /// What is missing is the session's beginning, and nobody knows yet how much of it.
    pub is_beginning: bool,
}

impl Arbiter {
    /// Notes that what is expected is missing.
    pub(super) fn notice(&mut self, ts_ns: u64) {
        let first = self.expected();
        self.hole.get_or_insert(Hole { first, end: None, noticed_ns: ts_ns, is_beginning: self.is_opening });
    }

    /// What the order allows next at `now_ns`, given that every line was looked at up to then: a packet that waited, or
    /// a hole whose grace time has passed. Call until it says nothing.
    pub fn step(&mut self, now_ns: u64, events: &mut Vec<Event>) -> Option<Step> {
        if !self.again.is_empty()
            && let Some(step) = self.step_again(now_ns)
        {
            return Some(step);
        }
        if !self.claims.is_empty()
            && let Some(step) = self.step_claims(now_ns, false)
        {
            return Some(step);
        }
        self.step_after(self.grace_ns(), now_ns, events)
    }

    /// Like [`Arbiter::step`], but waits for nothing: at the end of a session or of the input.
    pub fn settle(&mut self, now_ns: u64, events: &mut Vec<Event>) -> Option<Step> {
        self.settle_again();
        self.reject_again().or_else(|| self.step_after(0, now_ns, events))
    }

    fn step_after(&mut self, grace_ns: u64, now_ns: u64, events: &mut Vec<Event>) -> Option<Step> {
        let hole = self.hole?;
        if self.is_opening {
            if !self.is_due(hole, grace_ns, now_ns) {
                return None;
            }
            if self.window.is_first_astray() {
                return self.window.pop().map(|stray| self.take_for_stray(stray));
            }
            self.begin_at_earliest(now_ns, events);
        }
        let next = self.expected();
        if let Some(held) = self.window.reached(next) {
            if self.waits_in_doubt(held, next, grace_ns, now_ns) {
                return None;
            }
            return self.window.pop().map(|held| self.leave_window(held, next));
        }
        let furthest = self.furthest(next);
        if furthest <= next && self.window.is_empty() {
            self.hole = None;
            self.suspicion = Cause::None;
            return None;
        }
        let hole = self.present_hole(hole, next, furthest);
        self.hole = Some(hole);
        if !self.is_due(hole, grace_ns, now_ns) {
            return None;
        }
        match self.behind(hole, next, grace_ns, now_ns) {
            Behind::Nobody => None,
            Behind::Stray => self.window.pop().map(|stray| self.take_for_stray(stray)),
            Behind::Retreat => {
                self.retreat(next, now_ns);
                self.step_after(grace_ns, now_ns, events)
            }
            Behind::Sequence(place) => Some(self.declare(hole, place, now_ns, events)),
        }
    }

    /// Whether something has waited long enough at `now_ns`: what is missing in front of it, or what would tell what it is.
    #[must_use]
    pub fn may_declare(&self, now_ns: u64) -> bool {
        let grace_ns = self.grace_ns();
        let is_due = |hole: Hole| self.is_due(hole, grace_ns, now_ns) && self.may_step(hole, grace_ns, now_ns);
        self.hole.is_some_and(is_due) || self.again.is_due(now_ns) || self.has_claim_due(now_ns)
    }

    fn is_due(&self, hole: Hole, grace_ns: u64, now_ns: u64) -> bool {
        let is_over = now_ns >= hole.noticed_ns.saturating_add(grace_ns);
        grace_ns == 0 || is_over || self.has_no_room() || self.is_explained()
    }

    /// Whether there is nothing to wait for: what is missing was dropped here, and there is no other line to bring it.
    pub(super) fn is_explained(&self) -> bool {
        self.has_dropped && self.lines.len() == 1
    }

    /// Takes a packet out of the window, now that all in front of it was delivered or declared lost.
    fn leave_window(&mut self, held: Held, next: u64) -> Step {
        if matches!(held.doubt, Doubt::Refuted { .. }) {
            return self.take_for_stray(held);
        }
        self.counters.pending -= held.units();
        if held.end <= next {
            self.count_old(held.first, held.end);
            return Step::Duplicate(held);
        }
        Step::Release { skip: next - held.first, held }
    }

    /// First unit behind what the lines have come to.
    pub(super) fn furthest(&self, next: u64) -> u64 {
        let here = self.lines.iter().filter(|line| line.epoch == self.epoch);
        here.filter_map(|line| line.position).max().unwrap_or(next)
    }

    /// The hole at `next`: as it was, or, where the last one was filled, as what came behind it tells.
    fn present_hole(&self, last: Hole, next: u64, furthest: u64) -> Hole {
        if last.first == next && !last.is_beginning {
            return Hole { end: last.end.filter(|end| *end > next).or(Some(furthest)), ..last };
        }
        let lines = self.lines.iter().filter(|line| line.epoch == self.epoch && line.position > Some(next));
        let waits = self.window.earliest_ns().map(|ts_ns| (ts_ns, Some(furthest)));
        let told = lines.map(|line| (line.moved_ns, line.position)).chain(waits).min();
        let (noticed_ns, end) = told.unwrap_or((last.noticed_ns, Some(furthest)));
        Hole { first: next, end, noticed_ns, is_beginning: false }
    }

    /// The first session begins with the earliest unit that any line has brought.
    fn begin_at_earliest(&mut self, now_ns: u64, events: &mut Vec<Event>) {
        self.is_opening = false;
        if let (Some(session), Some(earliest)) = (&mut self.session, self.window.first()) {
            (session.first, session.next) = (earliest, earliest);
        }
        self.coverage.begin(self.expected());
        events.push(session_start(self.expected(), now_ns));
    }

    /// Declares a hole lost, in front of what waits or of the place that the sequence has come to.
    fn declare(&mut self, hole: Hole, place: u64, now_ns: u64, events: &mut Vec<Event>) -> Step {
        let reached = self.window.first().map_or(place, |first| first.min(place));
        self.lose(hole.first, hole.end.unwrap_or(reached).min(reached), now_ns, events);
        Step::Gap
    }

    fn lose(&mut self, first: u64, end: u64, now_ns: u64, events: &mut Vec<Event>) {
        let cause = self.suspicion.max(Cause::Line);
        self.has_dropped = false;
        self.lost.push(first, end);
        self.counters.lose(cause, end - first);
        events.push(Event::units(EventKind::Gap, cause, first, end, now_ns));
        if let Some(session) = &mut self.session {
            session.next = end;
        }
    }
}
