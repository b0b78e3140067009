//! A digest of what was delivered that does not depend on how it was delivered.
//!
//! Each message contributes a hash of its bytes and its sequence number, and the contributions are added modulo 2^64. A
//! sum does not depend on order, so batch size, speed, threads, and the way channels interleave leave it unchanged, while
//! one other byte, or the same message under another number, changes it. It guards against mistakes, not against forgery.
//!
//! The hash is built as XXH3 builds its long one: each word, keyed, becomes the product of its halves, and is added to its
//! neighbour's lane as it is. Keys depend on the message's number and length; lanes are summed over all messages and
//! become one number at the end. Measured decision: XXH3-64 of each message goes another way for each range of lengths,
//! which in a feed of mixed types is mispredicted at every other message, and cost as much as writing its row.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _bzhi_u64, _mm512_add_epi64, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_mul_epu32,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_epi32, _mm512_srli_epi64, _mm512_storeu_si512,
    _mm512_xor_si512,
};

use serde::{Serialize, Serializer};

use crate::decode::Span;

/// A running digest: what was added is summed lane by lane, and becomes one number when it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Digest(Lanes);

/// Bytes that are hashed at once: most messages are no longer.
const STRIPE_BYTES: usize = 64;
const STRIPE_WORDS: usize = STRIPE_BYTES / size_of::<u64>();

/// Numbers without a pattern: the fractional parts of the square roots of the first primes.
const SECRET: [u64; STRIPE_WORDS] = [
    0x6a09_e667_f3bc_c909,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];
const NUMBER_FACTOR: u64 = 0xcbbb_9d5d_c105_9ed9;
const LENGTH_FACTOR: u64 = 0x629a_292a_367c_d507;
const STRIPE_FACTOR: u64 = 0x9159_015a_3070_dd17;
/// By which lanes become one number: odd, so that nothing of a lane is lost, and none a small multiple of another.
const LANE_FACTORS: Lanes = [
    0x152f_ecd8_f70e_5939,
    0x6733_2667_ffc0_0b31,
    0x8eb4_4a87_6858_1511,
    0xdb0c_2e0d_64f9_8fa7,
    0x47b5_481d_befa_4fa5,
    0xae5f_9156_e7b6_d99b,
    0xcf6c_85d3_9d1a_1e15,
    0x2f73_477d_6a45_63cb,
];

/// Sums of all stripes, word by word.
type Lanes = [u64; STRIPE_WORDS];

impl Digest {
    /// Adds the messages that stand at `spans` of `slot`; `number` says which number the one at an index has.
    ///
    /// # Panics
    /// When a message is not within the slot.
    #[inline]
    pub fn add(&mut self, slot: &[u8], spans: &[Span], number: impl Fn(u64) -> u64) {
        #[cfg(target_arch = "x86_64")]
        if Wide::is_possible() {
            // SAFETY: the CPU has just been asked.
            return unsafe { self.add_wide(slot, spans, number) };
        }
        // SAFETY: every CPU can do it.
        unsafe { self.add_by::<Plain>(slot, spans, number) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,bmi2")]
    fn add_wide(&mut self, slot: &[u8], spans: &[Span], number: impl Fn(u64) -> u64) {
        // SAFETY: the caller vouches for the CPU.
        unsafe { self.add_by::<Wide>(slot, spans, number) }
    }

    /// # Safety
    /// The CPU must have what `S` uses.
    #[inline(always)]
    unsafe fn add_by<S: Sum>(&mut self, slot: &[u8], spans: &[Span], number: impl Fn(u64) -> u64) {
        // SAFETY: the caller vouches for the CPU.
        let sum = unsafe {
            let mut sum = S::new();
            for (span, index) in spans.iter().zip(0..) {
                sum.add(span.of(slot), number(index));
            }
            sum
        };
        // SAFETY: the caller vouches for the CPU.
        self.merge(&unsafe { sum.digest() });
    }

    /// Adds all that another digest has seen.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_add(other);
        }
    }

    /// The digest as a number.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.iter().zip(LANE_FACTORS).map(|(lane, factor)| lane.wrapping_mul(factor)).fold(0, u64::wrapping_add)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Digest {}

/// A digest that is being made.
pub trait Sum {
    /// Of nothing yet.
    ///
    /// # Safety
    /// The CPU must have what the implementation uses.
    unsafe fn new() -> Self;

    /// Adds a message under its number.
    ///
    /// # Safety
    /// As [`Sum::new`].
    unsafe fn add(&mut self, message: &[u8], number: u64);

    /// What was added.
    ///
    /// # Safety
    /// As [`Sum::new`].
    unsafe fn digest(self) -> Digest;
}

/// As every CPU can.
pub struct Plain(Lanes);

impl Sum for Plain {
    #[inline(always)]
    unsafe fn new() -> Self {
        Self([0; STRIPE_WORDS])
    }

    #[inline(always)]
    unsafe fn add(&mut self, message: &[u8], number: u64) {
        let key = key_of(number, message.len());
        for (stripe, stripe_key) in stripes(message).zip(stripe_keys(key)) {
            add_stripe(&mut self.0, stripe, stripe_key);
        }
    }

    unsafe fn digest(self) -> Digest {
        Digest(self.0)
    }
}

/// With a register for the lanes; of a load only the message's bytes are looked at. Needs AVX-512 F and BW, and BMI2.
#[cfg(target_arch = "x86_64")]
pub struct Wide(__m512i);

#[cfg(target_arch = "x86_64")]
impl Wide {
    /// Whether the CPU has what it takes.
    #[must_use]
    pub fn is_possible() -> bool {
        is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("bmi2")
    }

    /// Adds at most 64 bytes.
    ///
    /// # Safety
    /// The CPU must have what it takes.
    #[inline(always)]
    unsafe fn add_stripe(&mut self, stripe: &[u8], key: u64) {
        #[expect(clippy::cast_possible_truncation, reason = "a stripe has at most 64 bytes")]
        let bytes = stripe.len() as u32;
        // SAFETY: only bytes of the stripe are loaded, and the secret has 64; the caller vouches for the CPU.
        unsafe {
            let words = _mm512_maskz_loadu_epi8(_bzhi_u64(u64::MAX, bytes), stripe.as_ptr().cast());
            let secret = _mm512_loadu_si512(SECRET.as_ptr().cast());
            let keyed = _mm512_xor_si512(words, _mm512_xor_si512(secret, _mm512_set1_epi64(key.cast_signed())));
            let products = _mm512_mul_epu32(keyed, _mm512_srli_epi64::<32>(keyed));
            let across = _mm512_shuffle_epi32::<0b01_00_11_10>(words);
            self.0 = _mm512_add_epi64(self.0, _mm512_add_epi64(products, across));
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Sum for Wide {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: the caller vouches for the CPU.
        Self(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    unsafe fn add(&mut self, message: &[u8], number: u64) {
        let key = key_of(number, message.len());
        let (first, rest) = message.split_at(message.len().min(STRIPE_BYTES));
        // SAFETY: the caller vouches for the CPU.
        unsafe { self.add_stripe(first, key) };
        if rest.is_empty() {
            return; // most messages end here, and a loop would look twice
        }
        for (stripe, stripe_key) in rest.chunks(STRIPE_BYTES).zip(stripe_keys(key).skip(1)) {
            // SAFETY: the caller vouches for the CPU.
            unsafe { self.add_stripe(stripe, stripe_key) };
        }
    }

    unsafe fn digest(self) -> Digest {
        let mut lanes = [0_u64; STRIPE_WORDS];
        // SAFETY: the lanes have 64 bytes; the caller vouches for the CPU.
        unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), self.0) };
        Digest(lanes)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.value())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[inline(always)]
fn key_of(number: u64, len: usize) -> u64 {
    number.wrapping_mul(NUMBER_FACTOR) ^ (len as u64).wrapping_mul(LENGTH_FACTOR)
}

/// The stripes of a message: one at least, which may be empty.
fn stripes(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = message.split_at(message.len().min(STRIPE_BYTES));
    std::iter::once(first).chain(rest.chunks(STRIPE_BYTES))
}

/// The keys of a message's stripes, the first being the message's.
#[inline(always)]
fn stripe_keys(key: u64) -> impl Iterator<Item = u64> {
    (0_u64..).map(move |stripe| key.wrapping_add(stripe.wrapping_mul(STRIPE_FACTOR)))
}

/// Adds at most 64 bytes, and zeros for those that are missing.
#[inline]
fn add_stripe(lanes: &mut Lanes, stripe: &[u8], key: u64) {
    let mut bytes = [0; STRIPE_BYTES];
    bytes[..stripe.len()].copy_from_slice(stripe);
    let words: Lanes = std::array::from_fn(|word| u64::from_le_bytes(bytes.as_chunks().0[word]));
    for (word, lane) in lanes.iter_mut().enumerate() {
        let keyed = words[word] ^ SECRET[word] ^ key;
        let product = (keyed & 0xffff_ffff) * (keyed >> 32);
        *lane = lane.wrapping_add(product).wrapping_add(words[word ^ 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(messages: &[(u64, &[u8])]) -> Digest {
        let mut digest = Digest::default();
        for (number, message) in messages {
            digest.add(message, &[Span::new(0, message.len())], |_| *number);
        }
        digest
    }

    /// The contribution of one message, word by word.
    fn by_definition(number: u64, message: &[u8]) -> u64 {
        let mut bytes = message.to_vec();
        bytes.resize(message.len().max(1).next_multiple_of(STRIPE_BYTES), 0);
        let key = number.wrapping_mul(NUMBER_FACTOR) ^ (message.len() as u64).wrapping_mul(LENGTH_FACTOR);
        let contribution = |(index, word): (usize, &[u8; 8])| {
            let (lane, stripe, word) = (index % 8, (index / 8) as u64, u64::from_le_bytes(*word));
            let keyed = word ^ SECRET[lane] ^ key.wrapping_add(stripe.wrapping_mul(STRIPE_FACTOR));
            let product = (keyed % (1 << 32)) * (keyed / (1 << 32));
            product.wrapping_mul(LANE_FACTORS[lane]).wrapping_add(word.wrapping_mul(LANE_FACTORS[lane ^ 1]))
        };
        bytes.as_chunks().0.iter().enumerate().map(contribution).fold(0, u64::wrapping_add)
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
        whole.merge(&of(&[(2, b"b")]));
        assert_eq!(whole, of(&[(1, b"a"), (2, b"b")]));
    }

    proptest! {
        #[test]
        fn every_implementation_gives_the_same(message in prop::collection::vec(any::<u8>(), 0..200), number: u64,
                                               before in prop::collection::vec(any::<u8>(), 0..9),
                                               behind in prop::collection::vec(any::<u8>(), 0..200)) {
            let slot = [&before[..], &message, &behind].concat();
            let mut digest = Digest::default();
            digest.add(&slot, &[Span::new(before.len(), before.len() + message.len())], |_| number);
            prop_assert_eq!(digest.value(), by_definition(number, &message));
            prop_assert_eq!(of(&[(number, &message)]).value(), by_definition(number, &message));
        }

        #[test]
        fn one_other_byte_changes_it(message in prop::collection::vec(any::<u8>(), 1..200), number: u64,
                                     index: prop::sample::Index, change in 1_u8..) {
            let mut other = message.clone();
            other[index.index(message.len())] ^= change;
            prop_assert_ne!(of(&[(number, &message)]), of(&[(number, &other)]));
        }

        #[test]
        fn zeros_at_the_end_are_not_nothing(message in prop::collection::vec(any::<u8>(), 0..200), number: u64) {
            prop_assert_ne!(of(&[(number, &message)]), of(&[(number, &[&message[..], &[0]].concat())]));
        }
    }
}
