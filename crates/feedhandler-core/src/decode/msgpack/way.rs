//! The ways to decode a flat message. All write the same rows; where one cannot, the next is asked.

use super::flat::Flat;
#[cfg(target_arch = "x86_64")]
use super::lanes::LANES;
use super::wide::Ends;
#[cfg(target_arch = "x86_64")]
use super::wide::Wide;
#[cfg(target_arch = "x86_64")]
use crate::decode::wide_leading::WideLeading;
use crate::layout::{LEADING_WORDS, Leading};

/// A way to decode the flat messages of one type.
pub(super) trait Way: Copy {
    /// The leading columns, as they are written.
    type Leading: Copy;

    /// Bytes that must be readable where a message begins.
    fn readable_bytes(self) -> usize;

    /// Takes the leading columns of a message.
    ///
    /// # Safety
    /// The CPU must have what the implementation uses.
    unsafe fn leading(leading: &Leading) -> Self::Leading;

    /// Those of a message whose sequence number is greater by `step`.
    ///
    /// # Safety
    /// As [`Way::leading`].
    unsafe fn next(leading: Self::Leading, step: u64) -> Self::Leading;

    /// Writes the row of the message at `from`, which is `at` of the slot, and if `BOTH` perhaps also that of the one
    /// behind it.
    ///
    /// # Safety
    /// [`Way::readable_bytes`] must be readable there; `rows` must be rows of the message's table, with slack, two if
    /// `BOTH`; the CPU must have what the implementation uses.
    unsafe fn write<const BOTH: bool>(
        self,
        leading: [Self::Leading; 2],
        from: *const u8,
        at: usize,
        rows: [*mut u8; 2],
    ) -> Ends;
}

/// Column by column, with the widths of all values of the slot.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub flat: &'a Flat,
    /// Widths for as many bytes as the way reads behind every message.
    pub widths: &'a [u8],
}

impl Way for Columns<'_> {
    type Leading = Leading;

    #[inline(always)]
    fn readable_bytes(self) -> usize {
        self.flat.most_bytes
    }

    #[inline(always)]
    unsafe fn leading(leading: &Leading) -> Leading {
        *leading
    }

    #[inline(always)]
    unsafe fn next(leading: Leading, step: u64) -> Leading {
        Leading { seq: leading.seq.wrapping_add(step), ..leading }
    }

    #[inline(always)]
    unsafe fn write<const BOTH: bool>(
        self,
        [leading, _]: [Leading; 2],
        from: *const u8,
        at: usize,
        [row, _]: [*mut u8; 2],
    ) -> Ends {
        // SAFETY: the caller vouches for the message and the row, which begins with the leading words; widths go on behind
        // the payload for as long as the longest message.
        unsafe {
            row.cast::<[u64; LEADING_WORDS]>().write_unaligned(leading.words());
            let first = self.flat.write(from, self.widths.as_ptr().add(at), row);
            Ends { first: first.unwrap_or(0), second: 0 }
        }
    }
}

/// All columns at once.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct AtOnce<'a>(pub &'a Wide);

#[cfg(target_arch = "x86_64")]
impl Way for AtOnce<'_> {
    type Leading = WideLeading;

    #[inline(always)]
    fn readable_bytes(self) -> usize {
        LANES
    }

    #[inline(always)]
    unsafe fn leading(leading: &Leading) -> WideLeading {
        // SAFETY: the caller vouches for the CPU.
        unsafe { WideLeading::new(leading) }
    }

    #[inline(always)]
    unsafe fn next(leading: WideLeading, step: u64) -> WideLeading {
        // SAFETY: the caller vouches for the CPU.
        unsafe { leading.next(step) }
    }

    #[inline(always)]
    unsafe fn write<const BOTH: bool>(
        self,
        leading: [WideLeading; 2],
        from: *const u8,
        _: usize,
        rows: [*mut u8; 2],
    ) -> Ends {
        // SAFETY: the caller vouches for all of it.
        unsafe { self.0.write::<BOTH>(leading.map(WideLeading::register), from, rows) }
    }
}
