//! How long the value is that begins at each byte of a payload, if one does.
//!
//! Facts: where a value begins is known once the one before it has been looked at. A table asked by its first byte makes
//! eleven cycles a value of that, each waiting for the last; a branch is mispredicted whenever a price or a size changes
//! its width. Decision: the widths at all bytes are computed beforehand, many at a time, since that depends on nothing;
//! a step from value to value is then one load and one addition. Cost: most of them are never asked for.

use crate::padded::Padded;

/// Longest value that has a width here; a container's or a text's head counts as one byte.
pub(super) const MOST_VALUE_BYTES: usize = 9;

/// Memory for the widths of a payload, kept from packet to packet.
///
/// Invariant: no byte of it is greater than [`MOST_VALUE_BYTES`].
#[derive(Debug, Default)]
pub(in crate::decode) struct Widths(Vec<u8>);

/// Bytes that are measured at once.
const LANES: usize = 16;

impl Widths {
    /// The widths of the values at the bytes of `payload`, and `margin` more that mean nothing.
    pub fn measure(&mut self, payload: Padded<'_>, margin: usize) {
        let needed = payload.len().next_multiple_of(LANES) + margin;
        if self.0.len() < needed {
            self.0.resize(needed, 1);
        }
        let (firsts, _) = payload.slot().as_chunks();
        let (widths, _) = self.0.as_chunks_mut();
        let chunks = payload.len().div_ceil(LANES);
        measure(&firsts[..chunks], &mut widths[..chunks]);
    }

    /// The widths that were measured last, and as many more as there is memory for.
    pub fn all(&self) -> &[u8] {
        &self.0
    }
}

/// Measures with what the CPU has.
fn measure(firsts: &[[u8; LANES]], widths: &mut [[u8; LANES]]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("ssse3") {
        // SAFETY: the CPU has just been asked for SSSE3.
        return unsafe { measure_ssse3(firsts, widths) };
    }
    for (first, width) in firsts.as_flattened().iter().zip(widths.as_flattened_mut()) {
        *width = width_of(*first);
    }
}

/// The same, sixteen at once: a table of sixteen is asked by how far a byte is from float 32.
#[expect(clippy::cast_ptr_alignment, reason = "neither the load nor the store needs alignment")]
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn measure_ssse3(firsts: &[[u8; LANES]], widths: &mut [[u8; LANES]]) {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_adds_epu8, _mm_loadu_si128, _mm_set1_epi8, _mm_setr_epi8, _mm_shuffle_epi8,
        _mm_storeu_si128, _mm_sub_epi8,
    };
    let float_32 = _mm_set1_epi8(0xca_u8.cast_signed());
    // Distances from sixteen on get their highest bit, for which the shuffle gives zero.
    let beyond_table = _mm_set1_epi8(0x70);
    let numbers = _mm_setr_epi8(4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 0, 0, 0, 0, 0, 0);
    let one = _mm_set1_epi8(1);
    for (first, width) in firsts.iter().zip(widths) {
        // SAFETY: both are sixteen bytes, and neither the load nor the store needs alignment.
        unsafe {
            let distance = _mm_sub_epi8(_mm_loadu_si128(first.as_ptr().cast::<__m128i>()), float_32);
            let number = _mm_shuffle_epi8(numbers, _mm_adds_epu8(distance, beyond_table));
            _mm_storeu_si128(width.as_mut_ptr().cast::<__m128i>(), _mm_add_epi8(number, one));
        }
    }
}

/// The width of the number, nil or bool that begins with this byte.
///
/// From float 32 (0xca) to int 64 (0xd3) the last two bits say how often the number's one byte doubles.
#[inline(always)]
fn width_of(first: u8) -> u8 {
    let once = 1 + (first & 1);
    let number = if first & 2 == 0 { once } else { once << 2 };
    let has_number = (0xca..=0xd3).contains(&first);
    1 + if has_number { number } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msgpack::{Kind, Reader};

    fn widths(payload: &[u8]) -> Vec<u8> {
        let slot = [payload, &[0; 64]].concat();
        let mut widths = Widths::default();
        widths.measure(Padded::new(&slot, payload.len()), 0);
        widths.all()[..payload.len()].to_vec()
    }

    #[test]
    fn a_width_is_what_the_reader_reads() {
        for first in 0..=u8::MAX {
            let mut value = [0; MOST_VALUE_BYTES];
            value[0] = first;
            let mut reader = Reader::new(&value, 0, value.len());
            let head = reader.head().expect("nine bytes hold every head");
            if matches!(head.kind, Kind::Unsigned | Kind::Signed | Kind::Float | Kind::Nil | Kind::Bool) {
                assert_eq!(usize::from(widths(&value)[0]), head.bytes, "{first:#04x}");
            }
        }
    }

    #[test]
    fn every_implementation_gives_the_same_widths() {
        let every_byte: Vec<u8> = (0..=u8::MAX).collect();
        let one_by_one: Vec<u8> = every_byte.iter().map(|first| width_of(*first)).collect();
        assert_eq!(widths(&every_byte), one_by_one);
        assert_eq!(widths(&every_byte[..203]), one_by_one[..203]);
    }

    #[test]
    fn the_margin_holds_nothing_that_leads_astray() {
        let mut widths = Widths::default();
        let slot = [0xcf; 200];
        widths.measure(Padded::new(&slot, 100), 50);
        assert!(widths.all().len() >= 150);
        widths.measure(Padded::new(&slot, 0), 50);
        assert!(widths.all().iter().all(|width| usize::from(*width) <= MOST_VALUE_BYTES));
    }
}
