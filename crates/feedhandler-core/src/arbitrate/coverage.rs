//! Which units of the present session each line has brought: what it alone brought, what it missed though another line
//! did not, and what none brought.
//!
//! A line in order costs one comparison a packet: its last span grows. Each hole begins another span. Spans are counted
//! and forgotten when the session is left, or half of them when they become many.

use super::spans::{Span, Spans};
use crate::ledger::LineUnits;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    lines: Vec<Spans>,
    /// What was counted of spans that are forgotten.
    counted: Vec<LineUnits>,
    /// First unit that is not forgotten.
    base: u64,
    /// Nothing more will come: what a line has not come to, it has missed.
    is_over: bool,
    cursors: Vec<usize>,
}

impl Coverage {
    pub fn new(lines: usize) -> Self {
        let mut coverage = Self::default();
        (0..lines).for_each(|_| coverage.add_line());
        coverage
    }

    pub fn add_line(&mut self) {
        self.lines.push(Spans::default());
        self.counted.push(LineUnits::default());
        self.cursors.push(0);
    }

    /// A session's first unit is `first`.
    pub fn begin(&mut self, first: u64) {
        (self.base, self.is_over) = (first, false);
    }

    /// A line brought `first..end`, while `next` is expected.
    #[inline]
    pub fn bring(&mut self, line: usize, first: u64, end: u64, next: u64) {
        if !self.lines[line].grow(first, end) {
            self.bring_elsewhere(line, first, end, next);
        }
    }

    #[cold]
    fn bring_elsewhere(&mut self, line: usize, first: u64, end: u64, next: u64) {
        let first = first.max(self.base);
        if first >= end {
            return;
        }
        self.lines[line].insert(Span { first, end });
        if let Some(middle) = self.lines[line].middle_of_many()
            && middle <= next
        {
            self.count_until(middle, true);
        }
    }

    /// A line has come to `next`, whatever it has brought.
    #[inline]
    pub fn come_to(&mut self, line: usize, next: u64) {
        self.lines[line].come_to(next);
    }

    /// What a line brought was not of this sequence.
    pub fn take_back(&mut self, line: usize, first: u64, end: u64) {
        self.lines[line].remove(Span { first, end });
    }

    /// A line never came where a stray had seemed to take it.
    pub fn step_back(&mut self, line: usize) {
        self.lines[line].step_back();
    }

    /// Units were delivered from this line.
    #[inline]
    pub fn win(&mut self, line: usize, units: u64) {
        self.counted[line].won += units;
    }

    /// Units delivered from each line.
    pub fn wins(&self) -> impl Iterator<Item = u64> {
        self.counted.iter().map(|line| line.won)
    }

    /// The session is left, with `next` expected.
    pub fn end(&mut self, next: u64) {
        self.count_until(next, true);
        self.lines.iter_mut().for_each(Spans::clear);
    }

    /// Nothing more will come.
    pub fn finish(&mut self) {
        self.is_over = true;
    }

    /// What each line brought and missed, with `next` expected.
    pub fn units(&self, next: u64) -> Vec<LineUnits> {
        let (mut totals, mut cursors) = (self.counted.clone(), vec![0; self.lines.len()]);
        self.count(next, self.is_over, &mut cursors, &mut totals);
        totals
    }

    fn count_until(&mut self, end: u64, is_over: bool) {
        let (mut totals, mut cursors) = (std::mem::take(&mut self.counted), std::mem::take(&mut self.cursors));
        self.count(end, is_over, &mut cursors, &mut totals);
        (self.counted, self.cursors) = (totals, cursors);
        self.base = self.base.max(end);
        self.lines.iter_mut().for_each(|line| line.forget_until(end));
    }

    /// Adds what became of the units up to `end`, a stretch of which the same lines brought at a time.
    fn count(&self, end: u64, is_over: bool, cursors: &mut [usize], totals: &mut [LineUnits]) {
        cursors.fill(0);
        let mut first = self.base;
        while first < end {
            let (mut stretch_end, mut copies, mut is_decided) = (end, 0, true);
            for (line, cursor) in self.lines.iter().zip(&mut *cursors) {
                let (has, until) = line.look(first, cursor);
                stretch_end = until.map_or(stretch_end, |until| stretch_end.min(until));
                copies += u32::from(has);
                is_decided &= has || is_over || first < line.place();
            }
            let units = stretch_end - first;
            let is_alone = copies == 1 && is_decided && self.lines.len() > 1;
            for ((line, cursor), total) in self.lines.iter().zip(&mut *cursors).zip(&mut *totals) {
                let has = line.look(first, cursor).0;
                let counter = match (has, copies) {
                    (true, _) => &mut total.brought,
                    (false, _) if !is_over && first >= line.place() => &mut total.behind,
                    (false, 0) => &mut total.lost,
                    (false, _) => &mut total.missed,
                };
                *counter += units;
                total.saved += if has && is_alone { units } else { 0 };
            }
            first = stretch_end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(brought: u64, missed: u64, lost: u64, behind: u64, saved: u64) -> LineUnits {
        LineUnits { won: 0, brought, missed, lost, behind, saved }
    }

    #[test]
    fn what_each_line_brought_is_told_apart() {
        let mut coverage = Coverage::new(2);
        coverage.begin(1);
        for (line, first, end) in [(0, 1, 5), (0, 8, 12), (1, 1, 3), (1, 9, 10), (1, 4, 6)] {
            coverage.bring(line, first, end, 1);
        }
        // A has 1..5 and 8..12; B has 1..3, 4..6 and 9..10, and has not come further.
        assert_eq!(coverage.units(12), [units(8, 1, 2, 0, 2), units(5, 2, 2, 2, 1)]);
        coverage.finish();
        assert_eq!(coverage.units(12), [units(8, 1, 2, 0, 4), units(5, 4, 2, 0, 1)]);
    }

    #[test]
    fn what_was_announced_or_taken_back_was_not_brought() {
        let mut coverage = Coverage::new(2);
        coverage.begin(1);
        coverage.bring(0, 1, 10, 1);
        coverage.bring(1, 1, 5, 1);
        coverage.take_back(1, 3, 5);
        assert_eq!(coverage.units(10)[1], units(2, 2, 0, 5, 0));
        coverage.come_to(1, 9);
        assert_eq!(coverage.units(10)[1], units(2, 6, 0, 1, 0));
        coverage.step_back(1);
        assert_eq!(coverage.units(10)[1], units(2, 0, 0, 7, 0));
    }

    #[test]
    fn however_many_holes_a_line_has_the_sums_are_those_of_all() {
        let mut coverage = Coverage::new(2);
        coverage.begin(1);
        for unit in 1..=10_000 {
            coverage.bring(0, unit, unit + 1, unit + 1);
            if unit % 2 == 0 {
                coverage.bring(1, unit, unit + 1, unit + 1);
            }
        }
        assert!(coverage.base > 1, "spans are forgotten");
        assert_eq!(coverage.units(10_001), [units(10_000, 0, 0, 0, 5_000), units(5_000, 5_000, 0, 0, 0)]);
        coverage.end(10_001);
        coverage.begin(1);
        coverage.bring(1, 1, 2, 1);
        assert_eq!(coverage.units(2)[0], units(10_000, 0, 0, 1, 5_000));
    }
}
