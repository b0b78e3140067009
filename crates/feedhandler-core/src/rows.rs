//! Memory for rows: aligned, recycled, and never taken back while somebody holds it.
//!
//! A [`Rows`] is filled by decode, then shared with Python as an immutable buffer. When its last holder lets go, the
//! memory goes back to the [`Pool`] it came from, so that a steady feed allocates nothing.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes behind the last row that may be written: a row is written in pieces of up to as many.
pub const ROW_SLACK_BYTES: usize = 64;

const ALIGN: usize = 64;

/// A block of memory aligned to a cache line.
#[derive(Debug)]
struct Block {
    memory: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block owns its memory alone, as a `Box<[u8]>` would.
unsafe impl Send for Block {}
// SAFETY: a shared block is only ever read.
unsafe impl Sync for Block {}

impl Block {
    fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(ALIGN), ALIGN).expect("a table stays below isize::MAX bytes");
        // SAFETY: the layout's size is at least ALIGN, so it is not zero.
        let memory = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        Self { memory, layout }
    }

    fn bytes(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the memory was allocated with this very layout and nobody else frees it.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

/// Blocks that wait to be used again.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<Vec<Block>>,
}

/// Blocks that one pool keeps at most; what comes back beyond that is freed.
const POOL_BLOCKS: usize = 8;

impl Pool {
    fn take(&self, bytes: usize) -> Block {
        let recycled = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        recycled.filter(|block| block.bytes() >= bytes).unwrap_or_else(|| Block::new(bytes))
    }

    fn give_back(&self, block: Block) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < POOL_BLOCKS {
            free.push(block);
        }
    }
}

/// Rows of one width, one behind the other.
///
/// Invariant: `memory` is the block's, if there is one; the first `len * row_bytes` bytes of it are initialised, and it is
/// at least `ROW_SLACK_BYTES` larger than `capacity * row_bytes`.
#[derive(Debug)]
pub struct Rows {
    block: Option<Block>,
    memory: NonNull<u8>,
    pool: Arc<Pool>,
    row_bytes: usize,
    len: usize,
    capacity: usize,
}

/// Rows that a table without memory gets at first.
const FIRST_ROWS: usize = 256;

// SAFETY: what `memory` points to is the block's, which may be sent.
unsafe impl Send for Rows {}
// SAFETY: shared rows are only ever read.
unsafe impl Sync for Rows {}

impl Rows {
    /// An empty table that takes its memory from `pool` when the first row comes.
    #[must_use]
    pub fn new(pool: Arc<Pool>, row_bytes: usize) -> Self {
        Self { block: None, memory: NonNull::dangling(), pool, row_bytes, len: 0, capacity: 0 }
    }

    /// A table like this one, empty, with memory from the same pool.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self::new(Arc::clone(&self.pool), self.row_bytes)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes from one row to the next.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// All rows.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| {
            // SAFETY: the first len * row_bytes bytes are initialised (invariant) and nobody writes while `self` is borrowed.
            unsafe { std::slice::from_raw_parts(block.memory.as_ptr(), self.len * self.row_bytes) }
        })
    }

    /// The row at `index`.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    #[must_use]
    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes()[index * self.row_bytes..][..self.row_bytes]
    }

    /// Where the next row will stand: `row_bytes` and `ROW_SLACK_BYTES` may be written from there on.
    ///
    /// The row exists once [`Rows::commit`] was called.
    ///
    /// # Panics
    /// Where the machine has no memory left.
    #[inline]
    pub fn next_row(&mut self) -> *mut u8 {
        self.reserve(1);
        self.free_row()
    }

    /// Where the next row will stand: it may be written if there is [room](Self::room).
    #[inline(always)]
    #[must_use]
    pub fn free_row(&self) -> *mut u8 {
        // SAFETY: len <= capacity, and `memory` has that many rows and the slack; without a block it is not moved.
        unsafe { self.memory.as_ptr().add(self.len * self.row_bytes) }
    }

    /// Makes [room](Self::room) for at least `rows` rows.
    ///
    /// # Panics
    /// Where the machine has no memory left.
    #[inline]
    pub fn reserve(&mut self, rows: usize) {
        if self.room() < rows {
            self.grow(self.len + rows);
        }
    }

    /// Rows that may be written from [`Rows::next_row`] on without asking again.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity - self.len
    }

    /// Makes the `rows` rows from [`Rows::next_row`] on part of the table.
    ///
    /// # Safety
    /// There must be [`Rows::room`] for them, and all of their bytes must have been written.
    #[inline]
    pub unsafe fn commit(&mut self, rows: usize) {
        debug_assert!(rows <= self.room());
        self.len += rows;
    }

    /// Appends a row that is at hand as bytes.
    ///
    /// # Panics
    /// When `row` is not `row_bytes` long.
    pub fn push(&mut self, row: &[u8]) {
        assert_eq!(row.len(), self.row_bytes);
        let to = self.next_row();
        // SAFETY: `next_row` has room for row_bytes, and `row` is a borrowed slice of that length elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), to, row.len()) };
        // SAFETY: the whole row was just written.
        unsafe { self.commit(1) };
    }

    /// Takes the last `rows` rows away.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn undo(&mut self, rows: usize) {
        self.len = self.len.checked_sub(rows).expect("only rows that were written are taken back");
    }

    #[cold]
    fn grow(&mut self, least: usize) {
        let wanted = least.max(self.capacity * 2).max(FIRST_ROWS);
        let block = self.pool.take(wanted * self.row_bytes + ROW_SLACK_BYTES);
        self.capacity = (block.bytes() - ROW_SLACK_BYTES) / self.row_bytes;
        self.memory = block.memory;
        if let Some(old) = self.block.replace(block) {
            let new = self.block.as_ref().expect("just put there");
            // SAFETY: both blocks hold len rows, and they are different blocks.
            unsafe {
                std::ptr::copy_nonoverlapping(old.memory.as_ptr(), new.memory.as_ptr(), self.len * self.row_bytes);
            }
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.pool.give_back(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_growth_and_memory_is_recycled() {
        let pool = Arc::new(Pool::default());
        let mut rows = Rows::new(Arc::clone(&pool), 24);
        for i in 0..1000_u64 {
            rows.push(&[i.to_ne_bytes(), [1; 8], [2; 8]].concat());
        }
        assert_eq!(rows.len(), 1000);
        assert!(rows.bytes().chunks(24).zip(0_u64..).all(|(row, i)| row[..8] == i.to_ne_bytes()));

        let address = rows.bytes().as_ptr();
        let mut next = rows.successor();
        drop(rows);
        next.push(&[0; 24]);
        assert_eq!(next.bytes().as_ptr(), address, "the memory of dropped rows is used again");
    }

    #[test]
    fn undone_rows_are_gone() {
        let mut rows = Rows::new(Arc::default(), 8);
        rows.push(&[1; 8]);
        rows.push(&[2; 8]);
        rows.undo(1);
        assert_eq!(rows.bytes(), [1; 8]);
    }
}
