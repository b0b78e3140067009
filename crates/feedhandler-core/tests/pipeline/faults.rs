//! What is not as it should be: malformed copies, strays, absurd numbers, drops. None of it stops the feed.

use feedhandler_core::event::{Cause, EventKind};
use feedhandler_core::malformed::Reason;

use crate::mold::{SESSION, block, cut, header, heartbeat, packet, packet_of};
use crate::rig::{GRACE_NS, Rig};
use crate::{A, B, SECOND_NS, seqs};

#[test]
fn a_malformed_copy_loses_to_a_good_one() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &cut(packet(2, 4), 1)).on(B, 3, &packet(2, 4)).finish();
    assert_eq!(rig.delivered, [1, 2, 3]);
    assert_eq!(rig.told, [(EventKind::Malformed, 0, 0), (EventKind::Recovered, 2, 3)]);
    assert_eq!((rig.channel().lines[A].counters.malformed, rig.units().lost()), (1, 0));
    let sample = &rig.pipeline.history().samples[0];
    assert_eq!((sample.reason, sample.line.as_str()), (Reason::BlockLength, "A"));
}

#[test]
fn a_malformed_copy_of_what_was_delivered_is_malformed_and_not_brought() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 4)).on(B, 2, &cut(packet(1, 4), 1)).on(B, 3, &packet(1, 4)).on(A, 4, &packet(4, 5));
    rig.on(B, 5, &cut(packet(4, 5), 1)).finish();
    let line = &rig.channel().lines[B].counters;
    assert_eq!((line.duplicate, line.malformed), (1, 2));
    assert_eq!((rig.units().seen, rig.units().duplicate, rig.units().lost()), (7, 3, 0));
    let units = rig.channel().arbiter.line_units();
    assert_eq!((units[B].brought, units[B].missed), (3, 1));
    assert_eq!(rig.pipeline.mismatches(), 0);
}

#[test]
fn what_is_malformed_on_every_line_is_lost_for_that_cause() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &cut(packet(2, 4), 1)).on(B, 3, &cut(packet(2, 4), 1));
    rig.on(A, 4, &packet(4, 5)).until(2 + GRACE_NS);
    assert_eq!((rig.delivered.clone(), rig.units().lost_malformed), (vec![1, 4], 2));
}

#[test]
fn messages_that_are_malformed_in_a_good_packet_are_lost_and_told_where() {
    let mut rig = Rig::new();
    let spoilt = || b"\0\x03Nxx".to_vec();
    let blocks = [block(2), spoilt(), block(4), spoilt(), spoilt(), block(7)].concat();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &[header(SESSION, 2, 6), blocks].concat()).on(A, 3, &packet(8, 9)).finish();
    assert_eq!(rig.delivered, [1, 2, 4, 7, 8]);
    assert_eq!(rig.told, [(EventKind::Malformed, 3, 3), (EventKind::Malformed, 5, 6)]);
    assert_eq!(rig.told_at, [2, 3], "in front of the messages behind them");
    assert_eq!(rig.channel().messages.malformed, 3);
}

#[test]
fn however_many_messages_of_a_packet_are_malformed_few_events_tell_it() {
    let mut rig = Rig::with_one_line();
    let blocks = (1..1_001).flat_map(|seq| if seq % 2 == 1 { block(seq) } else { b"\0\x03Nxx".to_vec() });
    rig.on(A, 1, &[header(SESSION, 1, 1_000), blocks.collect()].concat()).finish();
    assert_eq!((rig.delivered.len(), rig.channel().messages.malformed, rig.told.len()), (500, 500, 64));
    assert_eq!(rig.told[63], (EventKind::Malformed, 128, 1_000));
}

#[test]
fn a_malformed_copy_beyond_a_hole_is_not_kept() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &cut(packet(3, 5), 1));
    assert_eq!(rig.units().pending, 0);
    rig.on(B, 3, &packet(2, 5)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..5), 0));
}

#[test]
fn a_stray_far_ahead_does_not_carry_the_sequence_away() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(1_000_000, 1_000_001));
    (2..9).for_each(|seq| _ = rig.on(A, 1 + seq, &packet(seq, seq + 1)));
    rig.until(20 + GRACE_NS).on(A, 21 + GRACE_NS, &packet(9, 10)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..10), 0));
    assert_eq!((rig.units().implausible_packets, rig.channel().lines[A].counters.malformed), (1, 1));
    assert_eq!(rig.pipeline.history().malformed[&Reason::ImplausibleSequence], 1);
}

#[test]
fn a_stray_heartbeat_far_ahead_does_not_carry_the_sequence_away() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &heartbeat(1_000_000));
    (2..9).for_each(|seq| _ = rig.on(A, 1 + seq, &packet(seq, seq + 1)));
    rig.until(20 + GRACE_NS).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (seqs(1..9), 0));
}

#[test]
fn a_stray_at_the_head_of_the_sequence_is_not_a_restart() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(1_000_000, 1_000_001)).on(A, 3, &packet(2, 3)).on(A, 4, &packet(3, 4));
    rig.until(4 + GRACE_NS).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost(), rig.told.len()), (vec![1, 2, 3], 0, 3));
    assert_eq!(rig.told[2], (EventKind::Malformed, 0, 0));
}

#[test]
fn a_sequence_that_a_stray_has_carried_away_is_taken_back() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 1_001)).on(B, 1, &packet(1, 1_001)).on(A, 2, &packet(1_000_000, 1_000_001));
    rig.until(2 + GRACE_NS);
    assert_eq!(rig.delivered.last(), Some(&1_000), "nobody else has come there");
    rig.until(2 + SECOND_NS);
    assert_eq!(rig.delivered.last(), Some(&1_000_000), "nor gone on elsewhere for a second");
    for seq in 1_001..1_040 {
        let ts_ns = SECOND_NS + 10_000 * seq;
        rig.on(A, ts_ns, &packet(seq, seq + 1)).on(B, ts_ns + 1, &packet(seq, seq + 1));
    }
    rig.finish();
    assert_eq!(rig.delivered[1_001..], seqs(1_008..1_040), "after sixteen packets");
    assert_eq!((rig.units().stale, rig.units().late, rig.starts.len()), (0, 15, 2));
}

#[test]
fn a_line_that_lags_behind_a_great_loss_does_not_take_the_sequence_back() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(5_000, 5_001)).until(2 + GRACE_NS);
    for step in 0..40 {
        let ts_ns = 10_000 * (step + 1);
        rig.on(A, ts_ns, &packet(5_001 + step, 5_002 + step)).on(B, ts_ns + 1, &packet(1 + step, 2 + step));
    }
    rig.finish();
    assert_eq!(rig.delivered, [vec![1], seqs(5_000..5_041)].concat());
    assert_eq!((rig.units().late, rig.starts.len()), (39, 1));
}

#[test]
fn a_packet_further_ahead_than_any_session_is_long_is_malformed() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2)).on(A, 2, &packet(1 << 60, (1 << 60) + 1)).on(A, 3, &heartbeat(1 << 60));
    rig.until(3 + GRACE_NS).on(A, 5_000, &packet(2, 3)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost(), rig.units().implausible_packets), (vec![1, 2], 0, 2));
}

#[test]
fn a_sequence_at_the_end_of_its_range_is_malformed_and_harmless() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2));
    let mut beyond = header(SESSION, u64::MAX, 2);
    beyond.extend([block(1), block(2)].concat());
    rig.on(A, 2, &beyond).on(A, 3, &header("SESSION002", u64::MAX, 0)).finish();
    let mut fresh = Rig::new();
    fresh.on(A, 1, &beyond).on(A, 2, &header(SESSION, u64::MAX, 0)).finish();
}

#[test]
fn gaps_of_any_size_keep_the_sums() {
    let mut rig = Rig::new();
    for (session, ts_ns) in ["S1", "S2", "S3"].into_iter().zip((0_u64..).step_by(100_000)) {
        rig.on(A, ts_ns, &packet_of(session, 1, 2))
            .on(A, ts_ns + 1, &header(session, 1 << 40, 0))
            .until(ts_ns + 50_000);
        rig.on(A, ts_ns + 60_000, &header(session, u64::MAX - 5, 0));
    }
    rig.on(B, 400_000, &packet_of("S4", u64::MAX - 1, u64::MAX));
    rig.finish();
}

#[test]
fn dropped_datagrams_are_the_cause_of_the_gap_they_leave() {
    let mut rig = Rig::new();
    rig.on(A, 1, &packet(1, 2));
    rig.pipeline.on_drop(0, A, Cause::SocketBuffer, 1, 2);
    rig.on(A, 3, &packet(4, 5)).until(3 + GRACE_NS);
    assert_eq!((rig.units().lost_socket_buffer, rig.units().lost()), (2, 2));
    assert_eq!(rig.channel().lines[A].counters.dropped_socket_buffer, 1);
}

#[test]
fn what_was_dropped_here_is_not_waited_for_where_no_other_line_can_bring_it() {
    let mut rig = Rig::with_one_line();
    rig.on(A, 1, &packet(1, 3));
    rig.pipeline.on_drop(0, A, Cause::RingFull, 1, 2);
    rig.on(A, 3, &packet(4, 6));
    assert_eq!((rig.delivered.clone(), rig.units().lost_ring_full), (vec![1, 2, 4, 5], 1));

    rig.on(A, 4, &packet(7, 9));
    assert_eq!(rig.units().lost(), 1, "a hole without a drop in front of it may be disorder");
    rig.on(A, 5, &packet(6, 7)).finish();
    assert_eq!((rig.delivered.clone(), rig.units().lost()), (vec![1, 2, 4, 5, 6, 7, 8], 1));
}
