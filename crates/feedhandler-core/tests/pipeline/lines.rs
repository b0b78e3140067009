//! What is told of each line: what it won, what it missed, what it alone brought, how late it was.

use feedhandler_core::ledger::LineUnits;

use crate::mold::{cut, heartbeat, packet};
use crate::rig::{GRACE_NS, Rig};

fn lines(rig: &Rig) -> [LineUnits; 2] {
    rig.channel().arbiter.line_units().try_into().expect("two lines")
}

#[test]
fn a_loss_of_one_line_is_its_own_and_one_of_all_is_the_channels() {
    let mut rig = Rig::new();
    rig.on(0, 0, &packet(1, 3)).on(1, 10, &packet(1, 3));
    rig.on(0, 20, &packet(3, 5)); // B loses these
    rig.on(1, 30, &packet(5, 6)); // A loses this
    rig.on(0, 40, &packet(8, 9)).on(1, 50, &packet(8, 9)); // both lose 6 and 7
    rig.until(40 + GRACE_NS);
    let [a, b] = lines(&rig);
    assert_eq!((a.won, a.brought, a.missed, a.lost, a.behind, a.saved), (5, 5, 1, 2, 0, 2));
    assert_eq!((b.won, b.brought, b.missed, b.lost, b.behind, b.saved), (1, 4, 2, 2, 0, 1));
    assert_eq!((rig.units().lost_line, rig.units().lost()), (2, 2));
}

#[test]
fn a_late_copy_was_brought_but_won_nothing() {
    let mut rig = Rig::new();
    rig.on(0, 0, &packet(1, 2)).on(0, 10, &packet(3, 4)).on(1, 20, &packet(1, 2)).until(10 + GRACE_NS);
    rig.on(1, 2 * GRACE_NS, &packet(2, 3)).on(1, 2 * GRACE_NS, &packet(3, 4));
    let [a, b] = lines(&rig);
    assert_eq!((a.won, a.brought, a.missed, a.lost), (2, 2, 1, 0));
    assert_eq!((b.won, b.brought, b.missed, b.saved), (0, 3, 0, 1));
    assert_eq!((rig.units().late, rig.units().lost_line), (1, 1));
}

#[test]
fn a_malformed_copy_was_not_brought() {
    let mut rig = Rig::new();
    rig.on(0, 0, &cut(packet(1, 3), 1)).on(1, 10, &packet(1, 3));
    let [a, b] = lines(&rig);
    assert_eq!((a.won, a.brought, a.missed, a.behind), (0, 0, 2, 0));
    assert_eq!((b.won, b.brought, b.saved), (2, 2, 2));
}

#[test]
fn however_many_pieces_come_before_it_is_known_where_the_channel_begins_the_sums_are_those_of_all() {
    let mut rig = Rig::new();
    rig.on(0, 1, &packet(100_000, 100_001));
    (0..2_000).for_each(|n| _ = rig.on(1, 2, &packet(1_001 + 2 * n, 1_002 + 2 * n)));
    rig.until(2 * GRACE_NS).finish();
    let [a, b] = lines(&rig);
    assert_eq!((a.brought, b.brought, a.missed), (1, 2_000, 2_000));
    assert_eq!(a.lost, 100_001 - 1_001 - 2_001, "on every line, between and behind the pieces");
}

#[test]
fn a_line_that_fell_silent_is_behind_until_nothing_more_can_come() {
    let mut rig = Rig::new();
    rig.on(0, 0, &packet(1, 5)).on(1, 10, &packet(1, 3));
    assert_eq!((lines(&rig)[1].behind, lines(&rig)[0].saved), (2, 0));
    rig.on(1, 20, &heartbeat(4)); // it has come so far without the third
    assert_eq!((lines(&rig)[1].missed, lines(&rig)[1].behind), (1, 1));
    rig.finish();
    assert_eq!((lines(&rig)[1].missed, lines(&rig)[1].behind, lines(&rig)[0].saved), (2, 0, 2));
}

#[test]
fn the_time_by_which_a_copy_is_later_is_measured() {
    let mut rig = Rig::new();
    for first in 1..=100 {
        rig.on(0, first * 10_000, &packet(first, first + 1)).on(1, first * 10_000 + 300, &packet(first, first + 1));
    }
    let arbiter = &rig.channel().arbiter;
    let skew_ns = arbiter.skew_ns(1).expect("copies came");
    assert_eq!((skew_ns.len(), arbiter.skew_ns(0).is_none()), (100, true));
    assert!(skew_ns.equivalent(skew_ns.min(), 300) && skew_ns.equivalent(skew_ns.max(), 300));
    assert_eq!(rig.channel().lines.iter().map(|line| line.counters.last_heard_ns).max(), Some(1_000_300));
}

#[test]
fn a_copy_that_is_later_than_any_skew_is_not_measured() {
    for late_ns in [10_000_000_000, 1 << 63] {
        let mut rig = Rig::adaptive();
        (1..2_000).for_each(|seq| _ = rig.on(0, seq, &packet(seq, seq + 1)));
        (1..2_000).for_each(|seq| _ = rig.on(1, late_ns + seq, &packet(seq, seq + 1)));
        assert!(rig.channel().arbiter.skew_ns(1).is_none());
        assert_eq!(rig.channel().arbiter.grace_ns(), 5_000_000);
    }
}
