//! The orders of a channel, found by their identity: a hash table that is bounded, and emptied of one instrument without
//! a walk over all the others.

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable, OccupiedEntry};
use std::hash::BuildHasher;

use super::failure::{Failure, Limit};
use super::side::Side;

/// An order that rests in a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) price: i64,
    pub(super) size: u64,
    pub(super) instrument: u32,
    /// The side in the lowest bit, and above it how often the instrument had been emptied when the order came.
    tag: u32,
}

/// A count that fits a tag; it goes back to 0.
const MOST_EMPTIED: u32 = u32::MAX >> 1;

impl Order {
    pub(super) fn new(id: u64, instrument: u32, side: Side, price: i64, size: u64) -> Self {
        Self { id, price, size, instrument, tag: side as u32 }
    }

    #[inline]
    pub(super) fn side(&self) -> Side {
        if self.tag & 1 == 0 { Side::Bid } else { Side::Ask }
    }

    fn emptied(&self) -> u32 {
        self.tag >> 1
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Orders {
    table: HashTable<Order>,
    hasher: DefaultHashBuilder,
    /// Identities are unique for an instrument only.
    are_of_instruments: bool,
    most: usize,
    /// How often an instrument was emptied; orders from before are still in the table, and nobody finds them.
    emptied: Vec<u32>,
    /// How many of those there are.
    forgotten: usize,
}

impl Orders {
    pub(super) fn new(are_of_instruments: bool, most: usize) -> Self {
        let (table, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        Self { table, hasher, are_of_instruments, most, emptied: Vec::new(), forgotten: 0 }
    }

    /// Orders that rest.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.forgotten
    }

    /// Finds an order that rests; `of` is its instrument where that is known, as it must be where identities are unique
    /// for an instrument only.
    #[inline]
    pub(super) fn find(&mut self, of: Option<u32>, id: u64) -> Option<OccupiedEntry<'_, Order>> {
        let instrument = if self.are_of_instruments { of? } else { 0 };
        let hash = self.hasher.hash_one((instrument, id));
        let found = self.table.find_entry(hash, is_it(self.are_of_instruments, instrument, id)).ok()?;
        let order = found.get();
        let is_of = of.is_none_or(|of| of == order.instrument);
        (is_of && is_resting(&self.emptied, order)).then_some(found)
    }

    /// An order rests; the one that it takes the place of, where it is not the first of its identity.
    #[inline]
    pub(super) fn insert(&mut self, mut order: Order) -> Option<Order> {
        order.tag |= times_emptied(&self.emptied, order.instrument) << 1;
        let instrument = if self.are_of_instruments { order.instrument } else { 0 };
        let (hasher, are_of_instruments) = (&self.hasher, self.are_of_instruments);
        let hash = |order: &Order| {
            let instrument = if are_of_instruments { order.instrument } else { 0 };
            hasher.hash_one((instrument, order.id))
        };
        let is_it = is_it(are_of_instruments, instrument, order.id);
        match self.table.entry(hash(&order), is_it, hash) {
            Entry::Vacant(entry) => {
                entry.insert(order);
                None
            }
            Entry::Occupied(mut entry) => {
                let old = std::mem::replace(entry.get_mut(), order);
                let was_resting = is_resting(&self.emptied, &old);
                self.forgotten -= usize::from(!was_resting);
                was_resting.then_some(old)
            }
        }
    }

    /// Itself, with room for another order.
    #[inline]
    pub(super) fn make_room(&mut self) -> Result<&mut Self, Failure> {
        if self.table.len() >= self.most {
            self.sweep();
        }
        if self.table.len() < self.most { Ok(self) } else { Err(Failure::Full(Limit::Orders)) }
    }

    /// No order rests any more.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.forgotten = 0;
    }

    /// None of the `orders` orders of an instrument rest any more.
    pub(super) fn forget(&mut self, instrument: u32, orders: usize) {
        if orders == 0 {
            return;
        }
        let index = instrument as usize;
        if self.emptied.len() <= index {
            self.emptied.resize(index + 1, 0);
        }
        self.emptied[index] = (self.emptied[index] + 1) & MOST_EMPTIED;
        self.forgotten += orders;
        if self.forgotten > self.table.capacity() / 4 {
            self.sweep();
        }
    }

    /// Takes the forgotten out of the table.
    fn sweep(&mut self) {
        if self.forgotten > 0 {
            self.table.retain(|order| is_resting(&self.emptied, order));
            self.forgotten = 0;
        }
    }
}

#[inline]
fn is_it(are_of_instruments: bool, instrument: u32, id: u64) -> impl Fn(&Order) -> bool {
    move |order| order.id == id && (!are_of_instruments || order.instrument == instrument)
}

#[inline]
fn is_resting(emptied: &[u32], order: &Order) -> bool {
    order.emptied() == times_emptied(emptied, order.instrument)
}

#[inline]
fn times_emptied(emptied: &[u32], instrument: u32) -> u32 {
    emptied.get(instrument as usize).copied().unwrap_or(0)
}
