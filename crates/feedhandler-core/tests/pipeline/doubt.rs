//! Lines that fall back to the head by little: nothing waits for ever, and nothing that waits comes where it does not belong.

use feedhandler_core::event::EventKind;

use crate::A;
use crate::mold::{cut, heartbeat, packet, packet_anew, packet_of};
use crate::rig::{GRACE_NS, Rig};

const SECOND_NS: u64 = 1_000_000_000;
/// Long after a session that had four messages.
const LATER_NS: u64 = 200 * SECOND_NS;

/// One line, and a session of 1..=4 on it.
fn four() -> Rig {
    let mut rig = Rig::with_one_line();
    (1..5).for_each(|seq| _ = rig.on(A, seq, &packet(seq, seq + 1)));
    rig
}

/// The line starts again, with its third packet long after the second; in between nobody looks.
fn slow_restart() -> Rig {
    let mut rig = four();
    rig.on(A, LATER_NS, &packet_anew(1, 2)).on(A, LATER_NS + SECOND_NS, &packet_anew(2, 3));
    rig.on(A, LATER_NS + 62 * SECOND_NS, &packet_anew(3, 4));
    rig
}

#[test]
fn a_slow_restart_leaves_nothing_waiting() {
    let mut rig = slow_restart();
    rig.on(A, LATER_NS + 63 * SECOND_NS, &packet_anew(4, 5)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (vec![1, 2, 3, 4, 1, 2, 3, 4], 0));
    assert_eq!(rig.channel().arbiter.session().map(|session| session.first), Some(1));
}

#[test]
fn what_waited_in_a_slow_restart_is_not_delivered_in_another_session() {
    let mut rig = slow_restart();
    let before = rig.delivered.len();
    rig.on(A, LATER_NS + 63 * SECOND_NS, &packet_of("TOMORROW", 4, 5)).until(LATER_NS + 64 * SECOND_NS);
    assert_eq!((rig.delivered[before..].to_vec(), rig.starts.len()), (vec![4], 3));
}

#[test]
fn two_packets_from_the_head_are_a_restart_when_nothing_else_comes() {
    let mut rig = four();
    rig.on(A, LATER_NS, &packet_anew(1, 2)).on(A, LATER_NS + 1, &packet_anew(2, 3));
    rig.until(LATER_NS + SECOND_NS);
    assert_eq!((rig.delivered.len(), rig.units().pending), (4, 2), "they may still be copies");
    rig.until(LATER_NS + 1 + SECOND_NS);
    assert_eq!((rig.delivered[4..].to_vec(), rig.units().pending), (vec![1, 2], 0));
    assert!(!rig.pipeline.is_disordered());
    rig.on(A, 2 * LATER_NS, &packet_anew(3, 4)).finish();
    assert_eq!((rig.delivered[4..].to_vec(), rig.units().lost(), rig.starts.clone()), (vec![1, 2, 3], 0, vec![0, 4]));
}

#[test]
fn one_packet_from_the_head_is_a_copy_when_nothing_else_comes() {
    let mut rig = four();
    rig.on(A, LATER_NS, &packet_anew(1, 2)).until(LATER_NS + SECOND_NS);
    assert_eq!((rig.delivered.len(), rig.units().pending, rig.units().duplicate), (4, 0, 1));
    rig.on(A, 2 * LATER_NS, &packet(5, 6)).finish();
    assert_eq!((rig.delivered.clone(), rig.starts.len(), rig.units().lost()), (vec![1, 2, 3, 4, 5], 1, 0));
}

#[test]
fn a_restart_whose_head_was_taken_for_a_copy_has_lost_it() {
    let mut rig = four();
    rig.on(A, LATER_NS, &packet_anew(1, 2)).until(LATER_NS + SECOND_NS);
    rig.on(A, 2 * LATER_NS, &packet_anew(2, 3))
        .on(A, 2 * LATER_NS + 1, &packet_anew(3, 4))
        .until(3 * LATER_NS)
        .finish();
    assert_eq!((rig.delivered[4..].to_vec(), rig.units().lost()), (vec![2, 3], 1));
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 4), (EventKind::Gap, 1, 1)]);
}

#[test]
fn heartbeats_tell_a_restart_from_a_copy() {
    let mut rig = four();
    rig.on(A, LATER_NS, &packet_anew(1, 2)).on(A, LATER_NS + 10, &heartbeat(5));
    assert_eq!((rig.delivered.len(), rig.units().duplicate), (4, 1), "it goes on where it was");
    rig.on(A, 2 * LATER_NS, &packet_anew(1, 2));
    (1..3).for_each(|n| _ = rig.on(A, 2 * LATER_NS + n, &heartbeat(2)));
    assert_eq!((rig.delivered[4..].to_vec(), rig.units().pending), (vec![1], 0), "it goes on behind the head");
}

#[test]
fn what_cannot_be_used_speaks_for_no_restart() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet(1, 100));
    rig.on(A, LATER_NS, &packet_anew(1, 2)).on(A, LATER_NS + 1, &cut(packet_anew(2, 3), 1));
    rig.on(A, LATER_NS + 2, &packet_anew(3, 4)).on(A, LATER_NS + 3, &cut(packet_anew(4, 5), 1));
    assert_eq!((rig.delivered.len(), rig.units().pending), (99, 2), "the third is spoilt");
    rig.on(A, LATER_NS + 4, &packet(100, 101)).finish();
    assert_eq!((rig.delivered.len(), rig.starts.len(), rig.units().duplicate), (100, 1, 2));
}

#[test]
fn a_packet_for_a_hole_is_no_copy_though_its_line_is_in_doubt() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet(1, 2)).on(A, 1, &packet(2, 501)).on(A, 2, &packet(600, 601));
    rig.on(A, 3, &packet_anew(1, 2)).on(A, 4, &packet(550, 551)).on(A, 5, &packet(601, 602));
    rig.until(3 * GRACE_NS).finish();
    assert_eq!(rig.delivered[500..], [550, 600, 601]);
    assert_eq!((rig.units().duplicate, rig.units().lost()), (1, 49 + 49));
}
