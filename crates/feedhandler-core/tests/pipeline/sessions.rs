//! Sessions: their heads and ends, changes, restarts, and lines that do not follow.

use feedhandler_core::event::EventKind;
use feedhandler_core::framing::SessionId;
use feedhandler_core::malformed::Reason;

use crate::mold::{block, cut, end_of_session, heartbeat, packet, packet_anew, packet_of};
use crate::rig::{GRACE_NS, Rig};
use crate::{A, B, seqs};

#[test]
fn the_end_of_a_session_shows_what_was_lost_and_is_told_once() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 3)).on(A, 2, &end_of_session(4)).on(B, 3, &end_of_session(4)).finish();
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 3), (EventKind::Gap, 3, 3)]);
    assert_eq!(rig.channel().lines.iter().map(|line| line.counters.ends_of_session).sum::<u64>(), 2);
}

#[test]
fn an_end_of_session_below_what_came_takes_none_of_it_back() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet(5, 6)).on(A, 2, &end_of_session(2)).on(A, 3, &heartbeat(6)).finish();
    assert_eq!((rig.told.clone(), rig.delivered.clone()), (vec![(EventKind::SessionEnd, 5, 5)], vec![5]));
}

#[test]
fn another_session_begins_at_its_own_head() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 3)).on(A, 2, &packet_of("SESSION002", 1, 4)).on(B, 3, &packet_of("SESSION002", 1, 4));
    rig.finish();
    assert_eq!(rig.delivered, [1, 2, 1, 2, 3]);
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 2)]);
    assert_eq!(rig.pipeline.history().sessions[0].last, 2);
    let session = rig.channel().arbiter.session().unwrap();
    assert_eq!((session.first, session.next, rig.units().lost()), (1, 4, 0));
}

#[test]
fn the_missing_head_of_a_session_that_begins_while_we_listen_is_lost() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 3)).on(A, 2, &packet_of("SESSION002", 3, 4)).finish();
    assert_eq!(rig.delivered, [1, 2, 3]);
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 2), (EventKind::Gap, 1, 2)]);
}

#[test]
fn what_was_sent_before_we_joined_is_not_lost() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1_000, 1_002)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (vec![1_000, 1_001], 0));
}

#[test]
fn what_is_missing_behind_a_late_beginning_has_a_grace_time_of_its_own() {
    let mut rig = Rig::new();
    rig.on(A, 100, &heartbeat(2)).on(A, 101, &packet(1, 2)).on(A, 200, &cut(packet(2, 3), 1));
    rig.until(100 + GRACE_NS).on(B, 150 + GRACE_NS, &packet(2, 6)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (vec![1, 2, 3, 4, 5], 0));
}

#[test]
fn what_waits_is_delivered_before_another_session() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(3, 4)).on(A, 3, &packet_of("SESSION002", 1, 2)).finish();
    assert_eq!(rig.delivered, [1, 3, 1]);
    assert_eq!(rig.told, [(EventKind::Gap, 2, 2), (EventKind::SessionEnd, 1, 3)]);
}

#[test]
fn a_sequence_that_starts_again_is_a_session_of_its_own() {
    let mut rig = Rig::new();
    for first in (1..3_001).step_by(100) {
        rig.on(A, first, &packet(first, first + 100)).on(B, first, &packet(first, first + 100));
    }
    rig.on(A, 4_000, &packet(1, 3)).on(A, 4_001, &packet(3, 4)).on(B, 4_002, &packet(3_001, 3_002));
    rig.on(B, 4_003, &packet(1, 3)).on(B, 4_004, &packet(3, 5)).on(A, 4_005, &packet(4, 5)).finish();
    assert_eq!(rig.delivered[3_000..], [1, 2, 3, 4]);
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 3_000), (EventKind::StaleSession, 0, 0)]);
    assert_eq!((rig.units().stale, rig.units().lost()), (1, 0));
    let (ended, present) = (&rig.pipeline.history().sessions[0], rig.channel().arbiter.session().unwrap());
    assert_eq!((ended.first, ended.last, present.first, present.next), (1, 3_000, 1, 5));
}

#[test]
fn a_line_that_stays_in_a_session_we_left_is_stale_until_it_follows() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(B, 1, &packet(1, 2));
    rig.on(A, 2, &packet_of("SESSION002", 1, 2)).on(A, 2, &packet_of("SESSION002", 2, 3));
    (2..40).for_each(|seq| _ = rig.on(B, 2 + seq, &packet(seq, seq + 1)));
    assert_eq!((rig.delivered.clone(), rig.units().stale), (vec![1, 1, 2], 38));
    assert_eq!(rig.told[1..], [(EventKind::StaleSession, 0, 0)], "told once");
    rig.on(B, 50, &packet_of("SESSION002", 1, 4)).finish();
    assert_eq!((rig.delivered.clone(), rig.channel().lines[B].counters.stale), (vec![1, 1, 2, 3], 38));
}

#[test]
fn strays_of_another_session_cost_neither_line_anything() {
    let mut rig = Rig::new();
    for seq in 1..100 {
        rig.on(A, 10 * seq, &packet(seq, seq + 1)).on(B, 10 * seq, &packet(seq, seq + 1));
        if seq == 50 {
            rig.on(A, 10 * seq, &packet_of("STRAY", 77, 78)).on(A, 10 * seq + 1, &packet_of("STRAY", 77, 78));
        }
    }
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost(), rig.starts.len()), (seqs(1..100), 0, 1));
    assert_eq!(rig.told, [(EventKind::Malformed, 0, 0); 2]);
    assert_eq!(rig.pipeline.history().malformed[&Reason::ImplausibleSession], 2);
}

#[test]
fn bare_messages_of_a_file_are_one_session() {
    let mut rig = Rig::new();
    let delimiter = rig.pipeline.plan().file.unwrap();
    let bytes = [block(1), block(2)].concat();
    rig.pipeline.on_messages(0, &delimiter, bytes[..].into());
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.channel().arbiter.session().unwrap().id), (vec![1, 2], SessionId::Nothing));
}

#[test]
fn a_channel_joined_midway_begins_with_the_earliest_that_a_line_brings() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1_003, 1_004)).on(B, 2, &packet(1_001, 1_002)).on(B, 3, &packet(1_002, 1_004));
    assert_eq!(rig.delivered, seqs(0..0));
    rig.until(1 + GRACE_NS).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1_001..1_004), 0));
    assert_eq!(rig.channel().arbiter.session().map(|session| session.first), Some(1_001));
}

#[test]
fn packets_numbered_below_the_first_unit_stand_outside_the_sequence() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(0, 1)).on(A, 2, &packet(0, 1)).on(A, 3, &heartbeat(0));
    assert!(rig.channel().arbiter.session().is_none(), "they belong to no session");
    rig.on(A, 4, &packet(1, 3)).on(B, 5, &heartbeat(0)).on(B, 6, &packet(1, 3)).on(B, 7, &packet(3, 4)).finish();
    assert_eq!(rig.delivered, [0, 0, 1, 2, 3]);
    assert!(rig.told.is_empty());
    assert_eq!((rig.units().unsequenced, rig.units().delivered, rig.units().duplicate), (2, 3, 2));
}

#[test]
fn two_lines_that_are_joined_midway_begin_with_the_earliest_unit_of_either() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1_005, 1_006)).on(B, 2, &packet(1_003, 1_005)).on(A, 3, &packet(1_006, 1_007));
    assert!(rig.delivered.is_empty(), "an earlier unit may still come");
    rig.until(1 + GRACE_NS);
    assert_eq!(rig.delivered, seqs(1_003..1_007));
    rig.on(B, 2 + GRACE_NS, &packet(1_001, 1_003)).finish();
    assert_eq!((rig.units().duplicate, rig.units().lost()), (2, 0));
    assert_eq!(rig.channel().arbiter.session().unwrap().first, 1_003);
}

/// Longer than a network takes to repeat a packet.
const SILENCE_NS: u64 = 1_000_000_000;

/// A session of 1..=500 on line A.
fn five_hundred() -> Rig {
    let mut rig = Rig::new();
    (1..501).for_each(|seq| _ = rig.on(A, seq, &packet(seq, seq + 1)));
    rig
}

#[test]
fn a_short_sequence_that_starts_again_with_other_bytes_is_a_session_of_its_own() {
    let mut rig = five_hundred();
    rig.on(A, 600, &packet_anew(1, 2)).on(A, 601, &packet_anew(2, 4));
    assert_eq!((rig.delivered.len(), rig.units().pending), (500, 3), "two packets may be anything");
    rig.on(A, 602, &packet_anew(4, 5));
    assert_eq!(rig.delivered[500..], [1, 2, 3, 4]);
    rig.on(A, 603, &packet_anew(5, 6)).finish();
    assert_eq!(rig.told, [(EventKind::SessionEnd, 1, 500)]);
    assert_eq!((rig.starts.clone(), rig.units().duplicate, rig.units().lost()), (vec![0, 500], 0, 0));
}

#[test]
fn a_sequence_shorter_than_what_tells_a_restart_may_start_again() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2));
    (1..6).for_each(|seq| _ = rig.on(A, 10 + seq, &packet_anew(seq, seq + 1)));
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (vec![1, 1, 2, 3, 4, 5], 0));
}

#[test]
fn a_sequence_that_starts_again_with_the_same_bytes_does_so_after_a_silence() {
    let mut rig = five_hundred();
    (1..10).for_each(|seq| _ = rig.on(A, 500 + SILENCE_NS + seq, &packet(seq, seq + 1)));
    rig.finish();
    assert_eq!((rig.delivered[500..].to_vec(), rig.units().lost()), (seqs(1..10), 0));
}

#[test]
fn a_sequence_that_was_joined_on_the_way_may_start_again() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(300, 302)).until(1 + GRACE_NS).on(A, 5_000, &packet(302, 303));
    (1..10).for_each(|seq| _ = rig.on(A, 5_000 + SILENCE_NS + seq, &packet(seq, seq + 1)));
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), ([seqs(300..303), seqs(1..10)].concat(), 0));
}

#[test]
fn a_stream_that_a_line_brings_twice_is_delivered_once() {
    let mut rig = five_hundred();
    (1..501).for_each(|seq| _ = rig.on(A, 500 + seq, &packet(seq, seq + 1)));
    rig.on(A, 2_000, &packet(501, 502)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().duplicate, rig.starts.len()), (seqs(1..502), 500, 1));
}

#[test]
fn copies_of_old_packets_start_nothing_whatever_they_are() {
    let mut rig = five_hundred();
    let burst = [packet(1, 2), packet_anew(1, 3), packet_anew(3, 4), packet(2, 3), packet(3, 4), packet(7, 9)];
    for (copy, ts_ns) in burst.iter().zip(1_000..) {
        rig.on(A, ts_ns, copy).on(B, ts_ns, &packet_anew(1, 2));
        rig.on(A, ts_ns, &packet(ts_ns - 499, ts_ns - 498));
    }
    rig.finish();
    assert_eq!((rig.delivered.clone(), rig.starts.len(), rig.units().lost()), (seqs(1..507), 1, 0));
    assert_eq!(rig.channel().lines[A].counters.duplicate, 6);
}

#[test]
fn a_copy_of_an_old_packet_among_those_of_a_restart_does_not_hide_it() {
    let mut rig = five_hundred();
    rig.on(A, 600, &packet_anew(1, 2)).on(A, 601, &packet(300, 301)).on(A, 602, &packet_anew(3, 4));
    rig.on(A, 603, &packet_anew(2, 3)).on(A, 604, &packet_anew(4, 5)).finish();
    assert_eq!((rig.delivered[500..].to_vec(), rig.units().lost()), (seqs(1..5), 0));
}

#[test]
fn packets_in_doubt_are_bounded() {
    let mut rig = five_hundred();
    (1..501).for_each(|seq| _ = rig.on(B, seq, &packet(seq, seq + 1)));
    rig.on(A, 600, &packet_anew(1, 2));
    for ts_ns in 601..1_000 {
        rig.on(B, ts_ns, &packet(2, 3));
        assert!(rig.units().pending <= 64);
    }
    rig.on(A, 1_000, &packet(501, 502)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..502), 0));
}

#[test]
fn of_lines_that_start_again_together_none_loses_what_it_alone_brings() {
    let mut rig = Rig::new();
    (1..101).for_each(|seq| _ = rig.on(A, seq, &packet(seq, seq + 1)).on(B, seq, &packet(seq, seq + 1)));
    rig.on(A, 200, &packet_anew(1, 2)).on(B, 201, &packet_anew(2, 3)).on(A, 202, &packet_anew(3, 4));
    rig.on(B, 203, &packet_anew(4, 5)).on(A, 204, &packet_anew(5, 6)).on(B, 205, &packet_anew(6, 7)).finish();
    assert_eq!((rig.delivered[100..].to_vec(), rig.units().lost()), (seqs(1..7), 0));
    assert_eq!(rig.units().stale, 0);
}

#[test]
fn a_line_follows_into_a_sequence_that_started_again() {
    let mut rig = Rig::new();
    (1..101).for_each(|seq| _ = rig.on(A, seq, &packet(seq, seq + 1)).on(B, seq, &packet(seq, seq + 1)));
    (1..8).for_each(|seq| _ = rig.on(A, 200 + seq, &packet_anew(seq, seq + 1)));
    rig.on(B, 300, &packet(101, 102)).on(B, 301, &packet_anew(2, 3)).on(B, 302, &packet_anew(3, 4));
    rig.on(B, 303, &packet_anew(8, 9)).finish();
    assert_eq!((rig.delivered[100..].to_vec(), rig.units().stale), (seqs(1..9), 2));
}

#[test]
fn a_copy_of_the_head_behind_the_end_of_a_session_begins_none() {
    for joined in [1, 5] {
        let mut rig = Rig::new();
        rig.on(0, 0, &packet(joined, 9)).until(GRACE_NS).on(0, GRACE_NS, &end_of_session(9));
        rig.on(0, 2 * GRACE_NS, &packet(1, 9)).on(1, 2 * GRACE_NS, &packet(1, 9));
        assert!(rig.delivered.iter().copied().eq(joined..9), "{:?}", rig.delivered);
        assert_eq!((rig.starts.len(), rig.units().stale), (1, 0));
    }
}

#[test]
fn the_head_behind_the_end_of_a_session_and_a_silence_begins_another() {
    let mut rig = Rig::new();
    rig.on(0, 0, &packet(1, 9)).on(0, 100, &end_of_session(9)).on(0, 1_000_000_100, &packet(1, 3));
    assert!(rig.delivered.iter().copied().eq((1..9).chain(1..3)), "{:?}", rig.delivered);
}

#[test]
fn a_line_that_is_two_sessions_late_takes_the_channel_back_to_neither() {
    let mut rig = Rig::new();
    rig.on(A, 0, &packet_of("S1", 1, 20)).on(B, 1, &packet_of("S1", 1, 2));
    rig.on(A, 2, &packet_of("S2", 1, 15)).on(A, 2, &packet_of("S2", 15, 20));
    rig.on(A, 3, &packet_of("S3", 1, 3)).on(A, 3, &packet_of("S3", 3, 5));
    for (session, unit) in (2..20).map(|unit| ("S1", unit)).chain((1..20).map(|unit| ("S2", unit))) {
        rig.on(B, 4, &packet_of(session, unit, unit + 1));
    }
    rig.on(A, 6, &packet_of("S3", 5, 9)).on(B, 7, &packet_of("S3", 1, 10));
    assert!(rig.delivered.iter().copied().eq((1..20).chain(1..20).chain(1..10)), "{:?}", rig.delivered);
    assert_eq!((rig.starts.len(), rig.units().stale), (3, 18 + 19));
}
