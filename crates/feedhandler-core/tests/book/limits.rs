//! What does not fit is counted, and the book that lacks it says so.

use feedhandler_core::book::BookLimits;
use feedhandler_core::book::BookState::{Good, Overflow};

use crate::rig::Rig;
use crate::venue::Side::Buy;
use crate::venue::{Declared, Message};

const SESSION: &str = "MONDAY";

const ORDERS: Declared = Declared { has_directory: false, ..Declared::ORDERS };

fn add(instrument: u16, id: u64, price: i32) -> Message {
    Message::Add { instrument, id, side: Buy, price, size: 1 }
}

#[test]
fn orders_beyond_the_limit_are_left_out() {
    let mut rig = Rig::with_limits(ORDERS, BookLimits { orders: 2, ..BookLimits::default() });
    rig.packet(0, SESSION, 1, &[add(1, 1, 5), add(1, 2, 6), add(2, 3, 7)])
        .packet(1, SESSION, 1, &[add(1, 1, 5)])
        .apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2), rig.state(1, 1)), (Some(Good), Some(Overflow), Some(Good)));
    assert_eq!((rig.counters().overflow.orders, rig.books.orders()), (1, 3), "the limit is a channel's");

    rig.packet(0, SESSION, 4, &[Message::Delete { instrument: 2, id: 3 }, Message::Delete { instrument: 1, id: 1 }])
        .apply();
    assert_eq!((rig.counters().explained.unknown_order, rig.state(0, 2)), (1, Some(Overflow)));
    rig.packet(0, SESSION, 6, &[Message::Clear { instrument: 2 }, add(2, 4, 7)]).apply();
    assert_eq!((rig.state(0, 2), rig.books.orders()), (Some(Good), 3));
}

#[test]
fn orders_of_a_cleared_book_make_room() {
    let mut rig = Rig::with_limits(ORDERS, BookLimits { orders: 100, ..BookLimits::default() });
    let mut seq = 1;
    for round in 0..5 {
        let adds: Vec<_> = (0..100).map(|id| add(1 + u16::from(id % 2 == 0), id, round)).collect();
        rig.packet(0, SESSION, seq, &adds).packet(0, SESSION, seq + 100, &[Message::Clear { instrument: 1 }]).apply();
        assert_eq!((rig.books.orders(), rig.depth(0, 1).expect("a book").bids), (50, vec![]));
        rig.packet(0, SESSION, seq + 101, &[Message::Clear { instrument: 2 }]).apply();
        assert_eq!(rig.books.orders(), 0);
        seq += 102;
    }
    assert_eq!((rig.counters().overflow.sum(), rig.counters().applied), (0, 510));
    rig.packet(0, SESSION, seq, &[Message::Delete { instrument: 1, id: 1 }]).apply();
    assert_eq!(rig.counters().contradictions.unknown_order, 1, "an order from before the book was cleared is none");
}

#[test]
fn levels_beyond_the_limit_are_left_out() {
    let levels = |declared| Rig::with_limits(declared, BookLimits { levels: 2, ..BookLimits::default() });
    let mut rig = levels(ORDERS);
    rig.packet(0, SESSION, 1, &[add(1, 1, 5), add(1, 2, 6), add(1, 3, 6)]).apply();
    assert_eq!(rig.state(0, 1), Some(Good));
    rig.packet(0, SESSION, 4, &[add(1, 4, 7), add(2, 5, 7)]).apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2)), (Some(Overflow), Some(Good)));
    assert_eq!((rig.counters().overflow.levels, rig.books.orders()), (1, 4));
    rig.packet(0, SESSION, 6, &[Message::Modify { instrument: 1, id: 2, price: 9, size: 1 }]).apply();
    assert_eq!(rig.depth(0, 1).expect("a book").bids, [(6, 1, 1), (5, 1, 1)], "an order without a place goes");

    let mut rig = levels(Declared::LEVELS);
    let level = |price| Message::Level { instrument: 1, side: Buy, price, size: 1, complete: true };
    rig.packet(0, SESSION, 1, &[level(1), level(2), level(2), level(3)]).apply();
    assert_eq!((rig.state(0, 1), rig.counters().overflow.levels), (Some(Overflow), 1));
}

#[test]
fn instruments_beyond_the_limit_are_not_served() {
    let mut rig = Rig::with_limits(ORDERS, BookLimits { instruments: 2, ..BookLimits::default() });
    rig.packet(0, SESSION, 1, &[add(1, 1, 5), add(2, 1, 5), add(3, 1, 5), add(1, 2, 5)]).apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2), rig.bbo(0, 3)), (Some(Good), Some(Good), None));
    assert_eq!((rig.counters().overflow.instruments, rig.counters().applied), (1, 3));
}
