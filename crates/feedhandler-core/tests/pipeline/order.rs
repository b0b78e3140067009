//! One session on two lines: copies, disorder, gaps, and what heartbeats show.

use feedhandler_core::event::{Cause, EventKind};

use crate::mold::{self, cut, heartbeat, packet, packet_of};
use crate::rig::{GRACE_NS, Rig};
use crate::{A, B, seqs};

#[test]
fn what_comes_in_order_is_delivered_at_once() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 4));
    assert_eq!(rig.delivered, [1, 2, 3]);
    rig.on(A, 2, &packet(4, 5)).finish();
    assert_eq!(rig.delivered, [1, 2, 3, 4]);
    assert!(rig.told.is_empty());
    assert_eq!((rig.units().delivered, rig.channel().lines[A].counters.accepted), (4, 2));
}

#[test]
fn of_two_lines_the_first_copy_wins() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 3)).on(B, 2, &packet(1, 3)).on(B, 3, &packet(3, 5)).on(A, 4, &packet(3, 5)).finish();
    assert_eq!(rig.delivered, seqs(1..5));
    assert!(rig.told.is_empty());
    assert_eq!((rig.units().seen, rig.units().duplicate), (8, 4));
    assert_eq!(rig.channel().lines.iter().map(|line| line.counters.duplicate).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn packets_that_overlap_bring_only_what_is_new() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 4)).on(B, 2, &packet(2, 7)).on(A, 3, &packet(4, 5)).finish();
    assert_eq!(rig.delivered, seqs(1..7));
    assert_eq!(rig.units().duplicate, 3);
}

#[test]
fn reordered_packets_are_put_in_order() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(3, 4)).on(A, 3, &packet(4, 5));
    assert_eq!((rig.delivered.clone(), rig.units().pending), (vec![1], 2));
    rig.on(A, 4, &packet(2, 3)).finish();
    assert_eq!(rig.delivered, seqs(1..5));
    assert_eq!(rig.told, [(EventKind::Recovered, 2, 2)]);
    assert_eq!((rig.units().recovered, rig.units().lost()), (1, 0));
}

#[test]
fn the_other_line_fills_a_hole() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(3, 4)).on(B, 3, &packet(1, 2)).on(B, 4, &packet(2, 3));
    rig.on(B, 5, &packet(3, 4)).finish();
    assert_eq!(rig.delivered, seqs(1..4));
    assert_eq!((rig.units().lost(), rig.units().duplicate), (0, 2));
}

#[test]
fn both_lines_may_wait_with_the_same_packet() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(5, 8)).on(B, 3, &packet(5, 8)).on(B, 4, &packet(6, 7));
    assert_eq!((rig.units().pending, rig.units().duplicate), (3, 4));
    rig.on(B, 5, &packet(2, 5)).finish();
    assert_eq!(rig.delivered, seqs(1..8));
}

#[test]
fn packets_that_wait_and_overlap_are_delivered_once() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(3, 6)).on(B, 3, &packet(4, 8)).on(A, 4, &packet(2, 5)).finish();
    assert_eq!(rig.delivered, seqs(1..8));
    assert_eq!((rig.units().seen, rig.units().duplicate), (11, 4));
}

#[test]
fn a_gap_is_declared_when_the_grace_time_has_passed_and_not_before() {
    let mut rig = Rig::new();
    rig.on(A, 100, &packet(1, 2)).on(A, 200, &packet(5, 6)).until(200 + GRACE_NS - 1);
    assert_eq!((rig.delivered.clone(), rig.told.clone()), (vec![1], vec![]));
    rig.until(200 + GRACE_NS);
    assert_eq!((rig.delivered.clone(), rig.told.clone()), (vec![1, 5], vec![(EventKind::Gap, 2, 4)]));
    assert_eq!(rig.units().lost_line, 3);
    let gap = &rig.pipeline.history().gaps[0];
    assert_eq!((gap.channel.as_str(), gap.first, gap.last, gap.cause), ("numbers", 2, 4, Cause::Line));
}

#[test]
fn what_happened_is_told_in_front_of_the_messages_that_follow_it() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(3, 4)).on(A, 3, &packet(5, 6)).until(3 + GRACE_NS);
    rig.on(A, 5_000, &packet_of("SESSION002", 1, 2)).finish();
    assert_eq!(rig.delivered, [1, 3, 5, 1]);
    assert_eq!(rig.told, [(EventKind::Gap, 2, 2), (EventKind::Gap, 4, 4), (EventKind::SessionEnd, 1, 5)]);
    assert_eq!((rig.told_at.clone(), rig.starts.clone()), (vec![1, 2, 3], vec![0, 3]));
}

#[test]
fn a_recovery_is_told_between_what_came_before_and_what_it_brings() {
    let mut rig = Rig::new();
    rig.in_one_batch(&[(A, packet(1, 3)), (A, packet(5, 7)), (A, packet(9, 10)), (B, packet(3, 5)), (B, packet(7, 9))]);
    assert_eq!(rig.delivered, seqs(1..10));
    assert_eq!(rig.told, [(EventKind::Recovered, 3, 4), (EventKind::Recovered, 7, 8)]);
    assert_eq!(rig.told_at, [2, 6], "in front of 3 and of 7");
}

#[test]
fn a_copy_that_overlaps_recovers_what_is_new_in_it() {
    let mut rig = Rig::new();
    rig.in_one_batch(&[(A, packet(1, 3)), (A, packet(5, 6)), (B, packet(2, 5))]);
    assert_eq!((rig.told.clone(), rig.told_at.clone()), (vec![(EventKind::Recovered, 3, 4)], vec![2]));
}

#[test]
fn a_malformed_copy_recovers_nothing() {
    let mut rig = Rig::new();
    rig.in_one_batch(&[(A, packet(1, 3)), (A, packet(5, 6)), (B, cut(packet(3, 5), 1)), (B, packet(3, 5))]);
    assert_eq!(rig.told, [(EventKind::Malformed, 0, 0), (EventKind::Recovered, 3, 4)]);
    assert_eq!(rig.told_at, [2, 2]);
}

#[test]
fn each_hole_has_a_grace_time_of_its_own() {
    let mut rig = Rig::new();
    rig.on(A, 0, &packet(1, 2)).on(A, 100, &packet(3, 4)).on(A, 900, &packet(5, 6)).on(B, 1_000, &packet(2, 3));
    rig.until(100 + GRACE_NS);
    assert_eq!(rig.delivered, [1, 2, 3], "4 was noticed at 900");
    rig.on(B, 900 + GRACE_NS - 1, &packet(4, 5)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..6), 0));
}

#[test]
fn a_hole_that_a_heartbeat_showed_has_a_grace_time_of_its_own() {
    let mut rig = Rig::new();
    rig.on(A, 0, &packet(1, 2)).on(A, 100, &packet(3, 4)).on(A, 900, &heartbeat(5)).on(B, 1_000, &packet(2, 3));
    rig.until(100 + GRACE_NS).on(B, 900 + GRACE_NS - 1, &packet(4, 5)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..5), 0));
}

#[test]
fn a_full_window_does_not_wait_for_the_grace_time() {
    let mut rig = Rig::with_window(2);
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(3, 4));
    assert_eq!(rig.delivered, [1]);
    rig.on(A, 3, &packet(4, 5));
    assert_eq!((rig.delivered.clone(), rig.told.clone()), (vec![1, 3, 4], vec![(EventKind::Gap, 2, 2)]));
}

#[test]
fn a_copy_that_comes_after_its_gap_is_late_and_not_delivered() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(4, 5)).until(2 + GRACE_NS).on(B, 3 + GRACE_NS, &packet(1, 5)).finish();
    assert_eq!(rig.delivered, [1, 4]);
    assert_eq!((rig.units().late, rig.units().duplicate, rig.units().lost()), (2, 2, 2));
}

#[test]
fn a_packet_across_the_end_of_a_gap_brings_what_is_behind_it() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(4, 5)).until(2 + GRACE_NS).on(B, 3 + GRACE_NS, &packet(3, 7)).finish();
    assert_eq!(rig.delivered, [1, 4, 5, 6]);
    assert_eq!((rig.units().late, rig.units().duplicate), (1, 1));
}

#[test]
fn a_heartbeat_shows_what_was_lost_at_the_tail() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &heartbeat(2));
    assert!(!rig.channel().arbiter.is_disordered());
    rig.on(A, 3, &heartbeat(4)).until(3 + GRACE_NS);
    assert_eq!(rig.told, [(EventKind::Gap, 2, 3)]);
    rig.on(A, 5_000, &packet(4, 5)).finish();
    assert_eq!((rig.delivered.clone(), rig.channel().lines[A].counters.heartbeats), (vec![1, 4], 2));
}

#[test]
fn a_sequence_number_of_few_bits_wraps() {
    let mut rig = Rig::of(mold::wrapping_plan(), 4096);
    rig.on(A, 1, &packet(65_530, 65_534)).until(1 + GRACE_NS);
    rig.on(A, 2_000, &packet(65_534, 65_536)).on(A, 2_001, &packet(65_536, 65_538)).on(
        B,
        2_002,
        &packet(65_536, 65_537),
    );
    rig.on(B, 2_003, &packet(65_540, 65_541)).on(A, 2_004, &packet(65_538, 65_540)).finish();
    assert_eq!(rig.delivered, seqs(65_530..65_541));
    assert_eq!((rig.units().lost(), rig.units().duplicate, rig.units().unsequenced), (0, 1, 0));
}
