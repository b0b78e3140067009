//! The wall clock, as the kernel's receive stamps tell it.

use std::time::{SystemTime, UNIX_EPOCH};

/// `CLOCK_REALTIME` in nanoseconds since 1970: the clock that kernel stamps are made of.
///
/// 0 before 1970. It may step back when the system's time is set.
#[must_use]
pub fn realtime_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos()))
}
