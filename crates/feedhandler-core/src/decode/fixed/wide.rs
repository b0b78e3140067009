//! Rows in pieces of 64 bytes, for CPUs with AVX-512 VBMI: one instruction permutes all bytes of a usual message.
//!
//! Facts: nearly every row has at most 64 bytes, leading columns included; a message's type decides over nothing but
//! the permutation. Consequence: no branch depends on the type, and text loses its padding in the same register, by a
//! mask of the bytes that stay.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _bzhi_u64, _mm512_loadu_si512, _mm512_mask_permutexvar_epi8, _mm512_maskz_mov_epi8, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_test_epi8_mask,
};

use super::message::Mend;
use super::shuffle::{self, Move, ZERO};

/// Bytes moved at once.
const LANES: usize = 64;
/// Texts that lose their padding without asking how many there are.
const TEXTS: usize = 2;
/// Of a space and of a zero this leaves nothing, of every other byte something.
#[cfg(target_arch = "x86_64")]
const NOT_PADDING: i8 = !b' '.cast_signed();

/// How a row is made of a message.
#[derive(Clone, Debug)]
pub(in crate::decode) struct WideRow {
    /// The first 64 bytes: the leading columns are not of the message.
    first: WideMove,
    /// Bits of the first 64 bytes that are a text's; 0 where there are fewer texts.
    texts: [u64; TEXTS],
    more: Vec<WideMove>,
    /// What is to be done to the row then.
    pub mends: Vec<Mend>,
    /// Whether there is nothing but the first.
    #[cfg(target_arch = "x86_64")]
    is_one_move: bool,
}

/// A move of 64 bytes, aligned so that its permutation stands in one cache line.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct WideMove {
    permutation: [u8; LANES],
    /// Bytes that are of the message.
    moved: u64,
    from: usize,
    to: usize,
}

impl From<Move<LANES>> for WideMove {
    fn from(Move { from, to, mask }: Move<LANES>) -> Self {
        let moved = mask.iter().rev().fold(0, |moved, lane| moved << 1 | u64::from(*lane != ZERO));
        Self { permutation: mask, moved, from, to }
    }
}

impl WideRow {
    /// How the bytes that `sources` names become a row, and which of the mends are left to do.
    pub fn new(sources: &[Option<usize>], mends: &[Mend]) -> Self {
        let mut moves = shuffle::plan(sources, 0).into_iter().map(WideMove::from);
        let first = moves.next().expect("every row has leading columns");
        let more: Vec<_> = moves.collect();
        let end = more.first().map_or(LANES, |next| next.to);
        let mut row = Self {
            first,
            texts: [0; TEXTS],
            more,
            mends: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            is_one_move: false,
        };
        let mut texts = row.texts.iter_mut();
        for mend in mends {
            let text = match *mend {
                Mend::Strip { at, width } if at + width <= end => texts.next().map(|text| (text, at, width)),
                _ => None,
            };
            match text {
                Some((text, at, width)) => *text = (u64::MAX >> (LANES - width)) << at,
                None => row.mends.push(*mend),
            }
        }
        #[cfg(target_arch = "x86_64")]
        {
            row.is_one_move = row.more.is_empty() && mends.is_empty();
        }
        row
    }

    /// Whether the row is one move and nothing besides.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn is_one_move(&self) -> bool {
        self.is_one_move
    }

    /// Writes rows, one at least, that are one move and nothing besides.
    ///
    /// # Safety
    /// As [`WideRow::write`] for each of them, and they must be so.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub unsafe fn write_moves(
        &self,
        leading: __m512i,
        (from, from_step): (*const u8, usize),
        (to, to_step): (*mut u8, usize),
        rows: usize,
    ) {
        let (mut from, mut to, mut left) = (from, to, rows);
        loop {
            // SAFETY: the caller vouches for the memory and the CPU; no store here needs alignment.
            unsafe { _mm512_storeu_si512(to.cast(), self.first.permuted(leading, from)) };
            left -= 1;
            if left == 0 {
                return;
            }
            (from, to) = (from.wrapping_add(from_step), to.wrapping_add(to_step));
        }
    }

    /// Writes the row but for the mends.
    ///
    /// # Safety
    /// 64 bytes must be readable from every byte of the declared message at `from`; `to` must be a row with its slack; the
    /// CPU must have AVX-512 F, BW and VBMI, BMI2 and LZCNT.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub unsafe fn write(&self, leading: __m512i, from: *const u8, to: *mut u8) {
        // SAFETY: the caller vouches for the memory and the CPU; no load or store here needs alignment.
        unsafe {
            let row = self.first.permuted(leading, from);
            let characters = _mm512_test_epi8_mask(row, _mm512_set1_epi8(NOT_PADDING));
            let others = !(self.texts[0] | self.texts[1]);
            let kept = self.texts.iter().fold(others, |kept, text| kept | up_to_last(*text, characters));
            _mm512_storeu_si512(to.cast(), _mm512_maskz_mov_epi8(kept, row));
            for step in &self.more {
                _mm512_storeu_si512(to.add(step.to).cast(), step.permuted(_mm512_setzero_si512(), from));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl WideMove {
    /// The moved bytes, among `others`.
    ///
    /// # Safety
    /// As [`WideRow::write`].
    #[inline(always)]
    unsafe fn permuted(&self, others: __m512i, from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for the memory and the CPU; no load here needs alignment.
        unsafe {
            let message = _mm512_loadu_si512(from.add(self.from).cast());
            let permutation = _mm512_loadu_si512(self.permutation.as_ptr().cast());
            _mm512_mask_permutexvar_epi8(others, self.moved, permutation, message)
        }
    }
}

/// The bits of `text` up to the last of them that is set in `characters`.
///
/// # Safety
/// The CPU must have BMI2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn up_to_last(text: u64, characters: u64) -> u64 {
    let end = u64::BITS - (characters & text).leading_zeros();
    // SAFETY: the caller vouches for the CPU.
    unsafe { _bzhi_u64(text, end) }
}
