//! When each datagram is due: absolute deadlines from one anchor, so that errors never add up.
//!
//! Sans-I/O: [`Schedule`] is told time stamps and tells deadlines; it neither looks at a clock nor waits.

use std::fmt;

/// How datagrams are spread over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pacing {
    /// As their time stamps say, `speed` times as fast.
    Original {
        /// 2.0 takes half the time, 0.5 twice the time.
        speed: f64,
    },
    /// One every `1 / packets_per_second`, whatever their time stamps say.
    Rate {
        /// Datagrams a second.
        packets_per_second: f64,
    },
    /// As fast as the kernel takes them.
    Max,
}

/// Why a [`Pacing`] cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PacingError {
    what: &'static str,
    found: f64,
}

impl fmt::Display for PacingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be a number above 0, found {}", self.what, self.found)
    }
}

impl std::error::Error for PacingError {}

/// The deadlines of one run.
///
/// A deadline is computed from the anchor and the datagram's own time stamp or number, never from the deadline
/// before it. It never lies before the deadline before it either: a datagram whose time stamp goes backwards (the
/// records of a capture of two lines often do) is due at once after its predecessor, in the capture's order, and what
/// follows is not shifted. Exact to 1 ns for offsets below 52 days, the reach of an `f64`'s 53 bits.
#[derive(Clone, Debug)]
pub struct Schedule {
    pacing: Pacing,
    anchor_ns: u64,
    first_ts_ns: Option<u64>,
    packets: u64,
    latest_ns: u64,
}

impl Schedule {
    /// A schedule whose first datagram is due at `anchor_ns`, of whatever clock the caller waits on.
    ///
    /// # Errors
    ///
    /// A speed or rate that is not a finite number above 0.
    pub fn new(pacing: Pacing, anchor_ns: u64) -> Result<Self, PacingError> {
        match pacing {
            Pacing::Original { speed } => above_zero("speed", speed)?,
            Pacing::Rate { packets_per_second } => above_zero("packets_per_second", packets_per_second)?,
            Pacing::Max => {}
        }
        Ok(Self { pacing, anchor_ns, first_ts_ns: None, packets: 0, latest_ns: anchor_ns })
    }

    /// When the next datagram, stamped `ts_ns`, is due; `None` where it is due whenever it can go.
    pub fn deadline_ns(&mut self, ts_ns: u64) -> Option<u64> {
        let offset_ns = match self.pacing {
            Pacing::Original { speed } => {
                let first_ts_ns = *self.first_ts_ns.get_or_insert(ts_ns);
                to_ns(to_f64(ts_ns.saturating_sub(first_ts_ns)) / speed)
            }
            Pacing::Rate { packets_per_second } => to_ns(to_f64(self.packets) * 1e9 / packets_per_second),
            Pacing::Max => return None,
        };
        self.packets += 1;
        self.latest_ns = self.latest_ns.max(self.anchor_ns.saturating_add(offset_ns));
        Some(self.latest_ns)
    }
}

fn above_zero(what: &'static str, found: f64) -> Result<(), PacingError> {
    if found.is_finite() && found > 0.0 { Ok(()) } else { Err(PacingError { what, found }) }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 ns, which is 104 days")]
fn to_f64(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; `as` saturates")]
fn to_ns(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANCHOR_NS: u64 = 1_000_000_007;

    fn deadlines(pacing: Pacing, stamps: &[u64]) -> Vec<u64> {
        let mut schedule = Schedule::new(pacing, ANCHOR_NS).expect("a pacing that can be followed");
        stamps.iter().map(|&ts_ns| schedule.deadline_ns(ts_ns).expect("a deadline")).collect()
    }

    /// `a * b / c` rounded half up, in integers.
    fn ratio(a: u64, b: u64, c: u64) -> u64 {
        let (a, b, c) = (u128::from(a), u128::from(b), u128::from(c));
        u64::try_from((2 * a * b + c) / (2 * c)).expect("in range")
    }

    proptest! {
        #[test]
        fn original_timing_keeps_every_nanosecond(start in 0..u64::MAX / 2, offsets in prop::collection::vec(0..1_u64 << 52, 1..50)) {
            let mut sorted = offsets;
            sorted.sort_unstable();
            let stamps: Vec<u64> = sorted.iter().map(|offset_ns| start + offset_ns).collect();
            let due = deadlines(Pacing::Original { speed: 1.0 }, &stamps);
            for (deadline_ns, ts_ns) in due.iter().zip(&stamps) {
                prop_assert_eq!(deadline_ns - ANCHOR_NS, ts_ns - stamps[0]);
            }
        }

        #[test]
        fn a_whole_speed_divides_each_offset_and_nothing_adds_up(speed in 1_u32..2_000, gaps_ns in prop::collection::vec(0..1_000_000_000_u64, 1..300)) {
            let stamps: Vec<u64> = gaps_ns.iter().scan(0, |ts_ns, gap_ns| { *ts_ns += gap_ns; Some(*ts_ns) }).collect();
            let due = deadlines(Pacing::Original { speed: f64::from(speed) }, &stamps);
            for (deadline_ns, ts_ns) in due.iter().zip(&stamps) {
                let ideal_ns = ratio(ts_ns - stamps[0], 1, u64::from(speed));
                prop_assert!((deadline_ns - ANCHOR_NS).abs_diff(ideal_ns) <= 1);
            }
        }

        #[test]
        fn deadlines_never_go_back_whatever_the_stamps_do(speed in 0.001_f64..1_000.0, stamps in prop::collection::vec(any::<u64>(), 1..100)) {
            let due = deadlines(Pacing::Original { speed }, &stamps);
            prop_assert!(due.is_sorted());
            prop_assert_eq!(due[0], ANCHOR_NS);
        }

        #[test]
        fn one_stamp_out_of_order_shifts_nothing_after_it(offsets in prop::collection::vec(1..1_000_000_u64, 3..50), back in 0_u64..1_000, at in any::<prop::sample::Index>()) {
            let mut stamps: Vec<u64> = offsets.iter().scan(1_000, |ts_ns, gap_ns| { *ts_ns += gap_ns; Some(*ts_ns) }).collect();
            let at = 1 + at.index(stamps.len() - 2);
            let undisturbed = deadlines(Pacing::Original { speed: 1.0 }, &stamps);
            stamps[at] = back;
            let disturbed = deadlines(Pacing::Original { speed: 1.0 }, &stamps);
            prop_assert_eq!(disturbed[at], disturbed[at - 1]);
            prop_assert_eq!(&disturbed[at + 1..], &undisturbed[at + 1..]);
        }

        #[test]
        fn a_rate_is_kept_for_as_long_as_it_runs(packets_per_second in 1_u32..5_000_000, packets in 0..100_000_000_u64) {
            let pacing = Pacing::Rate { packets_per_second: f64::from(packets_per_second) };
            let mut schedule = Schedule::new(pacing, ANCHOR_NS).expect("a pacing that can be followed");
            schedule.packets = packets;
            let deadline_ns = schedule.deadline_ns(0).expect("a deadline");
            prop_assert!((deadline_ns - ANCHOR_NS).abs_diff(ratio(packets, 1_000_000_000, u64::from(packets_per_second))) <= 1);
        }
    }

    #[test]
    fn max_has_no_deadline() {
        assert_eq!(Schedule::new(Pacing::Max, 5).expect("always possible").deadline_ns(7), None);
    }

    #[test]
    fn nothing_but_a_number_above_zero_is_a_speed_or_a_rate() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Schedule::new(Pacing::Original { speed: bad }, 0).is_err());
            assert!(Schedule::new(Pacing::Rate { packets_per_second: bad }, 0).is_err());
        }
        let error = Schedule::new(Pacing::Original { speed: 0.0 }, 0).expect_err("refused");
        assert_eq!(error.to_string(), "speed must be a number above 0, found 0");
    }

    #[test]
    fn a_deadline_beyond_time_saturates() {
        let due = deadlines(Pacing::Original { speed: 1e-9 }, &[0, u64::MAX]);
        assert_eq!(due, [ANCHOR_NS, u64::MAX]);
    }
}
