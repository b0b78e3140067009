//! Rows in pieces of 64 bytes, for CPUs with AVX-512 VBMI: one instruction permutes all bytes of a usual message.
//!
//! Facts: nearly every row has at most 64 bytes, leading columns included; a message's type decides over nothing but
//! the permutation; a text of up to eight bytes has a word of the row for itself ([`crate::layout`]). Consequence: no
//! branch depends on the type, and text loses its padding in the same register, word by word.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_loadu_si512, _mm512_lzcnt_epi64, _mm512_mask_permutexvar_epi8, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_srlv_epi64, _mm512_storeu_si512, _mm512_ternarylogic_epi64,
};

use std::ops::Range;

use super::message::Mend;
use super::shuffle::{self, Move, ZERO};

/// Bytes moved at once.
const LANES: usize = 64;
/// Bytes of a word, which is what texts are looked at by.
const WORD_BYTES: usize = 8;
/// Of a space and of a zero this leaves nothing, of every other byte something.
const NOT_PADDING: u8 = !b' ';

/// How a row is made of a message.
#[derive(Clone, Debug)]
pub(in crate::decode) struct WideRow {
    /// The first 64 bytes: the leading columns are not of the message.
    first: WideMove,
    texts: Texts,
    more: Vec<WideMove>,
    /// What is to be done to the row then.
    pub mends: Vec<Mend>,
    /// Whether there is nothing but the first, and it loads the message's first bytes.
    is_one_move: bool,
}

/// Which of the first 64 bytes are texts that lose their padding, at most one in each word.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Texts {
    /// [`NOT_PADDING`] for each of their bytes, 0 for all others.
    characters: [u8; LANES],
    /// 0 for each of their bytes, 255 for all others.
    others: [u8; LANES],
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
        let mut texts = Texts { characters: [0; LANES], others: [u8::MAX; LANES] };
        let is_left = |mend: &&Mend| !matches!(**mend, Mend::Strip { at, width } if texts.add(at..at + width, end));
        let left: Vec<_> = mends.iter().filter(is_left).copied().collect();
        Self { is_one_move: more.is_empty() && mends.is_empty() && first.from == 0, first, texts, more, mends: left }
    }

    /// Whether the row is one move of the message's first 64 bytes, and nothing besides.
    pub fn is_one_move(&self) -> bool {
        self.is_one_move
    }

    /// The one move that a row is.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F, CD and VBMI.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub unsafe fn one_move(&self) -> OneMove {
        // SAFETY: the caller vouches for the CPU; no load here needs alignment.
        let permutation = unsafe { _mm512_loadu_si512(self.first.permutation.as_ptr().cast()) };
        OneMove { permutation, moved: self.first.moved }
    }

    /// Writes the row but for the mends.
    ///
    /// # Safety
    /// 64 bytes must be readable from every byte of the declared message at `from`; `to` must be a row with its slack; the
    /// CPU must have AVX-512 F, CD and VBMI.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub unsafe fn write(&self, leading: __m512i, from: *const u8, to: *mut u8) {
        // SAFETY: the caller vouches for the memory and the CPU; no load or store here needs alignment.
        unsafe {
            let row = self.first.permuted(leading, from);
            _mm512_storeu_si512(to.cast(), self.texts.stripped(row));
            for step in &self.more {
                _mm512_storeu_si512(to.add(step.to).cast(), step.permuted(_mm512_setzero_si512(), from));
            }
        }
    }
}

/// A row that is [one move](WideRow::is_one_move), held in registers for many rows.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) struct OneMove {
    permutation: __m512i,
    /// Bytes that are of the message.
    moved: u64,
}

#[cfg(target_arch = "x86_64")]
impl OneMove {
    /// Writes a row.
    ///
    /// # Safety
    /// As [`WideRow::write`].
    #[inline(always)]
    pub unsafe fn write(self, leading: __m512i, from: *const u8, to: *mut u8) {
        // SAFETY: the caller vouches for the memory and the CPU; no load or store here needs alignment.
        unsafe {
            let message = _mm512_loadu_si512(from.cast());
            let row = _mm512_mask_permutexvar_epi8(leading, self.moved, self.permutation, message);
            _mm512_storeu_si512(to.cast(), row);
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

impl Texts {
    /// Takes the text at `place` in, if it ends by `end` and has a word for itself.
    fn add(&mut self, place: Range<usize>, end: usize) -> bool {
        let word = place.start / WORD_BYTES * WORD_BYTES;
        if place.end > end.min(word + WORD_BYTES) || self.characters[word..word + WORD_BYTES] != [0; WORD_BYTES] {
            return false;
        }
        self.characters[place.clone()].fill(NOT_PADDING);
        self.others[place].fill(0);
        true
    }

    /// The row, with zeros for the spaces and zeros at the end of each text.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F and CD.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn stripped(&self, row: __m512i) -> __m512i {
        /// Of a number of bits: those of its whole bytes.
        const WHOLE_BYTES: i64 = !7;
        /// `a & (b | c)`, bit by bit.
        const AND_OR: i32 = 0xe0;
        // SAFETY: the caller vouches for the CPU; no load here needs alignment.
        unsafe {
            let characters = _mm512_and_si512(row, _mm512_loadu_si512(self.characters.as_ptr().cast()));
            // A word's first byte is its lowest: what is not padding ends where the leading zeros begin.
            let unused_bits = _mm512_and_si512(_mm512_lzcnt_epi64(characters), _mm512_set1_epi64(WHOLE_BYTES));
            let used = _mm512_srlv_epi64(_mm512_set1_epi64(-1), unused_bits);
            _mm512_ternarylogic_epi64::<AND_OR>(row, used, _mm512_loadu_si512(self.others.as_ptr().cast()))
        }
    }
}
