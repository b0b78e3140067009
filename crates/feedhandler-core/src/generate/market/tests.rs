use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const MSGPACK: Rules = Rules { modifies: true, quotes: true, odd_lots: false };
const ITCH: Rules = Rules { modifies: false, quotes: false, odd_lots: true };

/// Books made of messages, in maps: what is left of each order.
#[derive(Default)]
struct Reader {
    orders: BTreeMap<(u32, u64), Order>,
    numbers: BTreeSet<u64>,
}

impl Reader {
    fn read(&mut self, About { instrument, message }: About) {
        match message {
            Message::Add { order, .. } => {
                assert!(self.numbers.insert(order.id), "{} is no new number", order.id);
                self.rest(instrument, order);
            }
            Message::Reduce { order, by } => {
                let old = self.orders.insert((instrument, order.id), order).expect("an order that rests");
                assert_eq!((old.price_ticks, old.size), (order.price_ticks, order.size + by));
                assert!(order.size > 0 && by > 0);
            }
            Message::Delete(order) => assert!(self.orders.remove(&(instrument, order.id)).is_some()),
            Message::Replace { old_id, order } => {
                let old = self.orders.remove(&(instrument, old_id)).expect("an order that rests");
                assert_eq!(old.side, order.side);
                assert!(order.price_ticks != old.price_ticks || order.size > old.size);
                assert!(order.id == old_id || self.numbers.insert(order.id));
                self.rest(instrument, order);
            }
            Message::Execute { order, size, .. } => {
                let old = self.orders.remove(&(instrument, order.id)).expect("an order that rests");
                assert_eq!(old, order);
                if size < old.size {
                    self.rest(instrument, Order { size: old.size - size, ..old });
                }
            }
            Message::Quote { bid, ask } => {
                let of =
                    |side| self.orders.iter().filter(move |((at, _), order)| *at == instrument && order.side == side);
                let bids = of(Side::Buy).map(|(_, order)| order.price_ticks).max();
                let asks = of(Side::Sell).map(|(_, order)| order.price_ticks).min();
                assert_eq!((bids, asks), (bid.map(|best| best.0), ask.map(|best| best.0)));
            }
            Message::Trade { size, .. } => assert!(size > 0),
            Message::SystemEvent(_) | Message::Directory | Message::TradingAction => unreachable!("the session's"),
        }
    }

    fn rest(&mut self, instrument: u32, order: Order) {
        assert!(order.size > 0 && order.price_ticks > 0);
        assert_eq!(self.orders.insert((instrument, order.id), order), None);
    }
}

proptest! {
    #[test]
    fn after_every_message_the_books_are_those_of_who_read_all(seed in any::<u64>(), instruments in 1..6_u32, is_itch in any::<bool>()) {
        let mut market = Market::new(if is_itch { ITCH } else { MSGPACK }, seed, instruments);
        let mut reader = Reader::default();
        for time_ns in 0..2_000 {
            reader.read(market.next(time_ns));
            let orders: usize = market.instruments().iter().map(|instrument| instrument.book.len()).sum();
            prop_assert_eq!(orders, reader.orders.len());
        }
        for (instrument, number) in market.instruments().iter().zip(1..) {
            for side in [Side::Buy, Side::Sell] {
                for order in instrument.book.levels(side).flat_map(|level| instrument.book.orders(level)) {
                    prop_assert_eq!(reader.orders.remove(&(number, order.id)), Some(*order));
                }
            }
        }
        prop_assert!(reader.orders.is_empty());
    }

    #[test]
    fn no_book_is_ever_locked_or_crossed_or_grows_without_a_bound(seed in any::<u64>()) {
        let mut market = Market::new(ITCH, seed, 2);
        for time_ns in 0..20_000 {
            market.next(time_ns);
            for instrument in market.instruments() {
                if let [Some(bid), Some(ask)] = instrument.best() {
                    prop_assert!(bid.0 < ask.0);
                }
                prop_assert!(instrument.book.len() <= 2 * USUAL_ORDERS as usize);
            }
        }
    }
}

#[test]
fn sizes_are_lots_where_they_must_be() {
    let mut market = Market::new(MSGPACK, 1, 3);
    for time_ns in 0..50_000 {
        let size = match market.next(time_ns).message {
            Message::Add { order, .. } | Message::Reduce { order, .. } | Message::Replace { order, .. } => order.size,
            Message::Trade { size, .. } => size,
            _ => continue,
        };
        assert_eq!(size % LOT, 0);
    }
}

#[test]
fn the_mix_of_messages_is_a_venues() {
    let mut market = Market::new(ITCH, 1, 20);
    let mut seen = BTreeMap::new();
    for time_ns in 0..200_000 {
        let told = market.next(time_ns);
        if time_ns < 100_000 {
            continue; // until there are as many orders as usual
        }
        let name = match told.message {
            Message::Add { .. } => "add",
            Message::Delete(_) => "delete",
            Message::Replace { .. } => "replace",
            Message::Execute { .. } => "execute",
            _ => "other",
        };
        *seen.entry(name).or_insert(0_u32) += 1;
    }
    let percent = |name| seen[name] / 1_000;
    assert!((34..=40).contains(&percent("add")), "{seen:?}");
    assert!((34..=40).contains(&percent("delete")), "{seen:?}");
    assert!((20..=24).contains(&percent("replace")), "{seen:?}");
    assert!((1..=5).contains(&percent("execute")), "{seen:?}");
}

#[test]
fn prices_move_and_the_first_instruments_are_the_busiest() {
    let mut market = Market::new(ITCH, 5, 50);
    let (mut bests, mut messages) = (BTreeSet::new(), [0_u32; 51]);
    for time_ns in 0..200_000 {
        messages[market.next(time_ns).instrument as usize] += 1;
        bests.extend(market.instruments()[0].best()[0].map(|best| best.0));
    }
    assert!(bests.len() > 10, "{bests:?}");
    assert!(messages[1] > 3 * messages[40]);
    assert!(messages[1..].iter().all(|count| *count > 0), "{messages:?}");
}
