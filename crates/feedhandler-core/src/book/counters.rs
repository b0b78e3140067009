//! What became of every message that the books were given.
//!
//! `messages = without_part + applied + contradictions + explained + overflow`, the last three summed over their
//! reasons; it is checked whenever the counters are asked for.

use serde::Serialize;

use super::failure::{Failure, Limit, Misfit};

/// Messages that did not fit a book, by what was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MisfitCounters {
    /// About an order that is not in the book.
    pub unknown_order: u64,
    /// Added an order that is in the book already.
    pub duplicate_order: u64,
    /// Took more from an order than it has.
    pub size_exceeded: u64,
    /// A side that is neither buy nor sell.
    pub unknown_side: u64,
    /// A price or size that no book can use.
    pub unusable_number: u64,
}

impl MisfitCounters {
    fn count(&mut self, misfit: Misfit) {
        let counter = match misfit {
            Misfit::UnknownOrder => &mut self.unknown_order,
            Misfit::DuplicateOrder => &mut self.duplicate_order,
            Misfit::SizeExceeded => &mut self.size_exceeded,
            Misfit::UnknownSide => &mut self.unknown_side,
            Misfit::UnusableNumber => &mut self.unusable_number,
        };
        *counter += 1;
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Self { unknown_order, duplicate_order, size_exceeded, unknown_side, unusable_number } = self;
        unknown_order + duplicate_order + size_exceeded + unknown_side + unusable_number
    }
}

/// Messages that there was no room for, by what was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OverflowCounters {
    /// A channel had as many orders as are allowed.
    pub orders: u64,
    /// There were as many instruments as are allowed.
    pub instruments: u64,
    /// A side had as many price levels as are allowed.
    pub levels: u64,
}

impl OverflowCounters {
    fn count(&mut self, limit: Limit) {
        let counter = match limit {
            Limit::Orders => &mut self.orders,
            Limit::Instruments => &mut self.instruments,
            Limit::Levels => &mut self.levels,
        };
        *counter += 1;
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.orders + self.instruments + self.levels
    }
}

/// See the module's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BookCounters {
    /// Messages in all batches.
    pub messages: u64,
    /// Have no part in a book, such as trades.
    pub without_part: u64,
    /// Done to a book as they say.
    pub applied: u64,
    /// Contradicted a book that should have been whole, which is inconsistent since.
    pub contradictions: MisfitCounters,
    /// Did not fit a book that is known not to be whole, which explains it.
    pub explained: MisfitCounters,
    /// There was no room for them.
    pub overflow: OverflowCounters,
    /// Sessions that started, over all channels. Not a part of the sum.
    pub sessions: u64,
    /// Losses that were told, over all channels. Not a part of the sum.
    pub losses: u64,
    /// Batches that were not the one behind the last: each is a loss on every channel. Not a part of the sum.
    pub batches_out_of_order: u64,
}

impl BookCounters {
    /// Counts a message that could not be done, to a book that was whole or not.
    pub(super) fn count_failure(&mut self, failure: Failure, was_whole: bool) {
        match failure {
            Failure::Misfit(misfit) if was_whole => self.contradictions.count(misfit),
            Failure::Misfit(misfit) => self.explained.count(misfit),
            Failure::Full(limit) => self.overflow.count(limit),
        }
    }

    /// Whether every message is accounted for.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let misfits = self.contradictions.sum() + self.explained.sum();
        self.messages == self.without_part + self.applied + misfits + self.overflow.sum()
    }
}
