//! When things happen: calm, and bursts in which they come eight times as fast as on average.

use crate::chance::Chance;

/// Messages after which a burst is over, and after which one begins, on average: a third of them come in bursts.
const BURST_MESSAGES: u32 = 100;
const CALM_MESSAGES: u32 = 200;
const TIMES_AS_FAST: u64 = 8;

/// See the module's documentation.
#[derive(Debug)]
pub struct Pulse {
    chance: Chance,
    mean_ns: u64,
    is_burst: bool,
}

impl Pulse {
    /// A message every `mean_ns` on average.
    #[must_use]
    pub fn new(seed: u64, mean_ns: u64) -> Self {
        Self { chance: Chance::new(seed), mean_ns, is_burst: false }
    }

    /// Time until the next message.
    #[inline]
    pub fn gap_ns(&mut self) -> u64 {
        let messages = if self.is_burst { BURST_MESSAGES } else { CALM_MESSAGES };
        self.is_burst ^= self.chance.is_one_in(messages);
        // A third of the gaps are an eighth; the others are longer by what those lack.
        let mean_ns = if self.is_burst { self.mean_ns / TIMES_AS_FAST } else { self.mean_ns * 23 / 16 };
        self.chance.wait_ns(mean_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_kept_and_bursts_are_denser() {
        let mut pulse = Pulse::new(1, 8_000);
        let gaps_ns: Vec<_> = (0..1_000_000).map(|_| pulse.gap_ns()).collect();
        let mean_ns = gaps_ns.iter().sum::<u64>() / 1_000_000;
        assert!(mean_ns.abs_diff(8_000) < 300, "{mean_ns}");
        let densest_ns = gaps_ns.chunks(50).map(|chunk| chunk.iter().sum::<u64>() / 50).min();
        assert!(densest_ns < Some(1_500), "{densest_ns:?}");
    }
}
