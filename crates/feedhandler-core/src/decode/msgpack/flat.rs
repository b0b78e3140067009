//! Messages that are one array of numbers: the short way to decode them.
//!
//! The long way ([`super::tree`]) says what every value means and what is wrong with it; this one gives the same row or
//! gives up. It is there because most of a feed is such messages.

use super::leaf::{Leaf, Store};
use super::wide::Wide;
use super::widths::MOST_VALUE_BYTES;
use crate::layout::LEADING_WORDS;
use crate::msgpack::Reader;

/// First byte of an array of fewer than sixteen elements, but for their number.
const FIXARRAY: u8 = 0x90;
const MOST_COLUMNS: usize = 15;
/// Bytes of the longest message that goes the short way.
pub(super) const MOST_FLAT_BYTES: usize = 1 + MOST_COLUMNS * MOST_VALUE_BYTES;
const WORD_BYTES: usize = size_of::<u64>();

/// A message whose elements are its columns, in their order.
///
/// Invariant: eight bytes written at each column, in order and behind the leading words, cover the row and end less
/// than eight bytes behind it.
#[derive(Debug)]
pub(super) struct Flat {
    /// First byte of the message.
    pub head: u8,
    /// Bytes that it has at most.
    pub most_bytes: usize,
    columns: Box<[Column]>,
    /// All columns at once, where the CPU can.
    pub wide: Option<Wide>,
}

/// A column, and what makes a value a usual one.
#[derive(Clone, Copy, Debug)]
struct Column {
    /// Where it stands in the row.
    to: usize,
    /// By a value's first byte: the right shift that leaves its number alone in eight bytes, or [`UNUSUAL`].
    shifts: &'static [u8; 256],
    /// Bits that no number of the column has.
    outside: u64,
    /// How an unusual value is written: to the beginning of a column of its own, which holds `null` before.
    leaf: Leaf,
    null: [u8; WORD_BYTES],
}

const UNUSUAL: u8 = 0xff;

/// Positive fixint, and uint 8 to 64.
static UNSIGNED: [u8; 256] =
    shifts(&[(0x00, 0x7f, 56), (0xcc, 0xcc, 56), (0xcd, 0xcd, 48), (0xce, 0xce, 32), (0xcf, 0xcf, 0)]);
/// float 64.
static DOUBLE: [u8; 256] = shifts(&[(0xcb, 0xcb, 0)]);
static NOTHING: [u8; 256] = shifts(&[]);

/// A table of the shifts of some ranges of first bytes.
const fn shifts(ranges: &[(usize, usize, u8)]) -> [u8; 256] {
    let mut table = [UNUSUAL; 256];
    let mut index = 0;
    while index < ranges.len() {
        let (mut first, last, shift) = ranges[index];
        while first <= last {
            table[first] = shift;
            first += 1;
        }
        index += 1;
    }
    table
}

impl Flat {
    /// The short way for a message with these elements, where it has one; `blank` is its row without values.
    pub fn new(elements: &[Leaf], blank: &[u8]) -> Option<Self> {
        let head = FIXARRAY | u8::try_from(elements.len()).ok().filter(|len| usize::from(*len) <= MOST_COLUMNS)?;
        let columns: Box<[_]> = elements.iter().map(|leaf| Column::new(*leaf, blank)).collect::<Option<_>>()?;
        let ends = columns.iter().map(|column| column.to + WORD_BYTES);
        let covered = std::iter::once(LEADING_WORDS * WORD_BYTES).chain(ends);
        let has_gap = covered.clone().zip(&columns).any(|(covered, column)| column.to > covered);
        let is_in_order = columns.is_sorted_by_key(|column| column.to);
        let covers_row = covered.last().is_some_and(|covered| covered >= blank.len());
        let most_bytes = 1 + columns.len() * MOST_VALUE_BYTES;
        let wide = Wide::new(head, elements, blank.len());
        (is_in_order && !has_gap && covers_row).then_some(Self { head, most_bytes, columns, wide })
    }

    /// Writes the row of the message at `from` but for its leading columns, and says how long the message is; none where
    /// the long way has to look at it.
    ///
    /// # Safety
    /// [`Flat::most_bytes`] must be readable at `from` and at `widths`, which holds the widths of the values there; `row`
    /// must be a row of the message's table, with slack.
    #[inline(always)]
    pub unsafe fn write(&self, from: *const u8, widths: *const u8, row: *mut u8) -> Option<usize> {
        let (mut at, mut faults) = (1, 0);
        for column in &self.columns {
            // SAFETY: the head and the values before this one leave at least nine readable bytes.
            let (number, fault) = unsafe { column.number(from.add(at)) };
            // SAFETY: eight bytes at a column end less than eight behind the row (invariant).
            unsafe { row.add(column.to).cast::<[u8; WORD_BYTES]>().write(number.to_le_bytes()) };
            // SAFETY: widths are readable where the message is.
            at += usize::from(unsafe { *widths.add(at) });
            faults |= fault;
        }
        (faults == 0).then_some(at)
    }
}

impl Column {
    fn new(leaf: Leaf, blank: &[u8]) -> Option<Self> {
        let (shifts, outside, bytes) = match leaf.store {
            Store::Uint { bytes, bits } => (&UNSIGNED, u64::MAX.checked_shl(bits).unwrap_or(0), bytes),
            Store::Int { bytes, bits } => (&UNSIGNED, u64::MAX << (bits - 1), bytes),
            Store::Float64 => (&DOUBLE, 0, 8),
            Store::Float32 => (&NOTHING, 0, 4),
            Store::Bool => (&NOTHING, 0, 1),
            Store::Str { .. } | Store::Bin { .. } | Store::Timestamp => return None,
        };
        let mut null = [0; WORD_BYTES];
        null[..bytes].copy_from_slice(blank.get(leaf.to..leaf.to + bytes)?);
        Some(Self { to: leaf.to, shifts, outside, leaf: leaf.at(0), null })
    }

    /// The column's bytes for the value at `from`, and other than 0 where they are not to be used.
    ///
    /// # Safety
    /// [`MOST_VALUE_BYTES`] must be readable at `from`.
    #[inline(always)]
    unsafe fn number(&self, from: *const u8) -> (u64, u64) {
        // SAFETY: the caller vouches for the value's first byte.
        let first = unsafe { *from };
        let shift = self.shifts[usize::from(first)];
        if shift == UNUSUAL {
            // SAFETY: the caller vouches for them.
            return self.unusual(unsafe { &*from.cast() });
        }
        // A fixint is its own number; otherwise the number stands behind the first byte.
        let number_at = usize::from(first >> 7);
        // SAFETY: the caller vouches for nine bytes, of which these are the first or the last eight.
        let word = unsafe { from.add(number_at).cast::<[u8; WORD_BYTES]>().read() };
        let number = u64::from_be_bytes(word) >> shift;
        (number, number & self.outside)
    }

    /// The same for a value of another kind: a negative number, nil, an integer for a float.
    #[cold]
    fn unusual(&self, value: &[u8; MOST_VALUE_BYTES]) -> (u64, u64) {
        let mut column = self.null;
        let mut reader = Reader::new(value, 0, MOST_VALUE_BYTES);
        let written = self.leaf.write(&mut reader, &mut column, &mut 0);
        (u64::from_le_bytes(column), written.is_err().into())
    }
}
