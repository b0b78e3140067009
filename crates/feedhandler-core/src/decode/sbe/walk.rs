//! The way through one message: its root, its groups however deep, and the data behind them.
//!
//! Facts: most messages are a root and groups of nothing but fields; the entries of such a group are as alike as they are
//! many. Decision: these are written in one loop without a look at anything else; only a group whose entries have groups or
//! data of their own is gone into entry by entry, with a stack of fixed size in place of calls.

use super::block::Block;
use super::message::{Data, Dimension, Group, MOST_DEPTH, Node, Template, within};
use crate::batch::Filling;
use crate::decode::Span;
use crate::decode::fixed::kernel::Kernel;
use crate::malformed::Reason;

/// A walk through a message, the bytes of `slot` up to `end`.
pub(super) struct Walk<'a, K: Kernel> {
    slot: &'a [u8],
    end: usize,
    version: u64,
    leading: K::Leading,
    /// A block without some of its fields is completed here.
    short: &'a mut Vec<u8>,
    /// Entries that may still come: no more than the message has bytes, whatever it counts.
    allowance: usize,
    bytes: usize,
    /// Whether there was more in the message than is declared.
    pub is_longer: bool,
}

/// A block whose groups and data are being gone through.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    node: &'a Node,
    /// The next of its groups.
    group: usize,
    row: *mut u8,
    /// Which row of its table that is.
    index: u32,
    /// Which row of the enclosing table its parent is.
    parent: u32,
    /// Entries behind it, and the bytes of each block.
    left: u64,
    block_bytes: u64,
}

impl<'a, K: Kernel> Walk<'a, K> {
    /// A walk through the message at `span`; what it is read from must have slack behind it.
    #[inline(always)]
    pub fn new(slot: &'a [u8], span: Span, version: u64, leading: K::Leading, short: &'a mut Vec<u8>) -> Self {
        let (end, bytes) = (span.start() + span.len(), span.len());
        Self { slot, end, version, leading, short, allowance: bytes, bytes, is_longer: false }
    }

    /// Entries that were written.
    #[inline(always)]
    pub fn entries(&self) -> u64 {
        (self.bytes - self.allowance) as u64
    }

    /// Writes the rows of a message whose root begins at `at`: those of its groups are made part of their tables, its own is
    /// left to the caller.
    #[inline(always)]
    pub fn message<'p>(
        &mut self,
        template: &'p Template,
        at: usize,
        block_bytes: u64,
        stack: &mut [Option<Frame<'p>>; MOST_DEPTH],
        filling: &mut Filling<'_>,
    ) -> Result<(), Reason> {
        let node = &template.root;
        let row = filling.next_row(node.block.table);
        let mut at = self.block(&node.block, at, block_bytes, self.leading, row)?;
        let index = index(filling.table_len(node.block.table));
        let mut top = Frame { node, group: 0, row, index, parent: 0, left: 0, block_bytes };
        let mut depth = 0;
        loop {
            if let Some(group) = top.node.groups.get(top.group) {
                top.group += 1;
                if group.since > self.version {
                    continue;
                }
                let dimension = group.dimension(self.slot, at, self.end).ok_or(Reason::MessageTooShort)?;
                at = dimension.end;
                if group.entry.is_block() {
                    at = self.entries_at(group, &dimension, top.index, filling)?;
                } else if dimension.entries > 0 {
                    stack[depth] = Some(top);
                    depth += 1;
                    top = Frame::before(group, &dimension, top.index);
                    at = self.enter(&mut top, at, filling)?;
                }
                continue;
            }
            let version = self.version;
            for data in top.node.data.iter().filter(|data| data.since <= version) {
                at = self.data(data, at, &top, filling)?;
            }
            if top.left > 0 {
                at = self.enter(&mut top, at, filling)?;
            } else if depth > 0 {
                depth -= 1;
                top = stack[depth].unwrap_or(top);
            } else {
                break;
            }
        }
        self.is_longer |= at < self.end;
        Ok(())
    }

    /// Writes the row of a block at `at`, and says where the block ends.
    #[inline(always)]
    fn block(
        &mut self,
        block: &Block,
        at: usize,
        block_bytes: u64,
        leading: K::Leading,
        row: *mut u8,
    ) -> Result<usize, Reason> {
        let next = within(at, block_bytes, self.end).ok_or(Reason::MessageTooShort)?;
        self.is_longer |= block.is_longer(block_bytes);
        if block.is_whole(block_bytes, self.version) {
            // SAFETY: the known fields stand within the block, behind which there is slack; the row is of the block's table
            // and has its slack. The CPU has what `K` uses.
            unsafe { K::write_row(&block.message, leading, self.slot.as_ptr().add(at), row) };
        } else {
            self.partial(block, at..next, leading, row)?;
        }
        Ok(next)
    }

    /// Writes the row of a block that has not all known fields.
    #[cold]
    #[inline(never)]
    fn partial(
        &mut self,
        block: &Block,
        bytes: std::ops::Range<usize>,
        leading: K::Leading,
        row: *mut u8,
    ) -> Result<(), Reason> {
        if !block.is_long_enough(bytes.len(), self.version) {
            return Err(Reason::MessageTooShort);
        }
        block.complete(&self.slot[bytes], self.version, self.short);
        // SAFETY: `short` has all known fields and slack; the rest as in `block`.
        unsafe { K::write_row(&block.message, leading, self.short.as_ptr(), row) };
        Ok(())
    }

    /// Goes into the next entry of a group: writes its row.
    #[inline(always)]
    fn enter(&mut self, frame: &mut Frame<'_>, at: usize, filling: &mut Filling<'_>) -> Result<usize, Reason> {
        self.allowance = self.allowance.checked_sub(1).ok_or(Reason::GroupCount)?;
        let block = &frame.node.block;
        frame.row = filling.next_row(block.table);
        frame.index = index(filling.table_len(block.table));
        // SAFETY: the CPU has what `K` uses.
        let leading = unsafe { K::below(self.leading, frame.parent) };
        let next = self.block(block, at, frame.block_bytes, leading, frame.row)?;
        // SAFETY: the row has just been written.
        unsafe { filling.commit_entries(block.table, 1) };
        (frame.group, frame.left) = (0, frame.left - 1);
        Ok(next)
    }

    /// Writes the rows of a group whose entries are blocks and nothing else.
    #[inline(always)]
    fn entries_at(
        &mut self,
        group: &Group,
        dimension: &Dimension,
        parent: u32,
        filling: &mut Filling<'_>,
    ) -> Result<usize, Reason> {
        let block = &group.entry.block;
        let bytes = dimension.entries.checked_mul(dimension.block_bytes).ok_or(Reason::GroupCount)?;
        let next = within(dimension.end, bytes, self.end).ok_or(Reason::GroupCount)?;
        let entries = usize::try_from(dimension.entries).map_err(|_| Reason::GroupCount)?;
        self.allowance = self.allowance.checked_sub(entries).ok_or(Reason::GroupCount)?;
        if entries == 0 {
            return Ok(next);
        }
        let each = usize::try_from(dimension.block_bytes).map_err(|_| Reason::GroupCount)?;
        self.is_longer |= block.is_longer(dimension.block_bytes);
        // SAFETY: the CPU has what `K` uses.
        let leading = unsafe { K::below(self.leading, parent) };
        let (mut row, row_bytes) = filling.next_rows(block.table, entries);
        let is_whole = block.is_whole(dimension.block_bytes, self.version);
        for entry in 0..entries {
            let at = dimension.end + entry * each;
            if is_whole {
                // SAFETY: the known fields stand within the entry, behind which there is slack; there is room for so many
                // rows. The CPU has what `K` uses.
                unsafe { K::write_row(&block.message, leading, self.slot.as_ptr().add(at), row) };
            } else {
                self.partial(block, at..at + each, leading, row)?;
            }
            // SAFETY: there is room for so many rows.
            row = unsafe { row.add(row_bytes) };
        }
        // SAFETY: so many rows have been written.
        unsafe { filling.commit_entries(block.table, entries) };
        Ok(next)
    }

    /// Writes the columns of data into the row of the block that it belongs to, and says where it ends.
    #[inline(always)]
    fn data(&mut self, data: &Data, at: usize, of: &Frame<'_>, filling: &Filling<'_>) -> Result<usize, Reason> {
        let found = data.find(self.slot, at, self.end).ok_or(Reason::DataLength)?;
        let end = found.end;
        let bytes = &self.slot[found];
        // SAFETY: the row was written, and no row of its table since.
        data.write(bytes, unsafe { std::slice::from_raw_parts_mut(of.row, filling.row_bytes(of.node.block.table)) });
        self.is_longer |= data.is_cut(bytes);
        Ok(end)
    }
}

impl<'a> Frame<'a> {
    /// In front of the first entry of a group.
    fn before(group: &'a Group, dimension: &Dimension, parent: u32) -> Self {
        let Dimension { entries: left, block_bytes, .. } = *dimension;
        Self { node: &group.entry, group: 0, row: std::ptr::null_mut(), index: 0, parent, left, block_bytes }
    }
}

/// Which row of a table the next is: a batch is closed long before there are more than can be numbered.
fn index(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
