//! The units that one line has brought, as spans in the order of the sequence.

use std::collections::VecDeque;

/// Spans that are many: the older half of them is counted and forgotten.
const MANY_SPANS: usize = 1024;

/// Units `first..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub first: u64,
    pub end: u64,
}

impl Span {
    fn is_empty(self) -> bool {
        self.first == self.end
    }

    fn hull(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), end: self.end.max(other.end) }
    }
}

/// Spans of a line, apart from each other.
#[derive(Debug, Default)]
pub(super) struct Spans {
    earlier: VecDeque<Span>,
    /// Its end is the line's place; it is empty where the line came there without bringing what is in front.
    last: Span,
}

impl Spans {
    /// How far the line has come.
    pub fn place(&self) -> u64 {
        self.last.end
    }

    /// Notes units that are next in order; false where they are not.
    #[inline]
    pub fn grow(&mut self, first: u64, end: u64) -> bool {
        let is_next = first == self.last.end;
        if is_next {
            self.last.end = end;
        }
        is_next
    }

    /// Notes units wherever they are.
    pub fn insert(&mut self, span: Span) {
        if span.first > self.last.end {
            self.leave_last();
            self.last = span;
            return;
        }
        self.earlier.push_back(self.last);
        let from = self.earlier.partition_point(|other| other.end < span.first);
        let to = self.earlier.partition_point(|other| other.first <= span.end);
        let merged = self.earlier.range(from..to).fold(span, |merged, other| merged.hull(*other));
        self.replace(from, to, [merged, Span::default()]);
        self.last = self.earlier.pop_back().unwrap_or_default();
    }

    /// Notes that units were not brought after all; the line's place stays.
    pub fn remove(&mut self, span: Span) {
        let place = self.place();
        self.leave_last();
        let from = self.earlier.partition_point(|other| other.end <= span.first);
        let to = self.earlier.partition_point(|other| other.first < span.end);
        if from < to {
            let (first, end) = (self.earlier[from].first, self.earlier[to - 1].end);
            let before = Span { first: first.min(span.first), end: span.first };
            let behind = Span { first: span.end, end: end.max(span.end) };
            self.replace(from, to, [before, behind]);
        }
        let is_whole = self.earlier.back().is_some_and(|last| last.end == place);
        self.last = if is_whole { self.earlier.pop_back() } else { None }.unwrap_or(Span { first: place, end: place });
    }

    /// The line has come to `next`.
    #[inline]
    pub fn come_to(&mut self, next: u64) {
        if next > self.last.end {
            self.leave_last();
            self.last = Span { first: next, end: next };
        }
    }

    /// The line has not come further than what it brought.
    pub fn step_back(&mut self) {
        if self.last.is_empty() {
            self.last = self.earlier.pop_back().unwrap_or_default();
        }
    }

    pub fn clear(&mut self) {
        self.earlier.clear();
        self.last = Span::default();
    }

    /// Forgets all spans that end at `end` or before.
    pub fn forget_until(&mut self, end: u64) {
        let count = self.earlier.partition_point(|span| span.end <= end);
        self.earlier.drain(..count);
    }

    /// Where the newer half of the spans begins, where they are many.
    pub fn middle_of_many(&self) -> Option<u64> {
        (self.earlier.len() >= MANY_SPANS).then(|| self.earlier[MANY_SPANS / 2].first)
    }

    /// Whether the line brought `unit`, and until where that is so; `cursor` goes on from look to look.
    pub fn look(&self, unit: u64, cursor: &mut usize) -> (bool, Option<u64>) {
        while self.at(*cursor).is_some_and(|span| span.end <= unit) {
            *cursor += 1;
        }
        match self.at(*cursor) {
            Some(span) if span.first <= unit => (true, Some(span.end)),
            Some(span) => (false, Some(span.first)),
            // Up to its place it brought nothing, and from there on it is behind.
            None => (false, Some(self.place()).filter(|place| *place > unit)),
        }
    }

    fn at(&self, index: usize) -> Option<Span> {
        self.earlier.get(index).copied().or((index == self.earlier.len()).then_some(self.last))
    }

    fn leave_last(&mut self) {
        if !self.last.is_empty() {
            self.earlier.push_back(self.last);
        }
    }

    /// Puts those of two spans that are not empty in the place of others.
    fn replace(&mut self, from: usize, to: usize, by: [Span; 2]) {
        let mut at = from;
        for span in by.into_iter().filter(|span| !span.is_empty()) {
            if at < to {
                self.earlier[at] = span;
            } else {
                self.earlier.insert(at, span);
            }
            at += 1;
        }
        if at < to {
            self.earlier.drain(at..to);
        }
    }
}
