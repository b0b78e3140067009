//! The price levels of one side, the best at the end of an array: most changes are near it, and move little.

use super::failure::{Failure, Limit, Misfit};
use super::side::Side;

/// A price, the size there in all, and of how many orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price.
    pub price: i64,
    /// Size; never 0.
    pub size: u64,
    /// Orders; 0 where the protocol does not tell.
    pub orders: u32,
}

/// See the module's documentation.
///
/// Invariant: prices are strictly getting better.
#[derive(Debug)]
pub(super) struct Levels {
    side: Side,
    levels: Vec<Level>,
}

impl Levels {
    pub(super) fn new(side: Side) -> Self {
        Self { side, levels: Vec::new() }
    }

    #[inline]
    pub(super) fn best(&self) -> Option<Level> {
        self.levels.last().copied()
    }

    pub(super) fn best_first(&self) -> impl Iterator<Item = &Level> {
        self.levels.iter().rev()
    }

    /// Orders at all prices.
    pub(super) fn orders(&self) -> usize {
        self.levels.iter().map(|level| level.orders as usize).sum()
    }

    pub(super) fn clear(&mut self) {
        self.levels.clear();
    }

    /// An order joins those at its price.
    #[inline]
    pub(super) fn join(&mut self, price: i64, size: u64, most: usize) -> Result<(), Failure> {
        match self.find(price) {
            Ok(at) => {
                let level = &mut self.levels[at];
                level.size = level.size.checked_add(size).ok_or(Misfit::UnusableNumber)?;
                level.orders += 1;
                Ok(())
            }
            Err(at) => self.insert(at, Level { price, size, orders: 1 }, most),
        }
    }

    /// An order at `price` loses `size`.
    #[inline]
    pub(super) fn reduce(&mut self, price: i64, size: u64) {
        if let Ok(at) = self.find(price) {
            self.levels[at].size -= size;
        }
    }

    /// An order of `size` leaves.
    #[inline]
    pub(super) fn leave(&mut self, price: i64, size: u64) {
        let Ok(at) = self.find(price) else { return };
        let level = &mut self.levels[at];
        if level.orders == 1 {
            self.levels.remove(at);
        } else {
            level.size -= size;
            level.orders -= 1;
        }
    }

    /// There is `size` at `price`, whatever was there before.
    pub(super) fn set(&mut self, price: i64, size: u64, most: usize) -> Result<(), Failure> {
        match (self.find(price), size) {
            (Ok(at), 0) => _ = self.levels.remove(at),
            (Ok(at), _) => self.levels[at].size = size,
            (Err(_), 0) => {}
            (Err(at), _) => return self.insert(at, Level { price, size, orders: 0 }, most),
        }
        Ok(())
    }

    #[inline]
    fn find(&self, price: i64) -> Result<usize, usize> {
        let rank = self.side.rank(price);
        self.levels.binary_search_by_key(&rank, |level| self.side.rank(level.price))
    }

    #[inline]
    fn insert(&mut self, at: usize, level: Level, most: usize) -> Result<(), Failure> {
        if self.levels.len() >= most {
            return Err(Failure::Full(Limit::Levels));
        }
        self.levels.insert(at, level);
        Ok(())
    }
}
