//! A message with fixed fields becomes a row by moving bytes: the byte permutation, in pieces of sixteen.
//!
//! Facts: swapping byte order, widening an unsigned integer, copying text and aligning columns all only move bytes and
//! put zeros between them; fields stand in the row in the order of the wire, so sixteen bytes of a row come from at
//! most sixteen neighbouring bytes of the message. Consequence: one load, one `pshufb` and one store make sixteen
//! bytes of a row, whatever the fields are. Cost: up to fifteen bytes are read and written beyond the end; `Padded`
//! and `Rows` have the slack for it.

/// Bytes moved at once.
pub const LANES: usize = 16;

/// In a mask: this byte of the row is zero.
pub const ZERO: u8 = 0x80;

/// Neighbouring bytes of a row and where they come from: sixteen, or as many as a wider permutation takes.
#[derive(Clone, Copy, Debug)]
pub struct Move<const LANES: usize> {
    /// Offset in the message of the first byte that is loaded.
    pub from: usize,
    /// Offset in the row of the first byte that is stored.
    pub to: usize,
    /// For each byte of the row: which of the loaded bytes, or [`ZERO`].
    pub mask: [u8; LANES],
}

/// Plans the moves for the bytes `start..sources.len()` of a row, where `sources[i]` says which byte of the message
/// becomes byte `i` of the row (none: zero).
#[must_use]
pub fn plan<const LANES: usize>(sources: &[Option<usize>], start: usize) -> Vec<Move<LANES>> {
    let mut moves = Vec::new();
    let mut to = start;
    while to < sources.len() {
        let piece = longest_piece::<LANES>(&sources[to..]);
        moves.push(one_move(&sources[to..to + piece], to));
        to += piece;
    }
    moves
}

/// How many of the first bytes come from a window that is loaded at once.
fn longest_piece<const LANES: usize>(sources: &[Option<usize>]) -> usize {
    let (mut low, mut high) = (usize::MAX, 0);
    for (index, source) in sources.iter().enumerate().take(LANES) {
        if let Some(source) = *source {
            (low, high) = (low.min(source), high.max(source));
        }
        if low <= high && high - low >= LANES {
            return index;
        }
    }
    sources.len().min(LANES)
}

fn one_move<const LANES: usize>(sources: &[Option<usize>], to: usize) -> Move<LANES> {
    let from = sources.iter().flatten().copied().min().unwrap_or(0);
    let mut mask = [ZERO; LANES];
    for (lane, source) in mask.iter_mut().zip(sources) {
        if let Some(source) = *source {
            *lane = u8::try_from(source - from).expect("a piece comes from the window that is loaded");
        }
    }
    Move { from, to, mask }
}

/// A way to carry out moves. All give the same bytes.
pub trait Shuffle {
    /// Loads sixteen bytes at `from`, permutes them by `mask`, stores them at `to`.
    ///
    /// # Safety
    /// Sixteen bytes must be readable at `from` and writable at `to`, and the CPU must have what the implementation uses.
    unsafe fn shuffle(from: *const u8, to: *mut u8, mask: &[u8; LANES]);
}

/// One byte after the other, on every CPU.
pub struct Portable;

impl Shuffle for Portable {
    #[inline(always)]
    unsafe fn shuffle(from: *const u8, to: *mut u8, mask: &[u8; LANES]) {
        let mut row = [0; LANES];
        // SAFETY: the caller vouches for sixteen readable bytes.
        let message = unsafe { from.cast::<[u8; LANES]>().read_unaligned() };
        for (byte, &lane) in row.iter_mut().zip(mask) {
            *byte = if lane == ZERO { 0 } else { message[usize::from(lane) % LANES] };
        }
        // SAFETY: the caller vouches for sixteen writable bytes.
        unsafe { to.cast::<[u8; LANES]>().write_unaligned(row) };
    }
}

/// `pshufb`: sixteen bytes in one instruction.
#[cfg(target_arch = "x86_64")]
pub struct Ssse3;

#[cfg(target_arch = "x86_64")]
impl Shuffle for Ssse3 {
    #[inline(always)]
    #[expect(clippy::cast_ptr_alignment, reason = "these loads and stores need no alignment")]
    unsafe fn shuffle(from: *const u8, to: *mut u8, mask: &[u8; LANES]) {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_shuffle_epi8, _mm_storeu_si128};
        // SAFETY: the caller vouches for the memory and for SSSE3; the loads and the store need no alignment.
        unsafe {
            let message = _mm_loadu_si128(from.cast::<__m128i>());
            let mask = _mm_loadu_si128(mask.as_ptr().cast::<__m128i>());
            _mm_storeu_si128(to.cast::<__m128i>(), _mm_shuffle_epi8(message, mask));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The row by the definition of `sources`.
    fn oracle(message: &[u8], sources: &[Option<usize>], start: usize) -> Vec<u8> {
        sources[start..].iter().map(|s| s.map_or(0, |s| message[s])).collect()
    }

    fn carry_out<S: Shuffle>(message: &[u8], sources: &[Option<usize>], start: usize) -> Vec<u8> {
        let padded = [message, &[0xEE; LANES]].concat();
        let mut row = vec![0xDD; sources.len() + LANES];
        for step in plan::<LANES>(sources, start) {
            // SAFETY: both vectors are sixteen bytes longer than the largest offset.
            unsafe { S::shuffle(padded.as_ptr().add(step.from), row.as_mut_ptr().add(step.to), &step.mask) };
        }
        row[start..sources.len()].to_vec()
    }

    proptest! {
        #[test]
        fn every_implementation_moves_the_planned_bytes(
            message in prop::collection::vec(any::<u8>(), 1..80),
            picks in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 18..120),
        ) {
            let sources: Vec<_> = picks.iter().map(|pick| pick.map(|i| i.index(message.len()))).collect();
            let expected = oracle(&message, &sources, 18);
            prop_assert_eq!(&carry_out::<Portable>(&message, &sources, 18), &expected);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("ssse3") {
                prop_assert_eq!(&carry_out::<Ssse3>(&message, &sources, 18), &expected);
            }
        }
    }
}
