//! Seeded chance, in whole numbers only: the same numbers on every machine, whatever its mathematical library.

/// A sequence of numbers that its seed fixes: `SplitMix64` (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014), whose every output is a mix of a counter.
#[derive(Clone, Debug)]
pub struct Chance {
    counter: u64,
}

impl Chance {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { counter: seed }
    }

    /// 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.counter ^ (self.counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, and without, `bound`; 0 where that is 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// Whether something happens that does so once in `times`.
    #[inline]
    pub fn is_one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// How often a coin shows its head before its tail: 0 in half of the cases, 1 in a quarter, …
    #[inline]
    pub fn heads(&mut self) -> u32 {
        self.bits().trailing_zeros()
    }

    /// A time until something that happens every `mean_ns` on average and has no memory, up to 2^40.
    ///
    /// An exponential distribution whose logarithm is drawn with straight lines between powers of two: its mean is exact,
    /// and no library's logarithm can make it differ.
    #[inline]
    pub fn wait_ns(&mut self, mean_ns: u64) -> u64 {
        const FRACTION_BITS: u32 = 16;
        let bits = self.bits();
        let halvings = u64::from(bits.leading_zeros().min(40));
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        // Halvings are 1 and fractions ½ on average.
        (mean_ns * ((halvings << FRACTION_BITS) + fraction) * 2 / 3) >> FRACTION_BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_a_seed_never_changes() {
        let mut chance = Chance::new(1_234_567);
        let published = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(published, std::array::from_fn(|_| chance.bits()), "files of a seed would be others");
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut chance = Chance::new(1);
        let mut seen = [0_u32; 10];
        for _ in 0..100_000 {
            seen[chance.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|times| times.abs_diff(10_000) < 400), "{seen:?}");
        assert_eq!(chance.below(0), 0);
    }

    #[test]
    fn waiting_takes_what_it_should_on_average() {
        let mut chance = Chance::new(1);
        for mean_ns in [1_000, 1_000_000_000] {
            let total_ns: u64 = (0..100_000).map(|_| chance.wait_ns(mean_ns)).sum();
            let found_ns = total_ns / 100_000;
            assert!(found_ns.abs_diff(mean_ns) < mean_ns / 50, "{found_ns}");
        }
    }

    #[test]
    fn a_coin_is_fair() {
        let mut chance = Chance::new(2);
        let heads: u32 = (0..100_000).map(|_| chance.heads()).sum();
        assert!(heads.abs_diff(100_000) < 2_000, "{heads}");
    }
}
