//! The memory that the slots of a ring lie in.

use std::any::Any;
use std::fmt;
use std::ptr::NonNull;

/// Memory for a ring, and what keeps it alive: a numpy array, or memory of our own.
///
/// Invariant: `start` is valid for reads and writes of `len` bytes for as long as `owner` lives, and nobody else writes
/// there.
pub struct Arena {
    start: NonNull<u8>,
    len: usize,
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the owner is Send, and by the invariant only the holder of the arena writes to the memory.
unsafe impl Send for Arena {}
// SAFETY: a shared arena hands out no access to the memory by itself.
unsafe impl Sync for Arena {}

impl Arena {
    /// An arena in memory that `owner` keeps alive.
    ///
    /// # Safety
    /// `start` must be valid for reads and writes of `len` initialised bytes as long as `owner` lives, at an address that
    /// does not change, and nobody else may write there.
    #[must_use]
    pub unsafe fn from_raw(start: NonNull<u8>, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { start, len, _owner: owner }
    }

    /// An arena of at least `len` zeroed bytes in memory of our own.
    #[must_use]
    pub fn allocate(len: usize) -> Self {
        let mut words = vec![0_u64; len.div_ceil(8)];
        let start = NonNull::from(words.as_mut_slice()).cast();
        // SAFETY: the vector holds that many bytes, is never touched again, and its heap memory does not move with it.
        unsafe { Self::from_raw(start, words.len() * 8, Box::new(words)) }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no memory at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the memory starts.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Has the pages there before the first datagram, in huge pages where the system lends them.
    ///
    /// A refusal costs page faults on the first lap and nothing else, so nobody is told.
    pub(super) fn make_resident(&self) {
        const PAGE_BYTES: usize = 4096;
        let skip = self.start.align_offset(PAGE_BYTES);
        let pages_bytes = self.len.saturating_sub(skip) / PAGE_BYTES * PAGE_BYTES;
        for advice in [libc::MADV_HUGEPAGE, libc::MADV_POPULATE_WRITE] {
            // SAFETY: the range lies in the arena, and neither advice changes what the memory holds.
            unsafe { libc::madvise(self.start.as_ptr().wrapping_add(skip).cast(), pages_bytes, advice) };
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}
