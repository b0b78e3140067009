//! A flat message in registers of 64 bytes, for CPUs with AVX-512 VBMI: no value waits for the one before it.
//!
//! Facts: where a value begins is known once all before it have been measured, and a chain of seven loads takes as long as
//! everything else. Decision: all 64 bytes say at once where a value that began there would end. That map, applied to
//! itself, tells where two values end, and four, and eight; so where the one at any index ends is known after as many
//! steps as its number has bits, those of a second message as well. All bytes of a row are then fetched by one
//! permutation. Consequence: no branch depends on a number's width. Cost: a message of 64 bytes or more, a negative number,
//! or nil goes another way.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi8, _mm512_add_epi8, _mm512_bslli_epi128,
    _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_loadu_si512,
    _mm512_mask_cmpge_epi8_mask, _mm512_mask_permutexvar_epi8, _mm512_min_epi8, _mm512_movepi8_mask,
    _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_storeu_si512,
    _mm512_sub_epi8, _mm512_test_epi8_mask,
};

use super::lanes::{ELEMENT_LANES, LANES};
#[cfg(target_arch = "x86_64")]
use super::lanes::{ends, quarter};
use super::leaf::{Leaf, Store};

/// First bytes of a float 64, and of the shortest number that stands behind its first byte.
const FLOAT_64: u8 = 0xcb;
const UINT_8: u8 = 0xcc;

/// How the row of a flat message is fetched.
#[derive(Debug)]
pub(super) struct Wide {
    /// By element, the first byte of the kind of its shortest number that is not its own first byte.
    shortest: [u8; ELEMENT_LANES],
    /// By element, how far from that the first byte of its longest number is.
    kinds: [u8; ELEMENT_LANES],
    /// The last lane of the first message, and of the second.
    last: [u8; ELEMENT_LANES],
    /// Lanes in which a small number may be its own first byte.
    small: u64,
    /// Those whose highest bit is a sign.
    signed: u64,
    /// Lanes of the first message.
    first: u64,
    /// Those of the second; all where there is none.
    second: u64,
    /// The message's elements: by how many lanes those of the second are behind those of the first.
    elements: u8,
    piece: Piece,
    more: Box<[Piece]>,
}

/// 64 bytes of the row.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Piece {
    /// By byte of the row, the lane of its column.
    column: [u8; LANES],
    /// By byte of the row, which of its column's it is, from the least on.
    byte: [u8; LANES],
    /// Bytes of the row that are a column's.
    used: u64,
}

/// Where the messages end whose rows were written, counted from the first one's beginning.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    /// 0 where another way has to look at the first.
    pub first: usize,
    /// 0 where there is none, or it has to be looked at by itself.
    pub second: usize,
}

impl Wide {
    /// For the message that begins with `head` and has these columns, and whose row has so many bytes; none where the CPU
    /// has not what it takes, or a column is of another kind.
    pub fn new(head: u8, columns: &[Leaf], row_bytes: usize) -> Option<Self> {
        let elements = u8::try_from(columns.len() + 1).ok()?;
        let messages = ELEMENT_LANES / usize::from(elements);
        if !is_possible() || messages == 0 {
            return None;
        }
        let mut pieces = (0..row_bytes.div_ceil(LANES)).map(|_| Piece::default());
        let mut wide = Self {
            shortest: [0; ELEMENT_LANES],
            kinds: [0; ELEMENT_LANES],
            last: [0; ELEMENT_LANES],
            small: 0,
            signed: 0,
            first: 0,
            second: u64::MAX,
            elements,
            piece: pieces.next()?,
            more: pieces.collect(),
        };
        wide.first = wide.add_message(head, columns, 0, 0)?;
        if messages > 1 {
            wide.second = wide.add_message(head, columns, 1, elements)?;
        }
        for (leaf, lane) in columns.iter().zip(1..) {
            wide.place(leaf, lane)?;
        }
        Some(wide)
    }

    /// Says what the values from `lane` on may be; returns their lanes.
    fn add_message(&mut self, head: u8, columns: &[Leaf], message: usize, lane: u8) -> Option<u64> {
        self.shortest[usize::from(lane)] = head;
        let (mut lanes, mut last) = (1 << lane, lane);
        for (leaf, lane) in columns.iter().zip(lane + 1..) {
            let (shortest, bytes) = number(leaf)?;
            self.shortest[usize::from(lane)] = shortest;
            if shortest == UINT_8 {
                self.kinds[usize::from(lane)] = u8::try_from(bytes.ilog2()).ok()?;
                self.small |= 1 << lane;
            }
            if let Store::Int { .. } = leaf.store {
                self.signed |= 1 << lane;
            }
            lanes |= 1 << lane;
            last = lane;
        }
        self.last[message] = last;
        Some(lanes)
    }

    /// Says which bytes of the row are of the value in `lane`.
    fn place(&mut self, leaf: &Leaf, lane: u8) -> Option<()> {
        let (_, bytes) = number(leaf)?;
        for (at, byte) in (leaf.to..leaf.to + bytes).zip(0..) {
            let piece = match (at / LANES).checked_sub(1) {
                None => &mut self.piece,
                Some(index) => self.more.get_mut(index)?,
            };
            piece.column[at % LANES] = lane;
            piece.byte[at % LANES] = byte;
            piece.used |= 1 << (at % LANES);
        }
        Some(())
    }

    /// Writes the row of the message at `from`, and if `BOTH` also that of one behind it, and says where they end. What
    /// type the second is of is to be looked at before its row is used.
    ///
    /// # Safety
    /// [`LANES`] bytes must be readable at `from`; `rows` must be rows of the message's table, with slack, two if `BOTH`;
    /// the CPU must have AVX-512 F, BW and VBMI.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub unsafe fn write<const BOTH: bool>(&self, leading: [__m512i; 2], from: *const u8, rows: [*mut u8; 2]) -> Ends {
        // SAFETY: the caller vouches for the memory and the CPU; no load or store here needs alignment.
        unsafe {
            let message = _mm512_loadu_si512(from.cast());
            let ends = ends(message);
            let begins = _mm512_bslli_epi128::<1>(ends);
            let unusual = self.unusual(message, begins, ends);
            if unusual & self.first != 0 {
                return Ends { first: 0, second: 0 };
            }
            // A small number is its own first byte; others stand behind it.
            let lasts = _mm512_sub_epi8(ends, _mm512_set1_epi8(1));
            let numbers = _mm512_min_epi8(_mm512_add_epi8(begins, _mm512_set1_epi8(1)), lasts);
            self.write_row(message, numbers, lasts, 0, leading[0], rows[0]);
            let shown = _mm_loadu_si128(self.last.as_ptr().cast());
            let [first, second, ..] =
                _mm_cvtsi128_si32(_mm_shuffle_epi8(_mm512_castsi512_si128(ends), shown)).to_le_bytes();
            if !BOTH || unusual & self.second != 0 {
                return Ends { first: first.into(), second: 0 };
            }
            self.write_row(message, numbers, lasts, self.elements, leading[1], rows[1]);
            Ends { first: first.into(), second: second.into() }
        }
    }

    /// Lanes whose value is none that can be fetched.
    ///
    /// # Safety
    /// As [`Wide::write`].
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn unusual(&self, message: __m512i, begins: __m512i, ends: __m512i) -> u64 {
        // SAFETY: the caller vouches for the CPU.
        unsafe {
            let firsts = _mm512_permutexvar_epi8(begins, message);
            let seconds = _mm512_permutexvar_epi8(_mm512_add_epi8(begins, _mm512_set1_epi8(1)), message);
            let (shortest, kinds) = (quarter(&self.shortest), quarter(&self.kinds));
            let kind = _mm512_sub_epi8(firsts, shortest);
            let is_small = !_mm512_movepi8_mask(firsts) & self.small;
            let is_usual = _mm512_cmple_epu8_mask(kind, kinds) | is_small;
            let is_longest = _mm512_cmpeq_epi8_mask(kind, kinds);
            let is_too_great = is_longest & _mm512_movepi8_mask(seconds) & self.signed;
            let is_outside = _mm512_test_epi8_mask(ends, _mm512_set1_epi8(!63));
            !is_usual | is_too_great | is_outside
        }
    }

    /// Writes the row of the message whose elements are so many lanes behind those of the first.
    ///
    /// # Safety
    /// As [`Wide::write`].
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn write_row(
        &self,
        message: __m512i,
        numbers: __m512i,
        lasts: __m512i,
        behind: u8,
        leading: __m512i,
        row: *mut u8,
    ) {
        // SAFETY: the caller vouches for all of it.
        unsafe {
            self.piece.write(message, numbers, lasts, behind, leading, row);
            for (piece, index) in self.more.iter().zip(1..) {
                piece.write(message, numbers, lasts, behind, _mm512_setzero_si512(), row.add(index * LANES));
            }
        }
    }
}

impl Default for Piece {
    fn default() -> Self {
        Self { column: [0; LANES], byte: [0; LANES], used: 0 }
    }
}

#[cfg(target_arch = "x86_64")]
impl Piece {
    /// Writes these bytes of the row of the message whose elements are so many lanes behind those of the first, among
    /// `others`.
    ///
    /// # Safety
    /// As [`Wide::write`].
    #[inline(always)]
    unsafe fn write(
        &self,
        message: __m512i,
        numbers: __m512i,
        lasts: __m512i,
        behind: u8,
        others: __m512i,
        to: *mut u8,
    ) {
        // SAFETY: the caller vouches for the memory and the CPU.
        unsafe {
            let column = _mm512_loadu_si512(self.column.as_ptr().cast());
            let column = _mm512_add_epi8(column, _mm512_set1_epi8(behind.cast_signed()));
            let byte = _mm512_loadu_si512(self.byte.as_ptr().cast());
            let source = _mm512_sub_epi8(_mm512_shuffle_epi8(lasts, column), byte);
            let sent = _mm512_mask_cmpge_epi8_mask(self.used, source, _mm512_shuffle_epi8(numbers, column));
            let bytes = _mm512_mask_permutexvar_epi8(others, sent, source, message);
            _mm512_storeu_si512(to.cast(), bytes);
        }
    }
}

/// First byte of the column's shortest number that is not its own first byte, and the column's width.
fn number(leaf: &Leaf) -> Option<(u8, usize)> {
    match leaf.store {
        Store::Uint { bytes, .. } | Store::Int { bytes, .. } => Some((UINT_8, bytes)),
        Store::Float64 => Some((FLOAT_64, size_of::<f64>())),
        Store::Float32 | Store::Bool | Store::Str { .. } | Store::Bin { .. } | Store::Timestamp => None,
    }
}

#[cfg(target_arch = "x86_64")]
fn is_possible() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_possible() -> bool {
    false
}
