//! batch: the tables that decode fills, and the one object that crosses to Python.

use std::sync::Arc;

use crate::event::{self, Event};
use crate::layout::RowLayout;
use crate::plan::Plan;
use crate::rows::{Pool, Rows};

/// Bytes of a row of the arrival order.
pub const ORDER_BYTES: usize = 8;

/// Columns of `batch.order` (little-endian on every machine): which row of which table came, in the order of arrival.
#[must_use]
pub fn order_layout() -> RowLayout {
    let columns = [("table", "u2", 2), ("code", "u2", 2), ("row", "u4", 4)];
    RowLayout::new(columns.into_iter().map(|(name, format, width)| (name, format.to_owned(), width)))
}

/// A row of the arrival order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderEntry {
    /// Index of the table.
    pub table: u16,
    /// Index of the message type's code.
    pub code: u16,
    /// Row of the table.
    pub row: u32,
}

impl OrderEntry {
    /// What the bytes of a row say.
    #[inline]
    #[must_use]
    pub fn read(bytes: [u8; ORDER_BYTES]) -> Self {
        let [t0, t1, c0, c1, r0, r1, r2, r3] = bytes;
        Self {
            table: u16::from_le_bytes([t0, t1]),
            code: u16::from_le_bytes([c0, c1]),
            row: u32::from_le_bytes([r0, r1, r2, r3]),
        }
    }
}

/// A batch being filled.
#[derive(Debug)]
pub struct BatchBuilder {
    tables: Vec<Rows>,
    order: Rows,
    events: Rows,
    number: u64,
}

/// A place in a batch to which it can be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    order: usize,
}

impl BatchBuilder {
    /// An empty batch for messages of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let rows = |row_bytes| Rows::new(Arc::new(Pool::default()), row_bytes);
        Self {
            tables: plan.tables.iter().map(|table| rows(table.layout.row_bytes)).collect(),
            order: rows(ORDER_BYTES),
            events: rows(event::EVENT_BYTES),
            number: 0,
        }
    }

    /// How many batches came before it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Messages in the batch.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.order.len()
    }

    /// Events in the batch.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// The next row of `table`, filled from `template`, which is as long as the row or at most 15 bytes longer.
    #[inline(always)]
    pub(crate) fn blank_row(&mut self, table: u16, template: &[[u8; 16]]) -> &mut [u8] {
        let rows = &mut self.tables[usize::from(table)];
        let (row, row_bytes) = (rows.next_row(), rows.row_bytes());
        debug_assert!(template.len() * 16 < row_bytes + 16);
        for (piece, index) in template.iter().zip(0..) {
            // SAFETY: `row` has room for row_bytes and ROW_SLACK_BYTES, of which the template uses at most 15.
            unsafe { row.cast::<[u8; 16]>().add(index).write_unaligned(*piece) };
        }
        // SAFETY: the row's bytes have just been written, and `self` stays borrowed with the slice.
        unsafe { std::slice::from_raw_parts_mut(row, row_bytes) }
    }

    /// Makes the row at [`BatchBuilder::blank_row`] part of the batch.
    ///
    /// # Safety
    /// All of the row's bytes must have been written.
    #[inline(always)]
    pub(crate) unsafe fn commit(&mut self, table: u16, code: u16) {
        let mut filling = self.fill(1);
        // SAFETY: the caller has written the row.
        unsafe { filling.commit(table, code) };
        filling.finish();
    }

    /// Begins to fill tables with at most `most` rows in all.
    #[inline]
    pub(crate) fn fill(&mut self, most: usize) -> Filling<'_> {
        self.order.reserve(most);
        Filling { entry_at: self.order.free_row().cast(), tables: &mut self.tables, order: &mut self.order, left: most }
    }

    /// Begins a run of rows of `table` for messages with `code`, with [room](Run::room) for at least two.
    #[inline(always)]
    pub(crate) fn run(&mut self, table: u16, code: u16) -> Run<'_> {
        let (rows, order) = (&mut self.tables[usize::from(table)], &mut self.order);
        rows.reserve(2);
        order.reserve(2);
        let (row, entry_at) = (rows.free_row(), order.free_row().cast());
        let room = rows.room().min(order.room());
        let entry = u64::from(table) | u64::from(code) << 16 | (rows.len() as u64) << 32;
        Run { row_bytes: rows.row_bytes(), rows, order, row, entry_at, entry, room, len: 0 }
    }

    /// Appends an event.
    pub fn push_event(&mut self, channel: u16, event: &Event) {
        self.push_event_at(self.order.len(), channel, event);
    }

    /// Appends an event that stands in front of the message at `position`, and behind all other events.
    pub fn push_event_at(&mut self, position: usize, channel: u16, event: &Event) {
        self.events.push(&event.row(channel, position as u64));
    }

    /// The present place.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { order: self.order.len() }
    }

    /// Takes all messages back that came after `mark`, none of which may have rows of groups, and calls `undone` with the code of each.
    pub fn undo_to(&mut self, mark: Mark, mut undone: impl FnMut(u16)) {
        let order = &self.order.bytes()[mark.order * ORDER_BYTES..];
        for entry in order.chunks_exact(ORDER_BYTES) {
            self.tables[usize::from(u16::from_le_bytes([entry[0], entry[1]]))].undo(1);
            undone(u16::from_le_bytes([entry[2], entry[3]]));
        }
        self.order.undo(self.order.len() - mark.order);
    }

    /// Closes the batch and begins the next.
    pub fn finish(&mut self) -> Batch {
        let take = |rows: &mut Rows| {
            let next = rows.successor();
            std::mem::replace(rows, next)
        };
        let number = self.number;
        self.number += 1;
        Batch {
            number,
            tables: self.tables.iter_mut().map(|rows| (!rows.is_empty()).then(|| Arc::new(take(rows)))).collect(),
            order: Arc::new(take(&mut self.order)),
            events: Arc::new(take(&mut self.events)),
            queue_depth: 0,
        }
    }
}

/// A closed batch: immutable, and its memory lives as long as anybody holds a part of it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// How many batches came before it: who needs them all can see that one is missing.
    pub number: u64,
    /// One entry a table of the plan; none where no message of it came.
    pub tables: Vec<Option<Arc<Rows>>>,
    /// Arrival order over the tables, by [`order_layout`].
    pub order: Arc<Rows>,
    /// Events, by [`event::layout`].
    pub events: Arc<Rows>,
    /// Datagrams that waited in the ring when the batch was closed.
    pub queue_depth: usize,
}

/// Rows of several tables, as they come: where the order of arrival is kept is looked up once.
///
/// Invariant: the order's entries before `entry_at` have been written, and there is memory for `left` more.
pub(crate) struct Filling<'a> {
    tables: &'a mut [Rows],
    order: &'a mut Rows,
    entry_at: *mut [u8; ORDER_BYTES],
    /// For checks in debug builds: the hot loop has no register for it.
    left: usize,
}

impl Filling<'_> {
    /// Whether `table` has room for a row without growing.
    ///
    /// # Safety
    /// `table` must be one of the batch's.
    #[inline(always)]
    pub unsafe fn has_room(&self, table: u16) -> bool {
        // SAFETY: the caller vouches for the table.
        unsafe { self.tables.get_unchecked(usize::from(table)) }.room() > 0
    }

    /// Where the next row of `table` will stand, if it [has room](Self::has_room).
    ///
    /// # Safety
    /// As [`Filling::has_room`].
    #[inline(always)]
    pub unsafe fn free_row(&self, table: u16) -> *mut u8 {
        // SAFETY: the caller vouches for the table.
        unsafe { self.tables.get_unchecked(usize::from(table)) }.free_row()
    }

    /// Where the next row of `table` will stand.
    pub fn next_row(&mut self, table: u16) -> *mut u8 {
        self.tables[usize::from(table)].next_row()
    }

    /// The row at [`Filling::free_row`].
    ///
    /// # Safety
    /// As [`Filling::has_room`]; all of the row's bytes have been written.
    #[inline(always)]
    pub unsafe fn written(&self, table: u16) -> &[u8] {
        // SAFETY: the caller vouches for the table, and has written the row; nobody writes while it is borrowed.
        unsafe {
            let rows = self.tables.get_unchecked(usize::from(table));
            std::slice::from_raw_parts(rows.free_row(), rows.row_bytes())
        }
    }

    /// Bytes from one row of `table` to the next.
    #[inline(always)]
    pub fn row_bytes(&self, table: u16) -> usize {
        self.tables[usize::from(table)].row_bytes()
    }

    /// Which row of `table` the next is: a batch is closed long before there are more than can be numbered.
    #[inline(always)]
    pub fn next_index(&self, table: u16) -> u32 {
        u32::try_from(self.table_len(table)).unwrap_or(u32::MAX)
    }

    /// Rows of `table`.
    #[inline(always)]
    pub fn table_len(&self, table: u16) -> usize {
        self.tables[usize::from(table)].len()
    }

    /// Where the next `rows` rows of `table` will stand, one behind the other, and the bytes from one to the next.
    #[inline]
    pub fn next_rows(&mut self, table: u16, rows: usize) -> (*mut u8, usize) {
        let table = &mut self.tables[usize::from(table)];
        table.reserve(rows);
        (table.free_row(), table.row_bytes())
    }

    /// Makes the `rows` rows at [`Filling::next_rows`] part of the table: they belong to a message, and have no place of
    /// their own in the order of arrival.
    ///
    /// # Safety
    /// As [`Filling::has_room`]; there was room for so many, and all of their bytes have been written.
    #[inline(always)]
    pub unsafe fn commit_entries(&mut self, table: u16, rows: usize) {
        // SAFETY: the caller vouches for it, and so for the table.
        unsafe { self.tables.get_unchecked_mut(usize::from(table)).commit(rows) };
    }

    /// Makes the `rows` rows at [`Filling::next_rows`] part of the batch, one behind the other.
    ///
    /// # Safety
    /// As [`Filling::commit`], for each of them.
    #[inline(always)]
    pub unsafe fn commit_run(&mut self, table: u16, code: u16, rows: usize) {
        if cfg!(debug_assertions) {
            self.left = self.left.checked_sub(rows).expect("not more rows than were asked for");
        }
        // SAFETY: the caller vouches for the table, and has written the rows; there is memory for their entries.
        unsafe {
            let table_rows = self.tables.get_unchecked_mut(usize::from(table));
            let first = u64::from(table) | u64::from(code) << 16 | (table_rows.len() as u64) << 32;
            table_rows.commit(rows);
            for (entry, index) in (first..).step_by(1 << 32).zip(0..rows) {
                self.entry_at.add(index).write(entry.to_le_bytes());
            }
            self.entry_at = self.entry_at.add(rows);
        }
    }

    /// Takes rows of `table` away, so that `rows` are left.
    pub fn truncate(&mut self, table: u16, rows: usize) {
        let table = &mut self.tables[usize::from(table)];
        table.undo(table.len() - rows);
    }

    /// Makes the row at [`Filling::free_row`] part of the batch.
    ///
    /// # Safety
    /// As [`Filling::has_room`]; there was room for the row, all of its bytes have been written, and there are not more rows
    /// than were asked for.
    #[inline(always)]
    pub unsafe fn commit(&mut self, table: u16, code: u16) {
        if cfg!(debug_assertions) {
            self.left = self.left.checked_sub(1).expect("not more rows than were asked for");
        }
        // SAFETY: the caller vouches for the table, and has written the row; there is memory for its entry.
        unsafe {
            let rows = self.tables.get_unchecked_mut(usize::from(table));
            let entry = u64::from(table) | u64::from(code) << 16 | (rows.len() as u64) << 32;
            rows.commit(1);
            self.entry_at.write(entry.to_le_bytes());
            self.entry_at = self.entry_at.add(1);
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        (self.entry_at.addr() - self.order.free_row().addr()) / ORDER_BYTES
    }

    /// Makes the order of arrival part of the batch; returns the number of rows.
    #[inline]
    pub fn finish(self) -> usize {
        let rows = self.len();
        // SAFETY: so many entries have been written (invariant).
        unsafe { self.order.commit(rows) };
        rows
    }
}

/// Rows of one table that come one behind the other: what they share is looked up once.
///
/// Invariant: the `len` rows before `row`, and as many entries of the order before `entry_at`, have been written; there
/// is memory for `room` rows more.
pub(crate) struct Run<'a> {
    rows: &'a mut Rows,
    order: &'a mut Rows,
    row_bytes: usize,
    row: *mut u8,
    entry_at: *mut [u8; ORDER_BYTES],
    /// Entry of the next row: table, code and index, each in its bits.
    entry: u64,
    room: usize,
    len: usize,
}

impl Run<'_> {
    /// Rows by which the run may grow.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.room
    }

    /// Where the next two rows will stand, aligned to 8 bytes: as many of them as there is room for may be written, and
    /// [`crate::rows::ROW_SLACK_BYTES`] behind each.
    #[inline(always)]
    pub fn rows(&self) -> [*mut u8; 2] {
        [self.row, self.row.wrapping_add(self.row_bytes)]
    }

    /// The first of [`Run::rows`].
    ///
    /// # Safety
    /// All of the row's bytes must have been written.
    #[inline(always)]
    pub unsafe fn written(&self) -> &[u8] {
        // SAFETY: the caller has written the row, and nobody writes while it is borrowed.
        unsafe { std::slice::from_raw_parts(self.row, self.row_bytes) }
    }

    /// Makes the first of [`Run::rows`] part of the run.
    ///
    /// # Safety
    /// There must be [room](Run::room), and all of the row's bytes must have been written.
    #[inline(always)]
    pub unsafe fn commit(&mut self) {
        debug_assert!(self.room > 0);
        // SAFETY: there is room for a row and an entry (the caller vouches for it), so both pointers stay in their tables.
        unsafe {
            self.entry_at.write(self.entry.to_le_bytes());
            self.entry_at = self.entry_at.add(1);
            self.row = self.row.add(self.row_bytes);
        }
        self.entry += 1 << 32;
        self.room -= 1;
        self.len += 1;
    }

    /// Makes the run part of the batch; returns its length.
    #[inline(always)]
    pub fn finish(self) -> usize {
        // SAFETY: so many rows and entries have been written (invariant).
        unsafe {
            self.rows.commit(self.len);
            self.order.commit(self.len);
        }
        self.len
    }
}
