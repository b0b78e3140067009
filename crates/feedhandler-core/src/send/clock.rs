//! The clock a sender waits on, and how it waits.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// Longest sleep between two looks at the stop flag.
pub const STOP_CHECK_NS: u64 = 50_000_000;

/// How long before a deadline sleeping ends and spinning begins: more than the kernel's usual wake-up error.
pub const SPIN_NS: u64 = 60_000;

/// A clock to send by. Tests set the time of theirs.
pub trait Clock {
    /// Nanoseconds since a moment that stays the same while the process runs.
    fn now_ns(&mut self) -> u64;

    /// Sleeps until about `wake_ns`; may wake early or late.
    fn sleep_until(&mut self, wake_ns: u64);
}

/// How a sender passes the time until a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineWait {
    /// Looks at the clock all the time: a core is busy, and no sleep is too long.
    Busy,
    /// Sleeps until [`SPIN_NS`] before the deadline, then spins: a core is busy, the deadline is met.
    Spin,
    /// Sleeps only: later by the kernel's wake-up error, and the core is free.
    Sleep,
}

/// Waits until `deadline_ns` and returns the time then; `None` where `stop` was set meanwhile.
pub fn wait_until(clock: &mut impl Clock, deadline_ns: u64, wait: DeadlineWait, stop: &AtomicBool) -> Option<u64> {
    let wake_ns = match wait {
        DeadlineWait::Busy => 0,
        DeadlineWait::Spin => deadline_ns.saturating_sub(SPIN_NS),
        DeadlineWait::Sleep => deadline_ns,
    };
    while !stop.load(Ordering::Relaxed) {
        let now_ns = clock.now_ns();
        if now_ns >= deadline_ns {
            return Some(now_ns);
        } else if now_ns < wake_ns {
            clock.sleep_until(wake_ns.min(now_ns.saturating_add(STOP_CHECK_NS)));
        } else {
            std::hint::spin_loop();
        }
    }
    None
}

/// `CLOCK_MONOTONIC`, which no correction of the wall clock makes jump.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now_ns(&mut self) -> u64 {
        read_clock_ns(libc::CLOCK_MONOTONIC)
    }

    fn sleep_until(&mut self, wake_ns: u64) {
        let wake = libc::timespec {
            tv_sec: i64::try_from(wake_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(wake_ns % 1_000_000_000).unwrap_or(0),
        };
        // SAFETY: `wake` is a whole timespec that outlives the call, and an absolute sleep writes no remainder.
        unsafe {
            libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const wake, std::ptr::null_mut())
        };
    }
}

/// What to add to a [`Monotonic`] time to get nanoseconds of the Unix epoch, as it is now.
#[must_use]
pub fn unix_offset_ns() -> u64 {
    let before_ns = read_clock_ns(libc::CLOCK_MONOTONIC);
    let unix_ns = read_clock_ns(libc::CLOCK_REALTIME);
    let after_ns = read_clock_ns(libc::CLOCK_MONOTONIC);
    unix_ns.saturating_sub(before_ns.midpoint(after_ns))
}

/// Asks the kernel to wake this thread when a sleep ends, not up to 50 µs later to save power.
pub fn sharpen_sleeps_of_this_thread() {
    // SAFETY: PR_SET_TIMERSLACK takes one number and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

fn read_clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a whole timespec for the kernel to fill.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A clock that moves 10 ns with each look at it, and by what is slept.
    #[derive(Debug, Default)]
    pub struct ManualClock {
        pub now_ns: u64,
        pub oversleep_ns: u64,
        pub sleeps: Vec<u64>,
    }

    impl Clock for ManualClock {
        fn now_ns(&mut self) -> u64 {
            self.now_ns += 10;
            self.now_ns
        }

        fn sleep_until(&mut self, wake_ns: u64) {
            self.sleeps.push(wake_ns);
            self.now_ns = self.now_ns.max(wake_ns) + self.oversleep_ns;
        }
    }

    fn waited(wait: DeadlineWait, oversleep_ns: u64, deadline_ns: u64) -> (u64, ManualClock) {
        let mut clock = ManualClock { oversleep_ns, ..ManualClock::default() };
        let now_ns = wait_until(&mut clock, deadline_ns, wait, &AtomicBool::new(false)).expect("not stopped");
        (now_ns, clock)
    }

    #[test]
    fn spinning_absorbs_an_oversleep_up_to_its_margin() {
        let (now_ns, clock) = waited(DeadlineWait::Spin, 50_000, 1_000_000);
        assert_eq!(clock.sleeps, [1_000_000 - SPIN_NS]);
        assert!((1_000_000..1_000_020).contains(&now_ns));
    }

    #[test]
    fn busy_never_sleeps() {
        let (now_ns, clock) = waited(DeadlineWait::Busy, 50_000, 100_000);
        assert!(clock.sleeps.is_empty());
        assert!((100_000..100_020).contains(&now_ns));
    }

    #[test]
    fn sleeping_only_is_as_late_as_the_kernel() {
        let (now_ns, clock) = waited(DeadlineWait::Sleep, 50_000, 1_000_000);
        assert_eq!(clock.sleeps, [1_000_000]);
        assert_eq!(now_ns, 1_050_010);
    }

    #[test]
    fn a_long_wait_looks_at_the_stop_flag_at_least_every_fifty_milliseconds() {
        let (_, clock) = waited(DeadlineWait::Sleep, 0, 1_000_000_000);
        let mut last_ns = 0;
        for wake_ns in clock.sleeps {
            assert!(wake_ns - last_ns <= STOP_CHECK_NS + 20);
            last_ns = wake_ns;
        }
        assert_eq!(last_ns, 1_000_000_000);
    }

    #[test]
    fn stop_ends_a_wait() {
        let stop = AtomicBool::new(true);
        assert_eq!(wait_until(&mut ManualClock::default(), u64::MAX, DeadlineWait::Spin, &stop), None);
    }

    #[test]
    fn the_real_clock_wakes_no_earlier_than_asked() {
        let deadline_ns = Monotonic.now_ns() + 2_000_000;
        let now_ns =
            wait_until(&mut Monotonic, deadline_ns, DeadlineWait::Sleep, &AtomicBool::new(false)).expect("not stopped");
        assert!(now_ns >= deadline_ns);
    }

    #[test]
    fn unix_offset_turns_monotonic_time_into_wall_time() {
        let unix_ns = Monotonic.now_ns() + unix_offset_ns();
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        assert!(u128::from(unix_ns).abs_diff(wall.as_nanos()) < 1_000_000_000);
    }
}
