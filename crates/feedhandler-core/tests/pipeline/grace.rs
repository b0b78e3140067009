//! The grace time that follows the skew between the lines, and the gaps of channels that go quiet. Time is set, not waited.

use feedhandler_core::event::EventKind;

use crate::mold::{heartbeat, packet};
use crate::rig::Rig;

const SPACING_NS: u64 = 10_000;

/// Packets on both lines, B as much later, up to a time; and how far they came.
fn both(rig: &mut Rig, units: std::ops::Range<u64>, skew_ns: u64) -> u64 {
    let mut arrivals: Vec<_> =
        units.clone().flat_map(|unit| [(unit * SPACING_NS, 0, unit), (unit * SPACING_NS + skew_ns, 1, unit)]).collect();
    arrivals.sort_unstable();
    for (ts_ns, line, unit) in arrivals {
        rig.on(line, ts_ns, &packet(unit, unit + 1));
    }
    units.end * SPACING_NS + skew_ns
}

#[test]
fn the_grace_time_adapts_to_the_lines_and_a_gap_is_declared_by_time_alone() {
    let mut rig = Rig::adaptive();
    let now_ns = both(&mut rig, 1..3_000, 400_000);
    assert_eq!(rig.channel().arbiter.grace_ns(), 800_000, "twice the skew of the copies");
    rig.on(0, now_ns, &packet(3_001, 3_002)).until(now_ns + 799_999);
    assert_eq!(rig.told, [], "B may still bring what A did not");
    rig.until(now_ns + 800_000);
    assert_eq!(rig.told, [(EventKind::Gap, 3_000, 3_000)]);
}

#[test]
fn lines_that_drift_apart_are_waited_for_longer_and_lines_that_come_together_less() {
    let mut rig = Rig::adaptive();
    both(&mut rig, 1..3_000, 400_000);
    both(&mut rig, 4_000..8_000, 3_000_000);
    assert_eq!(rig.channel().arbiter.grace_ns(), 6_000_000);
    both(&mut rig, 9_000..13_000, 20_000);
    assert_eq!(rig.channel().arbiter.grace_ns(), 100_000, "but never less than this");
    let units = rig.units();
    assert_eq!((units.lost_line, units.late), (2_000, 0), "only what neither line brought");
}

#[test]
fn until_enough_was_measured_the_first_grace_time_holds() {
    let mut rig = Rig::adaptive();
    both(&mut rig, 1..1_000, 400_000);
    assert_eq!(rig.channel().arbiter.grace_ns(), 5_000_000);
}

#[test]
fn a_channel_that_goes_quiet_has_its_gap_declared_when_a_heartbeat_tells_and_time_passes() {
    let mut rig = Rig::adaptive();
    let now_ns = both(&mut rig, 1..3_000, 400_000);
    rig.until(now_ns + 1_000_000_000);
    assert_eq!(rig.told, [], "nobody knows of more");
    let told_ns = now_ns + 2_000_000_000;
    rig.on(1, told_ns, &heartbeat(3_005)).until(told_ns + 799_999);
    assert_eq!(rig.told, []);
    rig.until(told_ns + 800_000);
    assert_eq!(rig.told, [(EventKind::Gap, 3_000, 3_004)]);
    assert_eq!(rig.units().lost_line, 5);
}
