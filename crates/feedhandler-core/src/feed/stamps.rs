//! The time in a capture: what its records' stamps say, where they can be believed.
//!
//! Records come in the order of the file, and time only goes forward. A stamp that is absurd must not take it along: with
//! the clock years ahead no hole would have its grace time any more. So a stamp that leaps, in either direction, counts
//! only when the record behind it does not take it back; a night in which nothing comes is such a leap, and is borne out.

/// Stamps further apart than this leap; a stamp that goes back by less is disorder, in which time stands still.
const LEAP_NS: u64 = 1_000_000_000;

/// Time in a capture; it never goes back.
#[derive(Debug, Default)]
pub(super) struct StampClock {
    now_ns: u64,
    /// How far time is ahead of the stamps, which were set back.
    ahead_ns: u64,
}

impl StampClock {
    /// Whether nobody can say what to make of a stamp before the next is known.
    #[inline]
    pub fn leaps(&self, stamp_ns: u64) -> bool {
        self.time_of(stamp_ns).abs_diff(self.now_ns) > LEAP_NS
    }

    /// The time of a record whose stamp does not leap.
    #[inline]
    pub fn follow(&mut self, stamp_ns: u64) -> u64 {
        self.now_ns = self.now_ns.max(self.time_of(stamp_ns));
        self.now_ns
    }

    /// The time of a record whose stamp leaps, given that of the record behind it.
    pub fn leap(&mut self, stamp_ns: u64, next_ns: Option<u64>) -> u64 {
        if next_ns.is_none_or(|next_ns| self.is_borne_out(stamp_ns, next_ns)) {
            let now_ns = self.now_ns.max(stamp_ns);
            (self.now_ns, self.ahead_ns) = (now_ns, now_ns - stamp_ns);
        }
        self.now_ns
    }

    fn is_borne_out(&self, stamp_ns: u64, next_ns: u64) -> bool {
        if self.time_of(stamp_ns) > self.now_ns {
            next_ns.saturating_add(LEAP_NS) >= stamp_ns
        } else {
            self.time_of(next_ns).saturating_add(LEAP_NS) < self.now_ns
        }
    }

    #[inline]
    fn time_of(&self, stamp_ns: u64) -> u64 {
        stamp_ns.saturating_add(self.ahead_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// The time of each record.
    fn times(stamps_s: &[u64]) -> Vec<u64> {
        let mut clock = StampClock::default();
        let next = stamps_s.iter().skip(1).map(|next| Some(next * S)).chain([None]);
        let time = |(stamp, next): (&u64, _)| {
            if clock.leaps(stamp * S) { clock.leap(stamp * S, next) } else { clock.follow(stamp * S) }
        };
        stamps_s.iter().zip(next).map(time).map(|time_ns| time_ns / S).collect()
    }

    #[test]
    fn a_stamp_that_is_taken_back_moves_nothing() {
        assert_eq!(times(&[100, 101, 9_000, 102, 103]), [100, 101, 101, 102, 103]);
        assert_eq!(times(&[100, 101, 0, 102, 103]), [100, 101, 101, 102, 103]);
        assert_eq!(times(&[9_000, 100, 101]), [0, 100, 101], "also the first of all");
    }

    #[test]
    fn a_quiet_time_passes() {
        assert_eq!(times(&[100, 101, 50_000, 50_001]), [100, 101, 50_000, 50_001]);
        assert_eq!(times(&[100, 200, 300, 400]), [100, 200, 300, 400], "also between any two records");
        assert_eq!(times(&[100, 50_000]), [100, 50_000], "and at the end");
    }

    #[test]
    fn a_clock_that_was_set_back_goes_on_from_there() {
        assert_eq!(times(&[9_000, 9_001, 100, 101, 102]), [9_000, 9_001, 9_001, 9_002, 9_003]);
        assert_eq!(times(&[100, 9_000, 9_000, 101, 102, 103]), [100, 9_000, 9_000, 9_000, 9_001, 9_002]);
        assert_eq!(
            times(&[100, 101, 0, 0, 102, 103]),
            [100, 101, 101, 101, 102, 103],
            "and is right again when it can be"
        );
    }
}
