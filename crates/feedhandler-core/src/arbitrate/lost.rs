//! The ranges that were declared lost last: they tell a late copy from a duplicate.

use std::collections::VecDeque;

/// Ranges that are remembered.
const REMEMBERED_RANGES: usize = 1024;

/// Half-open ranges, in order.
#[derive(Debug, Default)]
pub(super) struct LostRanges(VecDeque<(u64, u64)>);

impl LostRanges {
    pub fn push(&mut self, first: u64, end: u64) {
        if self.0.len() == REMEMBERED_RANGES {
            self.0.pop_front();
        }
        self.0.push_back((first, end));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many of `first..end` were declared lost.
    pub fn overlap(&self, first: u64, end: u64) -> u64 {
        // Most copies are of what came just before, behind all that was lost.
        if self.0.back().is_none_or(|(_, last_end)| *last_end <= first) {
            return 0;
        }
        let common = |(lost_first, lost_end): &(u64, u64)| end.min(*lost_end).saturating_sub(first.max(*lost_first));
        self.0.iter().map(common).sum()
    }
}
