//! What measuring latency costs by itself.

use std::hint::black_box;
use std::time::Instant;

use super::{Latency, Stage};
use crate::clock::realtime_ns;

/// Turns that are timed together.
const TURNS: u32 = 100_000;
/// How often that is done; the least disturbed counts.
const TRIES: usize = 9;

/// Cost of one turn each, ns.
#[derive(Clone, Copy, Debug)]
pub struct Overhead {
    /// A turn of a loop that does nothing; it is part of the others.
    pub empty_ns: f64,
    /// A look at the clock.
    pub clock_ns: f64,
    /// All that is recorded of a datagram that comes by itself: five spans, as with [`Stage::Send`].
    pub record_ns: f64,
}

/// Measures what measuring costs, on this core now.
#[must_use]
pub fn overhead() -> Overhead {
    let mut latency = Latency::new(true);
    Overhead {
        empty_ns: cost_ns(|_| {}),
        clock_ns: cost_ns(|_| {
            black_box(realtime_ns());
        }),
        record_ns: cost_ns(|turn| record(&mut latency, black_box(u64::from(turn)))),
    }
}

/// Records spans that differ from turn to turn, as those of datagrams do.
#[inline]
fn record(latency: &mut Latency, turn: u64) {
    let [stamped, taken, decoded, handed] = [1_000, 3_000, 5_000, 9_000].map(|ns| ns + ns * (turn % 61));
    latency.record_n(Stage::Wire, stamped, taken, 1);
    latency.record_n(Stage::Decode, taken, decoded, 1);
    latency.record_n(Stage::Batch, decoded, handed, 1);
    latency.record_n(Stage::Total, stamped, handed, 1);
    latency.record(Stage::Send, stamped - 500, handed);
}

fn cost_ns(mut work: impl FnMut(u32)) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        let began = Instant::now();
        for turn in 0..TURNS {
            work(black_box(turn));
        }
        least = least.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(TURNS));
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cost_is_a_time() {
        let Overhead { empty_ns, clock_ns, record_ns } = overhead();
        assert!([empty_ns, clock_ns, record_ns].iter().all(|cost_ns| cost_ns.is_finite() && *cost_ns > 0.0));
    }
}
