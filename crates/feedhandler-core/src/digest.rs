//! A digest of what was delivered that does not depend on how it was delivered.
//!
//! Each message contributes XXH3-64 of its bytes with its sequence number as the seed, and the contributions are added
//! modulo 2^64. A sum does not depend on order, so batch size, speed, threads, and the way channels interleave leave it
//! unchanged, while one other byte, or the same message under another number, changes it. It guards against mistakes,
//! not against forgery. Where packets carry the number, a message's place in its packet is added to the seed's upper half.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A running digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Adds a message.
    #[inline]
    pub fn add(&mut self, seq: u64, place: u32, message: &[u8]) {
        let seed = seq ^ (u64::from(place) << 48);
        self.0 = self.0.wrapping_add(xxh3_64_with_seed(message, seed));
    }

    /// Adds all that another digest has seen.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// The digest as a number.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(messages: &[(u64, &[u8])]) -> Digest {
        let mut digest = Digest::default();
        for (seq, message) in messages {
            digest.add(*seq, 0, message);
        }
        digest
    }

    #[test]
    fn order_does_not_matter_but_number_and_bytes_do() {
        assert_eq!(of(&[(1, b"a"), (2, b"b")]), of(&[(2, b"b"), (1, b"a")]));
        assert_ne!(of(&[(1, b"a"), (2, b"b")]), of(&[(1, b"b"), (2, b"a")]));
        assert_ne!(of(&[(1, b"a")]), of(&[(1, b"A")]));
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let mut whole = of(&[(1, b"a")]);
        whole.merge(of(&[(2, b"b")]));
        assert_eq!(whole, of(&[(1, b"a"), (2, b"b")]));
    }
}
