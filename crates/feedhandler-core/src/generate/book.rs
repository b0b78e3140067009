//! The true book of an instrument: every resting order, by price and time.
//!
//! It is kept apart from [`crate::book`] on purpose: what the feed handler makes of a generated feed is compared with
//! it.

use std::cmp::Reverse;

use crate::chance::Chance;

/// Which side of a book an order is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To buy.
    Buy,
    /// To sell.
    Sell,
}

impl Side {
    /// The side that it trades with.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// An order that rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, which no other order of the session has.
    pub id: u64,
    /// Its side.
    pub side: Side,
    /// Its price in ticks.
    pub price_ticks: u32,
    /// What is left of it.
    pub size: u32,
}

/// The orders of a side at a price.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// The price in ticks.
    pub price_ticks: u32,
    /// The sizes of all of them.
    pub size: u64,
    first: u32,
    last: u32,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

#[derive(Clone, Copy, Debug)]
struct Slot {
    order: Order,
    earlier: u32,
    later: u32,
    /// Where `resting` names it.
    turn: u32,
}

const NONE: u32 = u32::MAX;

/// See the module's documentation.
///
/// Invariant: a level has at least one order, and its orders are linked from the earliest to the latest; `resting` has
/// the slots in use, `free` the others.
#[derive(Debug, Default)]
pub struct Book {
    slots: Vec<Slot>,
    free: Vec<u32>,
    resting: Vec<u32>,
    /// From the lowest bid to the best.
    bids: Vec<Level>,
    /// From the highest offer to the best.
    asks: Vec<Level>,
}

impl Book {
    /// How many orders rest.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resting.len()
    }

    /// Whether none rests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resting.is_empty()
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = &Level> {
        self.side(side).iter().rev()
    }

    /// The best level of a side.
    #[inline]
    #[must_use]
    pub fn best(&self, side: Side) -> Option<&Level> {
        self.side(side).last()
    }

    /// The orders of a level, the earliest first.
    pub fn orders(&self, level: &Level) -> impl Iterator<Item = &Order> {
        let mut next = level.first;
        std::iter::from_fn(move || {
            let slot = self.slots.get(next as usize)?;
            next = slot.later;
            Some(&slot.order)
        })
    }

    /// The order of a side whose turn it is to trade.
    #[inline]
    #[must_use]
    pub fn front(&self, side: Side) -> Option<Place> {
        self.best(side).map(|level| Place(level.first))
    }

    /// Any order, each as likely; `None` where none rests.
    #[inline]
    pub fn pick(&self, chance: &mut Chance) -> Option<Place> {
        let turn = chance.below(u32::try_from(self.resting.len()).unwrap_or(u32::MAX));
        self.resting.get(turn as usize).copied().map(Place)
    }

    /// The order at a place.
    #[inline]
    #[must_use]
    pub fn order(&self, place: Place) -> Order {
        self.slots[place.0 as usize].order
    }

    /// An order rests, behind those of the same price.
    ///
    /// # Panics
    ///
    /// There are 2^32 of them.
    #[inline]
    pub fn add(&mut self, order: Order) {
        let slot = self.free.pop().unwrap_or_else(|| u32::try_from(self.slots.len()).expect("fewer than 2^32 orders"));
        let levels = if order.side == Side::Buy { &mut self.bids } else { &mut self.asks };
        let earlier = match find(levels, &order) {
            Ok(found) => {
                let level = &mut levels[found];
                level.size += u64::from(order.size);
                std::mem::replace(&mut level.last, slot)
            }
            Err(between) => {
                let Order { price_ticks, size, .. } = order;
                levels.insert(between, Level { price_ticks, size: size.into(), first: slot, last: slot });
                NONE
            }
        };
        if let Some(before) = self.slots.get_mut(earlier as usize) {
            before.later = slot;
        }
        let turn = u32::try_from(self.resting.len()).expect("fewer than 2^32 orders");
        self.resting.push(slot);
        let made = Slot { order, earlier, later: NONE, turn };
        match self.slots.get_mut(slot as usize) {
            Some(old) => *old = made,
            None => self.slots.push(made),
        }
    }

    /// An order is less by `size`, of which more is left.
    #[inline]
    pub fn reduce(&mut self, place: Place, size: u32) {
        let order = &mut self.slots[place.0 as usize].order;
        let levels = if order.side == Side::Buy { &mut self.bids } else { &mut self.asks };
        if let Ok(found) = find(levels, order) {
            levels[found].size -= u64::from(size);
        }
        order.size -= size;
    }

    /// An order is gone.
    #[inline]
    pub fn remove(&mut self, place: Place) -> Order {
        let Slot { order, earlier, later, turn } = self.slots[place.0 as usize];
        let levels = if order.side == Side::Buy { &mut self.bids } else { &mut self.asks };
        if let Ok(found) = find(levels, &order) {
            let level = &mut levels[found];
            level.size -= u64::from(order.size);
            level.first = if earlier == NONE { later } else { level.first };
            level.last = if later == NONE { earlier } else { level.last };
            if level.first == NONE {
                levels.remove(found);
            }
        }
        if let Some(before) = self.slots.get_mut(earlier as usize) {
            before.later = later;
        }
        if let Some(behind) = self.slots.get_mut(later as usize) {
            behind.earlier = earlier;
        }
        self.resting.swap_remove(turn as usize);
        if let Some(&moved) = self.resting.get(turn as usize) {
            self.slots[moved as usize].turn = turn;
        }
        self.free.push(place.0);
        order
    }

    fn side(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}

/// Where an order's level is among those of its side, or would be.
#[inline]
fn find(levels: &[Level], order: &Order) -> Result<usize, usize> {
    match order.side {
        Side::Buy => levels.binary_search_by_key(&order.price_ticks, |level| level.price_ticks),
        Side::Sell => levels.binary_search_by_key(&Reverse(order.price_ticks), |level| Reverse(level.price_ticks)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Add { is_buy: bool, price_ticks: u32, size: u32 },
        Reduce { which: u64, size: u32 },
        Remove { which: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (any::<bool>(), 1..20_u32, 1..500_u32)
                .prop_map(|(is_buy, price_ticks, size)| Step::Add { is_buy, price_ticks, size }),
            1 => (any::<u64>(), 1..500_u32).prop_map(|(which, size)| Step::Reduce { which, size }),
            2 => any::<u64>().prop_map(|which| Step::Remove { which }),
        ];
        prop::collection::vec(step, 0..200)
    }

    /// The orders of a side in a list, sorted by price and, within one, as they came.
    fn listed(orders: &[Order], side: Side) -> Vec<Order> {
        let mut listed: Vec<_> = orders.iter().copied().filter(|order| order.side == side).collect();
        let rank = |order: &Order| i64::from(order.price_ticks) * if side == Side::Buy { -1 } else { 1 };
        listed.sort_by_key(rank);
        listed
    }

    proptest! {
        #[test]
        fn a_book_is_a_list_of_orders_sorted_by_price_and_time(steps in steps(), seed in any::<u64>()) {
            let (mut book, mut orders) = (Book::default(), Vec::<Order>::new());
            for (id, step) in (1..).zip(steps) {
                let picked = |which| book.pick(&mut Chance::new(seed ^ which));
                match step {
                    Step::Add { is_buy, price_ticks, size } => {
                        let side = if is_buy { Side::Buy } else { Side::Sell };
                        book.add(Order { id, side, price_ticks, size });
                        orders.push(Order { id, side, price_ticks, size });
                    }
                    Step::Reduce { which, size } => if let Some(place) = picked(which) {
                        let found = book.order(place);
                        if size < found.size {
                            book.reduce(place, size);
                            orders.iter_mut().filter(|order| order.id == found.id).for_each(|order| order.size -= size);
                        }
                    }
                    Step::Remove { which } => if let Some(place) = picked(which) {
                        let found = book.remove(place);
                        orders.retain(|order| order.id != found.id);
                    }
                }
                prop_assert_eq!(book.len(), orders.len());
            }
            for side in [Side::Buy, Side::Sell] {
                let found: Vec<_> = book.levels(side).flat_map(|level| book.orders(level)).copied().collect();
                prop_assert_eq!(found, listed(&orders, side));
                for level in book.levels(side) {
                    prop_assert_eq!(level.size, book.orders(level).map(|order| u64::from(order.size)).sum::<u64>());
                }
                let front = book.front(side).map(|place| book.order(place));
                prop_assert_eq!(front, listed(&orders, side).first().copied());
            }
        }
    }
}
