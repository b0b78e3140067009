//! The sequence is where its lines go on, whatever came first: a stray, a packet that lies, or one of another day.

use feedhandler_core::event::EventKind;

use crate::mold::{cut, heartbeat, packet, packet_of};
use crate::rig::{GRACE_NS, Rig};
use crate::{A, B, SECOND_NS, seqs};

/// Packets of one line after which the sequence is taken to where they are.
const ELSEWHERE: u64 = 16;

/// Packets of one message each, on some lines, long after one another.
fn go_on(rig: &mut Rig, lines: &[usize], range: std::ops::Range<u64>) {
    for seq in range {
        for line in lines {
            rig.on(*line, 10_000 * seq, &packet(seq, seq + 1));
        }
    }
}

#[test]
fn a_stray_that_comes_first_does_not_silence_the_channel() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet(1_000_000_000, 1_000_000_001));
    go_on(&mut rig, &[A], 5_000..5_100);
    rig.finish();
    assert_eq!(rig.delivered[1..], seqs(4_999 + ELSEWHERE..5_100));
    assert_eq!((rig.starts.clone(), rig.units().lost()), (vec![0, 1], 0));
}

#[test]
fn a_heartbeat_that_comes_first_and_lies_does_not_silence_the_channel() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &heartbeat(1_000_000_000));
    go_on(&mut rig, &[A], 5_000..5_100);
    assert_eq!(rig.finish().delivered, seqs(4_999 + ELSEWHERE..5_100));
}

#[test]
fn a_packet_that_comes_first_and_whose_framing_lies_opens_nothing() {
    for mut rig in [Rig::new(), Rig::with_one_line()] {
        rig.on(A, 1, &cut(packet(1 << 62, (1 << 62) + 1), 1));
        assert!(rig.channel().arbiter.session().is_none());
        go_on(&mut rig, &[A], 5_000..5_100);
        assert_eq!(rig.finish().delivered, seqs(5_000..5_100));
        assert_eq!(rig.told, [(EventKind::Malformed, 0, 0)]);
    }
}

#[test]
fn the_first_packet_of_all_is_lost_where_it_is_spoilt() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &cut(packet(1, 3), 1)).on(A, 2, &packet(3, 4)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost_malformed), (vec![3], 2));
}

#[test]
fn a_stray_beyond_any_session_that_comes_first_of_two_lines_does_not_silence_the_channel() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1 << 60, (1 << 60) + 1));
    go_on(&mut rig, &[A, B], 5_000..5_100);
    assert_eq!(rig.finish().delivered[1..], seqs(4_999 + ELSEWHERE..5_100));
}

#[test]
fn a_sequence_beyond_any_session_is_where_it_is_if_all_lines_go_on_there() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet(5, 6));
    let first = 1 << 45;
    for seq in first..first + 40 {
        rig.on(A, 2, &packet(seq, seq + 1));
    }
    assert_eq!(rig.finish().delivered[1..], seqs(first + ELSEWHERE - 1..first + 40));
    assert_eq!((rig.units().implausible_packets, rig.units().lost()), (ELSEWHERE - 1, 0));
}

#[test]
fn a_session_whose_first_packet_is_a_stray_goes_on() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet_of("S1", 1, 2)).on(A, 2, &packet_of("S2", 1 << 60, (1 << 60) + 1)).until(3 * SECOND_NS);
    assert_eq!(rig.delivered, [1, 1 << 60], "nothing else has come");
    for seq in 100..200 {
        rig.on(A, 3 * SECOND_NS + 10_000 * seq, &packet_of("S2", seq, seq + 1));
    }
    assert_eq!(rig.finish().delivered[2..], seqs(99 + ELSEWHERE..200));
}

#[test]
fn a_packet_whose_framing_lies_ends_no_session() {
    let mut rig = Rig::new();
    go_on(&mut rig, &[A, B], 1..10);
    rig.on(A, 100_000, &cut(packet_of("S2", 1, 2), 1)).on(B, 100_001, &packet(10, 11)).finish();
    assert_eq!((rig.delivered.clone(), rig.starts.len(), rig.units().stale), (seqs(1..11), 1, 0));

    rig.on(B, 200_000, &packet_of("S2", 2, 3)).on(A, 200_001, &packet_of("S2", 2, 3)).until(200_000 + GRACE_NS);
    assert_eq!(
        (rig.units().lost_malformed, rig.starts.len()),
        (1, 2),
        "the head of the next session was the spoilt one"
    );
}

#[test]
fn a_stray_that_comes_first_of_two_lines_is_taken_back_when_its_line_goes_on_below() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1_000_000, 1_000_001));
    (1_000..1_010).for_each(|seq| _ = rig.on(A, 2 + (seq - 1_000) * 10, &packet(seq, seq + 1)));
    rig.until(GRACE_NS + 2);
    (1_010..1_030).for_each(|seq| _ = rig.on(A, GRACE_NS + seq, &packet(seq, seq + 1)));
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1_000..1_030), 0));
    assert_eq!((rig.told.clone(), rig.units().implausible_packets), (vec![(EventKind::Malformed, 0, 0)], 1));
}

#[test]
fn a_stray_is_taken_back_when_its_line_goes_on_below_though_something_is_missing_there() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(1_000_000, 1_000_001));
    (3..9).for_each(|seq| _ = rig.on(A, seq, &packet(seq, seq + 1)));
    rig.until(20 + GRACE_NS).on(A, 5_000, &packet(9, 10)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), ([seqs(1..2), seqs(3..10)].concat(), 1));
    assert_eq!(rig.units().implausible_packets, 1);
}

#[test]
fn a_line_that_lags_behind_where_the_channel_was_joined_does_not_take_it_back() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(9_000, 9_001)).until(1 + GRACE_NS);
    for step in 0..40 {
        let ts_ns = 10_000 * (step + 1);
        rig.on(A, ts_ns, &packet(9_001 + step, 9_002 + step));
        // More than enough in a row, as from a socket that is read rarely.
        (0..20).for_each(|n| _ = rig.on(B, ts_ns + n, &packet(1 + 20 * step + n, 2 + 20 * step + n)));
    }
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.starts.len()), (seqs(9_000..9_041), 1));
}

#[test]
fn a_line_takes_the_sequence_back_alone_when_the_one_with_the_stray_is_silent() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1_000_000, 1_000_001)).until(1 + GRACE_NS);
    for seq in 5_000..5_100 {
        rig.on(B, 1_000_000_000 + seq, &packet(seq, seq + 1));
    }
    assert_eq!(rig.finish().delivered[1..], seqs(4_999 + ELSEWHERE..5_100));
}
