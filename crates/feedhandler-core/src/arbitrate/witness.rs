//! Whether one more packet than one says that the sequence has come behind a hole.
//!
//! One packet ahead of the sequence may be behind a loss, or have a header that was damaged on the way. A second packet
//! tells: the line goes on behind it, or another line has come there as well; or the line goes on where the sequence is.
//! Where none comes, time does: what is far ahead waits for [`CLAIM_NS`], and so does what is near if its line has gone on
//! in front of it; otherwise what is near is behind a loss, however little has come of it.

use super::claim::CLAIM_NS;
use super::hole::Hole;
use super::line::{Gone, LineState, STRAY_DISTANCE_UNITS, STRAY_PACKETS};
use super::window::Doubt;
use super::{Arbiter, Held, Step};

/// What is behind a hole that was waited for.
pub(super) enum Behind {
    /// Something, but nobody else says so yet.
    Nobody,
    /// The sequence, up to there at least.
    Sequence(u64),
    /// The first packet that waits is a stray.
    Stray,
    /// Nothing that carried a unit, and the lines that announced it never were there.
    Retreat,
}

impl Arbiter {
    /// What is behind a hole in front of which `next` is expected.
    pub(super) fn behind(&self, hole: Hole, next: u64, grace_ns: u64, now_ns: u64) -> Behind {
        let furthest = self.furthest(next);
        let first = self.window.first();
        if first.is_some_and(|first| first > furthest) {
            return Behind::Stray;
        }
        let has_room = !self.has_no_room();
        if let Some(place) = self.witnessed(next) {
            return Behind::Sequence(place);
        }
        let reached = first.unwrap_or(furthest);
        if grace_ns > 0 && (!has_room || self.is_explained()) {
            return Behind::Sequence(reached);
        }
        let is_near = reached - next <= STRAY_DISTANCE_UNITS && !self.is_at_end(next, reached);
        let packets = if is_near { STRAY_PACKETS } else { 0 };
        let since_ns = self.undisputed_since_ns(next, packets).unwrap_or(hole.noticed_ns);
        let is_over = grace_ns == 0 || now_ns >= since_ns.saturating_add(CLAIM_NS);
        let has_waited = now_ns >= since_ns.saturating_add(grace_ns);
        if is_over && self.is_at_end(next, reached) {
            return if first.is_some() { Behind::Stray } else { Behind::Retreat };
        }
        match self.who_has_gone(next, packets) {
            Gone::None if is_over || (is_near && has_waited) => Behind::Sequence(reached),
            Gone::On if is_near && is_over => Behind::Sequence(reached),
            Gone::On | Gone::Announced if is_over && first.is_some() => Behind::Stray,
            Gone::On | Gone::Announced if is_over => Behind::Retreat,
            _ => Behind::Nobody,
        }
    }

    /// How far behind `next` two packets agree that the sequence is.
    fn witnessed(&self, next: u64) -> Option<u64> {
        let here = self.lines.iter().filter(|line| line.epoch == self.epoch);
        let vouched = here.map(|line| line.vouched).filter(|place| *place > next).max();
        vouched.or_else(|| {
            let undisputed = self.lines_behind(next).filter(|line| line.gone(0) == Gone::None);
            let mut places = undisputed.filter_map(|line| line.position);
            let one = places.next()?;
            places.find(|other| other.abs_diff(one) <= STRAY_DISTANCE_UNITS).map(|other| other.max(one))
        })
    }

    fn lines_behind(&self, next: u64) -> impl Iterator<Item = &LineState> {
        self.lines.iter().filter(move |line| line.epoch == self.epoch && line.position > Some(next))
    }

    /// Whether the session was said to end at `next`, in front of what seems to be behind.
    fn is_at_end(&self, next: u64, reached: u64) -> bool {
        self.ended_at == Some(next) && reached > next
    }

    /// Since when a line has been behind `next` that has not gone on in front.
    fn undisputed_since_ns(&self, next: u64, packets: u8) -> Option<u64> {
        let undisputed = self.lines_behind(next).filter(|line| line.gone(packets) == Gone::None);
        undisputed.map(|line| line.moved_ns).min()
    }

    /// Whether every line that seemed to be behind `next` has gone on in front, by so many packets.
    fn who_has_gone(&self, next: u64, packets: u8) -> Gone {
        let is_first_doubted = self.window.is_first_doubted();
        let gone = self.lines_behind(next).map(|line| line.gone(packets)).min().unwrap_or(Gone::None);
        if is_first_doubted { gone.max(Gone::On) } else { gone }
    }

    /// Whether a step can be taken for a hole whose grace time has passed.
    pub(super) fn may_step(&self, hole: Hole, grace_ns: u64, now_ns: u64) -> bool {
        let next = self.expected();
        match self.window.reached(next) {
            _ if self.is_opening => true,
            Some(held) => !self.waits_in_doubt(held, next, grace_ns, now_ns),
            None => !matches!(self.behind(hole, next, grace_ns, now_ns), Behind::Nobody),
        }
    }

    /// Whether a packet that the sequence has come to waits for another that tells whether it is there.
    pub(super) fn waits_in_doubt(&self, held: &Held, next: u64, grace_ns: u64, now_ns: u64) -> bool {
        let Doubt::Since { ts_ns } = held.doubt else { return false };
        held.end > next && now_ns < ts_ns.saturating_add(grace_ns) && !self.has_no_room()
    }

    /// Lines never were where they seemed to be, but where they have gone on.
    pub(super) fn retreat(&mut self, next: u64, ts_ns: u64) {
        for (number, line) in self.lines.iter_mut().enumerate() {
            if line.epoch == self.epoch && line.position > Some(next) {
                line.retreat_to(next, ts_ns);
                self.coverage.step_back(number);
            }
        }
    }

    /// A packet that can be used has come with these units.
    #[inline]
    pub(super) fn refute(&mut self, line: usize, first: u64, end: u64) {
        if self.window.has_doubted() {
            self.window.refute(line, first, end);
        }
    }

    /// A line has gone on in order below where it was.
    #[cold]
    pub(super) fn speak_against(&mut self, line: usize, end: u64, next: u64, ts_ns: u64) {
        let Some(place) = self.lines[line].position else { return };
        self.window.doubt(line, end, ts_ns);
        if place <= next || self.window.ends_at(line, place) {
            return;
        }
        let furthest = self.window.furthest_of(line, place);
        if self.lines[line].retreat(furthest, ts_ns) {
            self.coverage.step_back(line);
        }
    }

    /// Takes a packet that waited for a stray.
    #[cold]
    pub(super) fn take_for_stray(&mut self, held: Held) -> Step {
        self.count_stray(&held);
        let line = usize::from(held.line);
        if held.doubt != (Doubt::Refuted { by_own_line: true }) {
            self.coverage.take_back(line, held.first, held.end);
            for (first, end) in self.window.units_of(line) {
                self.coverage.bring(line, first, end, self.settled());
            }
        }
        let furthest = self.window.furthest_of(line, held.end);
        if self.lines[line].position == Some(held.end) && self.lines[line].retreat(furthest, held.ts_ns) {
            self.coverage.step_back(line);
        }
        Step::Stray(held)
    }

    pub(super) fn count_stray(&mut self, held: &Held) {
        self.counters.pending -= held.units();
        self.counters.seen -= held.units();
        self.counters.implausible_packets += 1;
    }

    /// Whether nothing more should wait: a hole is declared lost then, before its grace time.
    pub(super) fn has_no_room(&self) -> bool {
        self.window.is_full(self.again.len() + self.claims.len())
    }
}
