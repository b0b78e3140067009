//! Books allocate nothing per message once they have grown.
//!
//! In a file of its own, because the allocator counts for the whole process.

#![expect(clippy::similar_names, reason = "side and size are the words of every specification")]

mod counting;
#[path = "book/rig.rs"]
#[allow(dead_code, reason = "shared with the other tests of books")]
mod rig;
#[path = "book/venue.rs"]
#[allow(dead_code, reason = "shared with the other tests of books")]
mod venue;

use rig::Rig;
use venue::Side::{Buy, Sell};
use venue::{Declared, Message};

/// Orders of five instruments that come, change and go, on levels that come and go.
fn messages(round: u64) -> Vec<Message> {
    let of_order = |n: u64| {
        let (instrument, id) = (u16::try_from(n % 5).expect("small"), round * 100 + n);
        let (side, price) = if n.is_multiple_of(2) { (Buy, 90) } else { (Sell, 110) };
        let price = price + i32::try_from((n * 7 + round) % 13).expect("small");
        [
            Message::Add { instrument, id, side, price, size: 5 },
            Message::Reduce { instrument, id, size: 1 },
            Message::Modify { instrument, id, price: price + 1, size: 3 },
            Message::Replace { instrument, id, new_id: id + 50, price, size: 2 },
            Message::Delete { instrument, id: id + 50 },
        ]
    };
    (0..50).flat_map(of_order).collect()
}

#[test]
fn nothing_is_allocated_once_the_books_have_grown() {
    let mut rig = Rig::new(Declared { has_directory: false, ..Declared::ORDERS });
    let (mut seq, mut allocations) = (1, 0);
    for round in 0..200 {
        let messages = messages(round);
        rig.packet(0, "MONDAY", seq, &messages);
        seq += u64::try_from(messages.len()).expect("few");
        let batch = rig.pipeline.take_batch();
        let in_round = counting::allocations(|| {
            rig.books.apply(&batch).expect("a batch of the same protocol");
            assert_eq!(rig.books.changed().len(), 5);
        });
        if round >= 100 {
            allocations += in_round;
        }
    }
    assert_eq!((allocations, rig.counters().applied), (0, 50_000));
}
