//! Where the elements of messages end, found at once for all bytes of a register: what [`super::wide`] fetches by.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm512_add_epi8, _mm512_broadcast_i32x4, _mm512_loadu_si512,
    _mm512_mask_permutexvar_epi8, _mm512_min_epu8, _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_shuffle_epi8,
    _mm512_sub_epi8,
};

/// Bytes in a register: one more than can be decoded at once.
pub(super) const LANES: usize = 64;
/// Elements in a quarter of a register, in which a lane belongs to each: a message's head, its columns, and the same of
/// the message behind it, if there is room.
pub(super) const ELEMENT_LANES: usize = 16;

/// Where each element ends, in each quarter; garbage behind one that ends outside the register.
///
/// # Safety
/// The CPU must have AVX-512 F, BW and VBMI.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn ends(message: __m512i) -> __m512i {
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        let kind = _mm512_sub_epi8(message, _mm512_set1_epi8(FLOAT_32.cast_signed()));
        let kind = _mm512_min_epu8(kind, _mm512_set1_epi8(0xf));
        let next = _mm512_add_epi8(BYTES.register(), _mm512_shuffle_epi8(WIDTHS.register(), kind));
        let second = _mm512_permutexvar_epi8(next, next);
        let fourth = _mm512_permutexvar_epi8(second, second);
        let eighth = _mm512_permutexvar_epi8(fourth, fourth);
        let ends = HEADS.register();
        let ends = _mm512_mask_permutexvar_epi8(ends, lanes_with(1), ends, next);
        let ends = _mm512_mask_permutexvar_epi8(ends, lanes_with(2), ends, second);
        let ends = _mm512_mask_permutexvar_epi8(ends, lanes_with(4), ends, fourth);
        _mm512_mask_permutexvar_epi8(ends, lanes_with(8), ends, eighth)
    }
}

/// Lanes of the elements before whose end, counted from [`HEADS`], so many elements are.
const fn lanes_with(bit: usize) -> u64 {
    let (mut lanes, mut lane) = (0, 0);
    while lane < LANES {
        let element = lane % ELEMENT_LANES;
        let steps = if element == ELEMENT_LANES - 1 { element } else { element + 1 };
        lanes |= ((steps & bit != 0) as u64) << lane;
        lane += 1;
    }
    lanes
}

/// A register's bytes.
#[repr(C, align(64))]
struct Register([u8; LANES]);

const FLOAT_32: u8 = 0xca;
/// Width of a value by how far its first byte is from float 32, in each quarter; one from sixteen on.
static WIDTHS: Register = quarters([5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 1, 1, 1, 1, 1, 1]);
/// From where the elements are counted. For the sixteenth it is the end of the first, which is one byte: there is no
/// fifth step.
static HEADS: Register = quarters([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// Each byte is where it stands.
static BYTES: Register = {
    let (mut bytes, mut lane) = ([0; LANES], 0);
    while lane < LANES {
        bytes[lane] = lane.to_le_bytes()[0];
        lane += 1;
    }
    Register(bytes)
};

const fn quarters(quarter: [u8; ELEMENT_LANES]) -> Register {
    let (mut bytes, mut lane) = ([0; LANES], 0);
    while lane < LANES {
        bytes[lane] = quarter[lane % ELEMENT_LANES];
        lane += 1;
    }
    Register(bytes)
}

#[cfg(target_arch = "x86_64")]
impl Register {
    /// # Safety
    /// The CPU must have AVX-512 F.
    #[inline(always)]
    unsafe fn register(&'static self) -> __m512i {
        // SAFETY: it has 64 bytes; the caller vouches for the CPU.
        unsafe { _mm512_loadu_si512(self.0.as_ptr().cast()) }
    }
}

/// The same sixteen bytes in each quarter.
///
/// # Safety
/// The CPU must have AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn quarter(bytes: &[u8; ELEMENT_LANES]) -> __m512i {
    // SAFETY: there are sixteen bytes; the caller vouches for the CPU.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.as_ptr().cast())) }
}
