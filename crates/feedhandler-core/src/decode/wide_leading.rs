//! The leading columns of a row in a register of 64 bytes, where the rest of the row joins them.

use std::arch::x86_64::{__m512i, _mm512_add_epi64, _mm512_mask_set1_epi32, _mm512_set_epi64};

use crate::layout::{Leading, PARENT_END};

/// Which four bytes are the parent's.
const PARENT_LANE: usize = PARENT_END / 4 - 1;

/// The columns, and zeros behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct WideLeading(__m512i);

impl WideLeading {
    /// Takes the leading columns of a message.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F.
    #[inline(always)]
    pub unsafe fn new(leading: &Leading) -> Self {
        let [seq, ts_recv_ns, channel] = leading.words().map(u64::cast_signed);
        // SAFETY: the caller vouches for the CPU.
        Self(unsafe { _mm512_set_epi64(0, 0, 0, 0, 0, channel, ts_recv_ns, seq) })
    }

    /// Those of a message whose sequence number is greater by `step`.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F.
    #[inline(always)]
    pub unsafe fn next(self, step: u64) -> Self {
        // SAFETY: the caller vouches for the CPU.
        Self(unsafe { _mm512_add_epi64(self.0, _mm512_set_epi64(0, 0, 0, 0, 0, 0, 0, step.cast_signed())) })
    }

    /// Those of a row that is below the row `parent` of another table, which is their fourth column.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F.
    #[inline(always)]
    pub unsafe fn below(self, parent: u32) -> Self {
        // SAFETY: the caller vouches for the CPU.
        Self(unsafe { _mm512_mask_set1_epi32(self.0, 1 << PARENT_LANE, parent.cast_signed()) })
    }

    /// Those of a row below the next row of the other table, whose sequence number is greater by `step`.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F.
    #[inline(always)]
    pub unsafe fn next_below(self, step: u64) -> Self {
        const PARENT_STEP: i64 = 1 << (PARENT_LANE % 2 * 32);
        // SAFETY: the caller vouches for the CPU.
        Self(unsafe { _mm512_add_epi64(self.0, _mm512_set_epi64(0, 0, 0, 0, 0, PARENT_STEP, 0, step.cast_signed())) })
    }

    /// The row's first 64 bytes.
    #[inline(always)]
    pub fn register(self) -> __m512i {
        self.0
    }
}
