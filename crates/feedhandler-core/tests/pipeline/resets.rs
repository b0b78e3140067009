//! Packets that say that the sequence starts again, and packets outside it: on one line and on two, repeated and lost.

use feedhandler_core::event::EventKind;

use crate::flagged::{self, Flag, data, heartbeat, packet, reset};
use crate::rig::{GRACE_NS, Rig};
use crate::{A, B, seqs};

fn rig() -> Rig {
    Rig::of(flagged::plan(), 4096)
}

/// Both lines have brought a session of so many messages, which a reset began.
fn after(messages: u32) -> Rig {
    let mut rig = rig();
    for line in [A, B] {
        rig.on(line, 1, &reset(1));
    }
    for first in (2..=messages).step_by(100) {
        let packet = data(first, (first + 100).min(messages + 1));
        rig.on(A, first.into(), &packet).on(B, first.into(), &packet);
    }
    rig
}

const SESSION: u32 = 5_000;
const LATER_NS: u64 = 10_000;

/// Asserts that two sessions were delivered without a loss: the first, and one of so many messages.
fn assert_two_sessions(rig: &Rig, second: u64) {
    assert_eq!(rig.delivered[..5_000], seqs(1..5_001));
    assert_eq!(rig.delivered[5_000..], seqs(1..second + 1));
    assert_eq!(rig.starts, [0, 5_000]);
    assert_eq!(rig.told.iter().filter(|told| told.0 == EventKind::SessionEnd).count(), 1);
    assert!(rig.told.iter().all(|told| told.0 != EventKind::Gap), "{:?}", rig.told);
    assert_eq!(rig.units().lost(), 0);
}

#[test]
fn a_reset_is_a_session_and_no_gap() {
    let mut rig = after(SESSION);
    for (line, ts_ns) in [(A, LATER_NS), (B, LATER_NS + 1)] {
        rig.on(line, ts_ns, &reset(2)).on(line, ts_ns + 10, &data(2, 5));
    }
    assert_two_sessions(rig.finish(), 4);
    assert_eq!(rig.channel().lines[B].counters.duplicate, 53, "each copy is one");
}

#[test]
fn a_reset_begins_a_session_however_short_the_last_one_was() {
    let mut rig = rig();
    rig.on(A, 1, &reset(1)).on(A, 2, &data(2, 4)).on(A, 3, &reset(2)).on(A, 4, &data(2, 4)).finish();
    assert_eq!((rig.delivered.clone(), rig.starts.clone()), (vec![1, 2, 3, 1, 2, 3], vec![0, 3]));
    assert_eq!((rig.told.clone(), rig.units().duplicate), (vec![(EventKind::SessionEnd, 1, 3)], 0));
}

#[test]
fn a_reset_that_is_repeated_is_a_copy() {
    let mut rig = after(SESSION);
    rig.on(A, LATER_NS, &reset(2)).on(A, LATER_NS, &reset(2)).on(A, LATER_NS, &data(2, 5)).on(A, LATER_NS, &reset(2));
    rig.on(B, LATER_NS, &reset(2)).on(B, LATER_NS, &reset(2)).on(A, LATER_NS, &data(5, 7));
    assert_two_sessions(rig.finish(), 6);
}

#[test]
fn a_line_that_is_slow_brings_the_old_session_to_its_end_and_follows() {
    let mut rig = after(SESSION);
    rig.on(A, LATER_NS, &reset(2)).on(A, LATER_NS, &data(2, 5)).on(A, LATER_NS, &reset(3)).on(A, LATER_NS, &data(2, 4));
    rig.on(B, LATER_NS, &data(5_001, 5_003)).on(B, LATER_NS, &reset(2)).on(B, LATER_NS, &data(2, 5));
    assert_eq!(rig.starts, [0, 5_000, 5_004], "what B is late with begins nothing");
    assert_eq!(rig.units().stale, 6);
    rig.on(B, LATER_NS, &reset(3)).on(B, LATER_NS, &data(2, 4)).on(B, LATER_NS, &data(4, 6)).finish();
    assert_eq!(rig.delivered[5_000..], [1, 2, 3, 4, 1, 2, 3, 4, 5]);
    assert_eq!((rig.starts.len(), rig.units().lost()), (3, 0));
}

#[test]
fn a_reset_that_one_line_lost_comes_on_the_other() {
    for (first, second) in [(A, B), (B, A)] {
        let mut rig = after(SESSION);
        rig.on(first, LATER_NS, &reset(2));
        rig.on(second, LATER_NS + 1, &data(2, 3)).on(first, LATER_NS + 2, &data(2, 3));
        for seq in 3..40 {
            rig.on(second, LATER_NS + 3, &data(seq, seq + 1)).on(first, LATER_NS + 3, &data(seq, seq + 1));
        }
        assert_two_sessions(rig.finish(), 39);
    }
}

#[test]
fn a_line_ahead_that_lost_the_reset_waits_for_that_of_the_other() {
    let mut rig = after(SESSION);
    rig.on(A, LATER_NS, &data(2, 4)).on(A, LATER_NS, &data(4, 6)).on(B, LATER_NS + GRACE_NS / 2, &reset(2));
    rig.on(B, LATER_NS + GRACE_NS, &data(2, 4)).on(A, LATER_NS + GRACE_NS, &data(6, 8)).finish();
    assert_eq!(rig.delivered[5_000..], seqs(1..8));
    assert_eq!((rig.starts.clone(), rig.units().lost()), (vec![0, 5_000], 0));
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 5_000), (EventKind::Recovered, 1, 1)]);
}

#[test]
fn a_reset_behind_the_messages_that_follow_it_begins_nothing_more() {
    let mut rig = after(SESSION);
    rig.on(A, LATER_NS, &data(2, 4)).on(A, LATER_NS, &reset(2)).on(A, LATER_NS, &data(4, 6)).finish();
    assert_eq!(rig.delivered[5_000..], seqs(1..6));
    assert_eq!((rig.starts.clone(), rig.units().lost()), (vec![0, 5_000], 0));
}

#[test]
fn a_reset_that_no_line_brought_is_lost_and_begins_its_session_all_the_same() {
    let mut rig = after(SESSION);
    rig.on(A, LATER_NS, &data(2, 4)).on(B, LATER_NS, &data(2, 4));
    rig.until(LATER_NS + GRACE_NS).on(A, LATER_NS + GRACE_NS, &data(4, 6)).finish();
    assert_eq!((rig.delivered[5_000..].to_vec(), rig.starts.clone()), (seqs(2..6), vec![0, 5_000]));
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 5_000), (EventKind::Gap, 1, 1)]);
}

#[test]
fn a_stream_that_is_played_again_begins_again_with_the_very_same_reset() {
    let mut rig = after(SESSION);
    rig.on(A, LATER_NS, &reset(1)).on(A, LATER_NS, &data(2, 5)).on(B, LATER_NS, &reset(1)).on(B, LATER_NS, &data(2, 5));
    assert_two_sessions(rig.finish(), 4);
}

#[test]
fn a_reset_that_cannot_be_read_ends_nothing() {
    let mut rig = after(SESSION);
    let mut broken = reset(2);
    broken[7] = 200;
    rig.on(A, LATER_NS, &broken).on(A, LATER_NS, &data(5_001, 5_003)).finish();
    assert_eq!((rig.delivered.len(), rig.starts.len()), (5_002, 1));
    assert_eq!(rig.channel().lines[A].counters.malformed, 1);
}

#[test]
fn what_waits_is_settled_before_a_reset() {
    let mut rig = rig();
    rig.on(A, 1, &reset(1)).on(A, 2, &data(3, 5)).on(A, 3, &reset(2)).on(A, 4, &data(2, 3)).finish();
    assert_eq!(rig.delivered, [1, 3, 4, 1, 2]);
    assert_eq!(rig.told, [(EventKind::Gap, 2, 2), (EventKind::SessionEnd, 1, 4)]);
}

#[test]
fn a_line_that_joins_with_a_reset_while_the_other_is_heard_for_the_first_time() {
    let mut rig = rig();
    rig.on(A, 1, &data(4_001, 4_003)).on(B, 2, &reset(2)).on(B, 3, &data(2, 4)).on(A, 4, &reset(2)).finish();
    assert_eq!((rig.delivered.clone(), rig.starts.clone()), (vec![4_001, 4_002, 1, 2, 3], vec![0, 2]));
    let mut rig = self::rig();
    rig.on(A, 1, &data(2, 4)).on(B, 2, &reset(2)).on(B, 3, &data(2, 4)).finish();
    assert_eq!((rig.delivered.clone(), rig.starts.clone()), (vec![1, 2, 3], vec![0]));
}

#[test]
fn what_stands_outside_the_sequence_is_delivered_and_moves_nothing() {
    let mut rig = after(SESSION);
    rig.on(A, LATER_NS, &packet(Flag::Refresh, 0, 7, 8, 0)).on(A, LATER_NS, &data(5_001, 5_002));
    rig.on(B, LATER_NS, &packet(Flag::Refresh, 0, 900_000, 900_001, 0)).on(A, LATER_NS, &heartbeat(0, 5_002)).finish();
    assert_eq!(rig.units().unsequenced, 2);
    assert_eq!((rig.units().lost(), rig.starts.len(), rig.told.len()), (0, 1, 0));
}
