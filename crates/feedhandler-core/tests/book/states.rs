//! When a book is good, when it is not, and what makes it good again.

use feedhandler_core::book::BookState::{self, Building, Changing, Crossed, Good, Inconsistent, Stale};
use feedhandler_core::book::{BookLimits, Books, MisfitCounters, OtherProtocol};

use crate::rig::{Rig, packet_of};
use crate::venue::Side::{Buy, Sell};
use crate::venue::{Declared, Message, NO_PRICE, Side};

const SESSION: &str = "MONDAY";

const HEADER_BYTES: usize = 20;

fn directory(instrument: u16) -> Message {
    Message::Directory {
        instrument,
        symbol: [b'A', b'0' + u8::try_from(instrument).expect("one digit"), 0, 0, 0, 0, 0, 0],
    }
}

fn add(instrument: u16, id: u64, side: Side, price: i32, size: u32) -> Message {
    Message::Add { instrument, id, side, price, size }
}

fn delete(instrument: u16, id: u64) -> Message {
    Message::Delete { instrument, id }
}

fn quote(instrument: u16, bid: (i32, u32), ask: (i32, u32)) -> Message {
    Message::Quote { instrument, bid, ask }
}

fn level(side: Side, price: i32, size: u32, complete: bool) -> Message {
    Message::Level { instrument: 1, side, price, size, complete }
}

/// A packet of the session.
fn packet(first: u64, messages: &[Message]) -> Vec<u8> {
    packet_of(SESSION, first, messages)
}

/// Instruments 1 and 2 on channel 0 and 1 on channel 1, introduced, with an order each; both channels are at number 5.
fn two_channels(declared: Declared) -> Rig {
    let mut rig = Rig::new(declared);
    let messages = [directory(1), add(1, 10, Buy, 100, 5), directory(2), add(2, 20, Sell, 101, 6)];
    rig.packet(0, SESSION, 1, &messages).packet(1, SESSION, 1, &messages[..2]).apply();
    rig.packet(1, SESSION, 3, &[Message::Trade { instrument: 1 }, Message::Trade { instrument: 1 }]).apply();
    assert_eq!(states(&mut rig), [Some(Good), Some(Good), Some(Good)]);
    rig
}

/// States of the instruments 1 and 2 of channel 0, and of 1 of channel 1.
fn states(rig: &mut Rig) -> [Option<BookState>; 3] {
    [rig.state(0, 1), rig.state(0, 2), rig.state(1, 1)]
}

#[test]
fn a_session_joined_late_is_never_good() {
    let mut rig = Rig::new(Declared::ORDERS);
    rig.packet(0, SESSION, 7, &[directory(1), add(1, 10, Buy, 100, 5), delete(1, 9)]).apply();
    assert_eq!(rig.state(0, 1), Some(Building));
    assert_eq!(rig.bbo(0, 1).and_then(|bbo| bbo.bid), Some((100, 5, 1)), "what is known is told, with its state");
    let explained = MisfitCounters { unknown_order: 1, ..MisfitCounters::default() };
    assert_eq!((rig.counters().explained, rig.counters().contradictions.sum()), (explained, 0));

    rig.packet(0, "TUESDAY", 1, &[directory(1)]).apply();
    assert_eq!(rig.state(0, 1), Some(Good));
}

#[test]
fn an_instrument_that_was_not_introduced_first_is_never_good() {
    let mut rig = Rig::new(Declared::ORDERS);
    rig.packet(0, SESSION, 1, &[add(1, 10, Buy, 100, 5), directory(1), directory(2), add(2, 20, Buy, 1, 1)]).apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2)), (Some(Building), Some(Good)));
    let mut without = Rig::new(Declared { has_directory: false, ..Declared::ORDERS });
    without.packet(0, SESSION, 1, &[add(1, 10, Buy, 100, 5)]).apply();
    assert_eq!(without.state(0, 1), Some(Good));
}

#[test]
fn books_that_begin_in_the_middle_of_a_feed_are_not_good() {
    let mut rig = Rig::new(Declared::ORDERS);
    rig.packet(0, SESSION, 1, &[directory(1), add(1, 10, Buy, 100, 5)]).pipeline.take_batch();
    rig.packet(0, SESSION, 3, &[directory(1), add(1, 11, Buy, 100, 5)]).apply();
    assert_eq!(rig.state(0, 1), Some(Building));
}

#[test]
fn a_batch_that_was_left_out_or_comes_twice_is_a_loss_on_every_channel() {
    let mut rig = two_channels(Declared::ORDERS);
    rig.packet(0, SESSION, 5, &[delete(1, 10)]).pipeline.take_batch();
    rig.packet(0, SESSION, 6, &[add(1, 11, Buy, 1, 1)]).apply();
    assert_eq!(states(&mut rig), [Some(Stale), Some(Stale), Some(Stale)]);
    assert_eq!((rig.counters().batches_out_of_order, rig.counters().losses), (1, 2));

    let mut rig = two_channels(Declared::ORDERS);
    let batch = rig.packet(0, SESSION, 5, &[quote(1, (1, 1), (2, 1))]).pipeline.take_batch();
    rig.books.apply(&batch).expect("ours");
    assert_eq!(states(&mut rig), [Some(Good), Some(Good), Some(Good)]);
    rig.books.apply(&batch).expect("ours");
    assert_eq!(states(&mut rig), [Some(Good), Some(Stale), Some(Stale)], "a quote stands alone");
}

#[test]
fn a_loss_makes_every_book_of_its_channel_stale_and_of_no_other() {
    let mut rig = two_channels(Declared::ORDERS);
    rig.packet(0, SESSION, 8, &[add(1, 11, Buy, 102, 1), directory(3), add(3, 30, Buy, 1, 1)]).apply();
    assert_eq!(states(&mut rig), [Some(Stale), Some(Stale), Some(Good)]);
    assert_eq!(rig.bbo(0, 2).map(|bbo| bbo.since_seq), Some(5), "since the first that was lost");
    assert_eq!(rig.state(0, 3), Some(Stale), "it may have had orders before");
    assert_eq!(rig.counters().losses, 1);

    rig.packet(0, SESSION, 20, &[delete(1, 11)]).apply();
    assert_eq!(rig.bbo(0, 2).map(|bbo| bbo.since_seq), Some(5), "the first loss is what counts");

    rig.packet(0, "TUESDAY", 1, &[directory(2)]).apply();
    assert_eq!(states(&mut rig), [Some(Building), Some(Good), Some(Good)]);
    let first = rig.bbo(0, 1).expect("it is still known");
    assert_eq!((first.symbol.as_str(), first.bid, first.ask, first.seq), ("", None, None, 0));
}

#[test]
fn a_loss_shows_before_the_next_message() {
    let mut rig = two_channels(Declared::ORDERS);
    rig.changed();
    rig.packet(0, SESSION, 9, &[Message::Trade { instrument: 1 }]).apply();
    let changed: Vec<_> = rig.changed().iter().map(|bbo| (bbo.channel, bbo.instrument, bbo.state)).collect();
    assert_eq!(changed, [(0, 1, Stale), (0, 2, Stale)]);
    assert_eq!(rig.changed(), []);
}

#[test]
fn a_message_that_could_not_be_read_is_a_loss_and_a_datagram_is_none() {
    let mut rig = two_channels(Declared::ORDERS);
    rig.bytes(0, b"stray").apply();
    assert_eq!(states(&mut rig), [Some(Good), Some(Good), Some(Good)]);

    let mut packet = [format!("{SESSION:<10}").into_bytes(), 5_u64.to_be_bytes().into(), vec![0, 1]].concat();
    packet.extend(b"\0\x03A\0\x01");
    rig.bytes(0, &packet).apply();
    assert_eq!(states(&mut rig), [Some(Stale), Some(Stale), Some(Good)]);
    assert_eq!(rig.bbo(0, 1).map(|bbo| bbo.since_seq), Some(5));
}

#[test]
fn a_contradiction_makes_one_book_inconsistent_until_it_begins_anew() {
    let one = |misfit: fn(&mut MisfitCounters)| {
        let mut counters = MisfitCounters::default();
        misfit(&mut counters);
        counters
    };
    let unknown = one(|misfits| misfits.unknown_order = 1);
    let unusable = one(|misfits| misfits.unusable_number = 1);
    let cases = [
        (delete(1, 99), unknown),
        (Message::Reduce { instrument: 1, id: 99, size: 1 }, unknown),
        (Message::Modify { instrument: 1, id: 99, price: 1, size: 1 }, unknown),
        (Message::Replace { instrument: 1, id: 99, new_id: 98, price: 1, size: 1 }, unknown),
        (delete(1, 20), unknown),
        (add(1, 10, Sell, 103, 1), one(|misfits| misfits.duplicate_order = 1)),
        (Message::Replace { instrument: 1, id: 10, new_id: 11, price: 1, size: 0 }, unusable),
        (Message::Reduce { instrument: 1, id: 10, size: 6 }, one(|misfits| misfits.size_exceeded = 1)),
        (add(1, 11, Buy, 99, 0), unusable),
    ];
    for (message, misfits) in cases {
        let mut rig = two_channels(Declared::ORDERS);
        rig.packet(0, SESSION, 5, &[message]).apply();
        assert_eq!(states(&mut rig), [Some(Inconsistent), Some(Good), Some(Good)], "{message:?}");
        assert_eq!((rig.counters().contradictions, rig.counters().explained.sum()), (misfits, 0), "{message:?}");
        assert_eq!(rig.bbo(0, 1).map(|bbo| (bbo.seq, bbo.since_seq)), Some((5, 5)));

        rig.packet(0, SESSION, 6, &[message, add(1, 12, Buy, 1, 1)]).apply();
        assert_eq!(rig.state(0, 1), Some(Inconsistent), "no message takes it back");
        rig.packet(0, SESSION, 9, &[add(1, 13, Buy, 1, 1)]).apply();
        assert_eq!(rig.state(0, 1), Some(Inconsistent), "nor does a loss");
        rig.packet(0, SESSION, 10, &[Message::Clear { instrument: 1 }, add(1, 14, Buy, 50, 1)]).apply();
        let depth = rig.depth(0, 1).expect("a book");
        assert_eq!((depth.state, depth.bids, depth.asks), (Good, vec![(50, 1, 1)], vec![]));
    }
}

#[test]
fn a_channel_whose_books_are_all_cleared_knows_everything_from_there_on() {
    let mut rig = two_channels(Declared::NAMELESS_ORDERS);
    rig.packet(0, SESSION, 9, &[delete(1, 77)]).apply();
    assert_eq!(states(&mut rig), [Some(Stale), Some(Stale), Some(Good)]);
    rig.packet(0, SESSION, 10, &[Message::ClearAll, add(1, 14, Buy, 50, 1), quote(2, (1, 1), (2, 2))]).apply();
    assert_eq!(states(&mut rig), [Some(Good); 3], "the other channel keeps its books");
    let depth = rig.depth(0, 1).expect("a book");
    assert_eq!((depth.bids, depth.asks), (vec![(50, 1, 1)], vec![]));
    assert_eq!(rig.depth(1, 1).expect("a book").bids, [(100, 5, 1)]);
    rig.packet(0, SESSION, 13, &[delete(1, 10)]).apply();
    assert_eq!(rig.counters().contradictions.unknown_order, 1, "no order from before is left");
}

#[test]
fn what_contradicts_a_book_is_done_as_far_as_it_makes_sense() {
    let after = |message: Message| {
        let mut rig = two_channels(Declared::ORDERS);
        rig.packet(0, SESSION, 5, &[message]).apply();
        let depth = rig.depth(0, 1).expect("a book");
        (depth.bids, depth.asks)
    };
    assert_eq!(after(add(1, 10, Sell, 103, 1)), (vec![], vec![(103, 1, 1)]), "the newer order stays");
    assert_eq!(after(Message::Reduce { instrument: 1, id: 10, size: 6 }), (vec![], vec![]), "nothing is left");
    let replaced = after(Message::Replace { instrument: 1, id: 10, new_id: 11, price: 1, size: 0 });
    assert_eq!(replaced, (vec![], vec![]), "the old order is gone in any case");
}

#[test]
fn an_unknown_order_of_nobody_casts_doubt_on_the_whole_channel() {
    let mut rig = two_channels(Declared::NAMELESS_ORDERS);
    rig.packet(0, SESSION, 5, &[delete(1, 99), directory(3)]).apply();
    assert_eq!(states(&mut rig), [Some(Inconsistent), Some(Inconsistent), Some(Good)]);
    assert_eq!(rig.state(0, 3), Some(Stale), "the order may have been of an instrument not yet heard of");
    assert_eq!(rig.counters().contradictions.unknown_order, 1);

    let clear = Message::Clear { instrument: 2 };
    rig.packet(0, SESSION, 7, &[clear, delete(1, 99)]).apply();
    assert_eq!(states(&mut rig), [Some(Inconsistent), Some(Good), Some(Good)], "the other books explain it now");
    assert_eq!(rig.counters().explained.unknown_order, 1);
}

#[test]
fn one_identity_on_two_instruments_casts_doubt_on_both_where_it_must_be_unique() {
    let mut rig = two_channels(Declared::NAMELESS_ORDERS);
    rig.packet(0, SESSION, 5, &[add(2, 10, Sell, 103, 1)]).apply();
    assert_eq!(states(&mut rig), [Some(Inconsistent), Some(Inconsistent), Some(Good)]);
    let mut named = two_channels(Declared::ORDERS);
    named.packet(0, SESSION, 5, &[add(2, 10, Sell, 103, 1)]).apply();
    assert_eq!(states(&mut named), [Some(Good), Some(Good), Some(Good)]);
}

#[test]
fn a_quote_is_good_when_it_comes_and_stale_after_a_loss_until_the_next() {
    let mut rig = Rig::new(Declared::ORDERS);
    rig.packet(0, SESSION, 100, &[quote(1, (100, 5), (101, 6)), quote(2, (50, 1), (51, 1))]).apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2)), (Some(Good), Some(Good)), "it needs no beginning");
    rig.packet(0, SESSION, 103, &[quote(1, (99, 5), (100, 6))]).apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2)), (Some(Good), Some(Stale)));
    let bbo = rig.bbo(0, 1).expect("a quote");
    assert_eq!((bbo.bid, bbo.ask, bbo.seq), (Some((99, 5, 0)), Some((100, 6, 0)), 103));

    rig.packet(0, SESSION, 104, &[quote(2, (NO_PRICE, 0), (51, 0))]).apply();
    let bbo = rig.bbo(0, 2).expect("a quote");
    assert_eq!((bbo.state, bbo.bid, bbo.ask), (Good, None, None), "nobody buys or sells");

    rig.packet(0, "TUESDAY", 1, &[Message::Trade { instrument: 1 }]).apply();
    assert_eq!(rig.state(0, 1), Some(Building), "yesterday's quote is none");
}

#[test]
fn a_quote_goes_before_the_best_order() {
    let mut rig = two_channels(Declared::ORDERS);
    rig.packet(0, SESSION, 5, &[quote(1, (90, 1), (110, 1)), delete(1, 99)]).apply();
    let (bbo, depth) = (rig.bbo(0, 1).expect("a quote"), rig.depth(0, 1).expect("a book"));
    assert_eq!((bbo.state, bbo.bid), (Good, Some((90, 1, 0))));
    assert_eq!((depth.state, depth.bids), (Inconsistent, vec![(100, 5, 1)]));
}

#[test]
fn without_sequence_numbers_only_what_stands_alone_is_good() {
    let mut rig = Rig::new(Declared { is_sequenced: false, ..Declared::ORDERS });
    rig.packet(0, SESSION, 1, &[directory(1), add(1, 10, Buy, 100, 5), quote(2, (1, 1), (2, 1))]).apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2)), (Some(Building), Some(Good)));
    rig.packet(0, SESSION, 1, &[Message::Clear { instrument: 1 }]).apply();
    assert_eq!(rig.state(0, 1), Some(Building), "a loss behind it would not show");
    rig.drop(0).apply();
    assert_eq!(rig.state(0, 2), Some(Stale), "what was dropped has no number");
}

#[test]
fn a_datagram_that_cannot_be_used_is_a_loss_where_no_number_will_be_missing() {
    let quoted = [quote(2, (1, 1), (2, 1))];
    let whole = packet(1, &quoted);
    let cut = &whole[..whole.len() - 1];

    let mut rig = Rig::new(Declared { is_sequenced: false, ..Declared::ORDERS });
    rig.bytes(0, &whole).apply();
    assert_eq!(rig.state(0, 2), Some(Good));
    rig.bytes(0, cut).apply();
    assert_eq!(rig.state(0, 2), Some(Stale));

    let mut rig = two_channels(Declared::ORDERS);
    let unsequenced = packet(0, &quoted);
    rig.bytes(0, &unsequenced[..unsequenced.len() - 1]).apply();
    assert_eq!(states(&mut rig), [Some(Stale), Some(Stale), Some(Good)], "it stood outside the sequence");
}

#[test]
fn a_message_that_could_not_be_read_is_a_loss_to_what_comes_behind_it() {
    let mut rig = two_channels(Declared::ORDERS);
    let mut bytes = packet(5, &[quote(1, (1, 1), (2, 1)), quote(2, (1, 1), (2, 1))]);
    let second = bytes.len() - packet(5, &[quote(2, (1, 1), (2, 1))]).len() + HEADER_BYTES;
    bytes.splice(second..second, *b"\0\x03A\0\x01");
    bytes[HEADER_BYTES - 1] = 3;
    rig.bytes(0, &bytes).apply();
    assert_eq!((rig.state(0, 1), rig.state(0, 2)), (Some(Stale), Some(Good)), "the second quote came after the loss");
}

#[test]
fn dropped_datagrams_of_one_line_are_no_loss_until_a_number_is_missing() {
    let mut rig = two_channels(Declared::ORDERS);
    rig.drop(0).packet(0, SESSION, 5, &[delete(1, 10)]).apply();
    assert_eq!(states(&mut rig), [Some(Good), Some(Good), Some(Good)]);
}

#[test]
fn a_change_of_several_levels_shows_when_it_is_complete() {
    let mut rig = Rig::new(Declared::LEVELS);
    rig.packet(0, SESSION, 1, &[level(Buy, 99, 7, true), level(Sell, 101, 5, true), level(Sell, 102, 6, true)]).apply();
    rig.packet(0, SESSION, 4, &[level(Sell, 101, 0, false)]).apply();
    let during = rig.bbo(0, 1).expect("a book");
    assert_eq!((during.state, during.ask), (Changing, Some((101, 5, 0))));
    assert_eq!(rig.depth(0, 1).expect("a book").asks, [(102, 6, 0)]);
    rig.packet(0, SESSION, 5, &[level(Buy, 101, 2, true)]).apply();
    let after = rig.bbo(0, 1).expect("a book");
    assert_eq!((after.state, after.bid, after.ask), (Good, Some((101, 2, 0)), Some((102, 6, 0))));
}

#[test]
fn taking_away_a_level_that_is_not_there_changes_nothing() {
    let mut rig = Rig::new(Declared::LEVELS);
    rig.packet(0, SESSION, 1, &[level(Buy, 99, 0, true)]).apply();
    assert_eq!((rig.state(0, 1), rig.counters().applied), (Some(Good), 1));
}

#[test]
fn a_book_is_crossed_for_as_long_as_it_is() {
    let mut rig = two_channels(Declared::ORDERS);
    rig.packet(0, SESSION, 5, &[add(1, 11, Sell, 100, 1)]).apply();
    assert_eq!(rig.state(0, 1), Some(Good), "bid and offer at one price are locked, not crossed");
    rig.packet(0, SESSION, 6, &[add(1, 12, Sell, 99, 1)]).apply();
    assert_eq!(rig.state(0, 1), Some(Crossed));
    rig.packet(0, SESSION, 7, &[delete(1, 12)]).apply();
    assert_eq!(rig.state(0, 1), Some(Good));
}

#[test]
fn instruments_are_found_by_symbol_and_by_number() {
    let mut rig = two_channels(Declared::ORDERS);
    assert_eq!(rig.books.find_text(b"A1"), [0, 2], "one on each channel");
    assert_eq!(rig.books.find_text(b"A2"), [1]);
    assert_eq!(rig.books.find_number(2), [1]);
    assert_eq!((rig.books.find_text(b"A3"), rig.books.find_number(3)), (vec![], vec![]));
    assert!(rig.books.find_text(&[b'A'; 100]).is_empty());

    let renamed = Message::Directory { instrument: 2, symbol: *b"B2\0\0\0\0\0\0" };
    rig.packet(0, SESSION, 5, &[renamed]).apply();
    assert_eq!((rig.books.find_text(b"A2"), rig.books.find_text(b"B2")), (vec![], vec![1]));
    rig.packet(0, "TUESDAY", 1, &[Message::Directory { instrument: 1, symbol: *b"B2\0\0\0\0\0\0" }]).apply();
    assert_eq!((rig.books.find_text(b"B2"), rig.books.find_text(b"A1")), (vec![0], vec![2]), "numbers are of the day");
}

#[test]
fn a_batch_of_another_protocol_is_refused() {
    let plan = feedhandler_core::plan::Plan::from_json(include_bytes!("../plans/itch50.json")).expect("a plan");
    let mut books = Books::new(&plan, BookLimits::default()).expect("ITCH makes books");
    let mut rig = two_channels(Declared::ORDERS);
    rig.packet(0, SESSION, 5, &[add(1, 11, Buy, 1, 1)]);
    assert_eq!(books.apply(&rig.pipeline.take_batch()), Err(OtherProtocol));

    let trades =
        feedhandler_core::plan::Plan::from_json(include_bytes!("../plans/crypto_trades.json")).expect("a plan");
    let error = Books::new(&trades, BookLimits::default()).expect_err("trades make no books");
    assert_eq!(error.to_string(), "crypto_trades: expected a protocol whose messages make books, found none that do");
}
