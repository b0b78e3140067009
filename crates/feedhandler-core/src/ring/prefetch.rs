//! Hints to fetch a cache line before it is needed. They do nothing where the compiler offers none.

use std::ptr::NonNull;

/// Fetches the line, to be read.
#[inline]
pub(super) fn to_read(start: NonNull<u8>) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint has no effect on what the program means, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(start.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = start;
}

/// Fetches the line, to be written: no other processor keeps a copy.
#[inline]
pub(super) fn to_write(start: NonNull<u8>) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint has no effect on what the program means, whatever the address. Processors that do not know this one
    // do nothing, which is why the compiler does not offer it by default.
    unsafe {
        std::arch::asm!("prefetchw byte ptr [{}]", in(reg) start.as_ptr(), options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = start;
}
