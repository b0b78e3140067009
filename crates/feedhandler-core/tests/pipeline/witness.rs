//! One packet alone takes the sequence nowhere: a second must agree, or nothing else may follow.

use feedhandler_core::event::EventKind;
use proptest::prelude::*;

use crate::mold::{SESSION, end_of_session, header, heartbeat, packet, packet_of};
use crate::rig::{GRACE_NS, Rig};
use crate::{A, B, SECOND_NS, seqs};

/// Longer than the grace time: of a feed so slow that nothing follows in time.
const SLOW_NS: u64 = 10 * GRACE_NS;

/// A packet of the messages `first..end` whose header was damaged.
fn damaged(session: &str, sequence: u64, first: u64, end: u64) -> Vec<u8> {
    let whole = packet(first, end);
    [&header(session, sequence, u16::try_from(end - first).expect("few"))[..], &whole[20..]].concat()
}

/// Two lines, packets of three messages, and what comes on line A instead of some of them.
fn slow_feed(instead: &[(u64, Vec<u8>)]) -> Rig {
    let mut rig = Rig::new();
    for number in 0..40 {
        let (ts_ns, first) = (number * SLOW_NS, 1 + 3 * number);
        let damaged = instead.iter().find(|(at, _)| *at == number).map(|(_, bytes)| bytes.clone());
        rig.on(A, ts_ns, &damaged.unwrap_or_else(|| packet(first, first + 3))).on(
            B,
            ts_ns + 1,
            &packet(first, first + 3),
        );
    }
    rig.finish();
    rig
}

fn assert_whole(rig: &Rig, strays: usize) {
    assert_eq!((rig.delivered.clone(), rig.units().lost(), rig.starts.len()), (seqs(1..121), 0, 1));
    let told = rig.told.iter().filter(|(kind, ..)| *kind != EventKind::Recovered);
    assert_eq!(told.copied().collect::<Vec<_>>(), vec![(EventKind::Malformed, 0, 0); strays]);
    assert_eq!(rig.channel().lines[A].counters.malformed, strays as u64);
    assert_eq!(rig.channel().arbiter.line_units()[A].missed, 3 * strays as u64);
}

#[test]
fn a_far_sequence_number_costs_nothing_where_the_other_line_is_whole() {
    assert_whole(&slow_feed(&[(9, damaged(SESSION, 1_000_000, 28, 31))]), 1);
}

#[test]
fn another_sessions_name_costs_nothing_where_the_other_line_is_whole() {
    assert_whole(&slow_feed(&[(9, damaged("SESSION00X", 28, 28, 31))]), 1);
    assert_whole(&slow_feed(&[(9, damaged("SESSION00X", 28, 28, 31)), (15, damaged("SESSION00X", 46, 46, 49))]), 2);
}

#[test]
fn far_sequence_numbers_at_the_end_cost_nothing() {
    assert_whole(&slow_feed(&[(37, damaged(SESSION, 1_000_000, 112, 115))]), 1);
    assert_whole(&slow_feed(&[(39, damaged("SESSION00X", 118, 118, 121))]), 1);
}

#[test]
fn a_heartbeat_far_ahead_is_believed_when_another_says_the_same() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(B, 1, &packet(1, 2)).on(A, 2, &heartbeat(5_000)).until(2 + 2 * GRACE_NS);
    assert_eq!(rig.units().lost(), 0);
    rig.on(B, 3 + 2 * GRACE_NS, &heartbeat(5_000)).until(3 + 2 * GRACE_NS);
    assert_eq!(rig.told, [(EventKind::Gap, 2, 4_999)]);
}

#[test]
fn a_line_that_says_where_it_is_was_never_ahead() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 4)).on(B, 1, &packet(1, 4)).on(A, 2, &damaged(SESSION, 20, 4, 7)).on(B, 2, &packet(4, 7));
    (3..6).for_each(|ts_ns| _ = rig.on(A, ts_ns, &end_of_session(7)).on(B, ts_ns, &end_of_session(7)));
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..7), 0));
}

#[test]
fn a_great_loss_is_told_with_the_second_packet_behind_it() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(B, 1, &packet(1, 2)).on(A, 2, &packet(5_000, 5_001)).until(2 + GRACE_NS);
    assert_eq!(rig.units().pending, 1);
    rig.on(A, 2 + GRACE_NS, &packet(5_001, 5_003));
    assert_eq!(rig.delivered, [1, 5_000, 5_001, 5_002]);
    assert_eq!(rig.told, [(EventKind::Gap, 2, 4_999)]);
}

#[test]
fn a_great_loss_is_told_when_nothing_follows_for_a_second_and_when_nothing_more_comes() {
    for is_over in [false, true] {
        let mut rig = Rig::new();
        rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(5_000, 5_001));
        assert_eq!(rig.delivered, [1]);
        if is_over {
            rig.finish()
        } else {
            rig.until(2 + SECOND_NS)
        };
        assert_eq!((rig.delivered.clone(), rig.told.clone()), (vec![1, 5_000], vec![(EventKind::Gap, 2, 4_999)]));
    }
}

#[test]
fn the_second_packet_of_a_session_opens_it_with_both() {
    for second in [(A, packet_of("S2", 2, 4)), (B, packet_of("S2", 1, 2)), (B, packet_of("S2", 2, 4))] {
        let mut rig = Rig::new();
        rig.on(A, 1, &packet(1, 3)).on(B, 1, &packet(1, 3)).on(A, 2, &packet_of("S2", 1, 2));
        assert_eq!(rig.delivered, [1, 2]);
        rig.on(B, 3, &packet(3, 4)).on(second.0, 4, &second.1).on(A, 5, &packet_of("S2", 2, 4)).finish();
        assert_eq!((rig.delivered.clone(), rig.units().lost()), (vec![1, 2, 3, 1, 2, 3], 0), "{second:?}");
        assert_eq!((rig.told.clone(), rig.units().recovered), (vec![(EventKind::SessionEnd, 1, 3)], 0));
    }
}

#[test]
fn a_session_of_one_packet_is_delivered() {
    for is_over in [false, true] {
        let mut rig = Rig::new();
        rig.on(A, 1, &packet(1, 3)).on(B, 1, &packet(1, 3)).on(A, 2, &packet_of("S2", 1, 2));
        if is_over {
            rig.finish()
        } else {
            rig.until(2 + SECOND_NS)
        };
        assert_eq!(rig.delivered, [1, 2, 1]);
        assert_eq!((rig.starts.clone(), rig.units().pending), (vec![0, 2], 0));
    }
}

#[test]
fn a_session_whose_end_was_announced_is_left_at_once() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 3)).on(A, 2, &end_of_session(3)).on(A, 3, &packet_of("S2", 1, 2));
    assert_eq!(rig.delivered, [1, 2, 1]);
}

#[test]
fn heartbeats_open_a_session_when_they_are_two() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 3)).on(A, 2, &header("S2        ", 1, 0));
    assert_eq!(rig.starts.len(), 1);
    rig.on(A, 3, &header("S2        ", 1, 0)).on(A, 4, &packet_of("S2", 1, 2)).finish();
    assert_eq!((rig.delivered.clone(), rig.starts.len()), (vec![1, 2, 1], 2));
}

#[test]
fn claims_are_bounded() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 3)).on(B, 1, &packet(1, 3));
    for number in 0..1_000 {
        rig.on(A, 2 + number, &packet_of(&format!("S{number}"), 1, 2));
        assert!(rig.units().pending <= 64);
    }
    rig.on(B, 2_000, &packet(3, 4)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..4), 0));
}

/// How far from the truth a header's number is: nowhere that the packet behind it is; 0 where its session is another.
fn lie() -> impl Strategy<Value = i64> {
    prop_oneof![-2_000_i64..-2, 20_i64..900, 2_000_i64..1 << 30, Just(0)]
}

/// Whether something tells that a packet is not where its header says: the next ones of its line, soon enough, and the one
/// that is really there.
fn is_told_apart(by: i64, first: u64, spacing_ns: u64) -> bool {
    let lands = first.saturating_add_signed(by);
    !(1..=1_024).contains(&by) || spacing_ns < GRACE_NS && lands < 3_590
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_headers_say_nothing_is_lost_that_a_line_brought(
        lies in prop::collection::vec(prop::option::weighted(0.02, (0..2_usize, lie())), 200),
        spacing_ns in prop_oneof![Just(10_u64), Just(100), Just(SLOW_NS)],
        lag_ns in 0_u64..30,
    ) {
        let mut rig = Rig::new();
        // Copies of the first thousand tell no restart.
        rig.on(A, 0, &packet(1, 3_001)).on(B, 0, &packet(1, 3_001));
        // Two that are near may well land beside each other, and agree.
        let mut near = 0;
        for (lie, number) in lies.iter().zip(1_u64..) {
            near += u32::from(lie.is_some_and(|(_, by)| (1..=1_024).contains(&by)));
            let lie = lie.filter(|(_, by)| near <= 1 || !(1..=1_024).contains(by));
            let (ts_ns, first) = (number * spacing_ns, 3_001 + 3 * (number - 1));
            for line in [A, B] {
                let at_ns = ts_ns + if line == B { lag_ns.min(spacing_ns - 1) } else { 0 };
                let bytes = match lie {
                    Some((of, by)) if of == line && number < 200 && is_told_apart(by, first, spacing_ns) => {
                        let session = if by == 0 { format!("X{number}") } else { SESSION.to_owned() };
                        damaged(&session, first.saturating_add_signed(by), first, first + 3)
                    }
                    _ => packet(first, first + 3),
                };
                rig.on(line, at_ns, &bytes);
            }
        }
        rig.finish();
        prop_assert_eq!((rig.delivered.len(), rig.units().lost(), rig.starts.len()), (3_600, 0, 1));
    }
}

#[test]
fn sessions_of_one_packet_each_are_believed_on_an_only_line_that_goes_back_to_none() {
    let mut rig = Rig::with_one_line();
    for (ts_ns, session) in (1..).zip(["S0", "S1", "S2", "S3"]) {
        rig.on(A, ts_ns, &packet_of(session, 1, 2));
    }
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.starts.len()), (vec![1; 4], 4));
    assert_eq!((rig.units().lost(), rig.channel().lines[A].counters.malformed), (0, 0));
}

#[test]
fn another_sessions_name_on_an_only_line_costs_its_packet_and_no_other() {
    let mut rig = Rig::with_one_line();
    for number in 0..20 {
        let session = if number == 9 { "SESSION00X" } else { SESSION };
        rig.on(A, number, &packet_of(session, 1 + number, 2 + number));
    }
    rig.finish();
    assert_eq!((rig.delivered.len(), rig.starts.len(), rig.units().lost()), (19, 1, 1));
}
