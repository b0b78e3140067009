//! The random numbers of faults: each fault on each line has a sequence of its own.

use crate::chance::Chance as Numbers;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Chance(Numbers);

/// Keeps the sequences of neighbours apart.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    /// The sequence of one fault on one line.
    pub fn new(seed: u64, fault: usize, line: usize) -> Self {
        let mut numbers = Numbers::new(seed);
        for number in [fault, line] {
            numbers = Numbers::new(numbers.bits() ^ (number as u64).wrapping_mul(STEP));
        }
        Self(numbers)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0.bits()
    }

    /// True in a share `p` of all cases.
    pub fn happens(&mut self, p: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < p
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// An index below `end`; 0 where that is 0.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut chance = Chance(Numbers::new(0));
        assert_eq!([chance.next(), chance.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        let mut own = Chance::new(1, 2, 3);
        assert_eq!(own.next(), Chance::new(1, 2, 3).next());
        assert_ne!(own.next(), Chance::new(1, 3, 2).next());
    }

    #[test]
    fn shares_and_ranges_are_as_asked() {
        let mut chance = Chance::new(7, 0, 0);
        let hits = (0..100_000).filter(|_| chance.happens(0.25)).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| chance.below(3) < 3));
        assert_eq!((chance.below(0), chance.happens(0.0), chance.happens(1.0)), (0, false, true));
    }
}
