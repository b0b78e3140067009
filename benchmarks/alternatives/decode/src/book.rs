//! The incremental book of `feedhandler/bench/book.xml`: an SBE message of a root and two groups, one array each.

use super::{Packets, SLACK_BYTES, Table, le};

/// What every row begins with, as in feedhandler's tables.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Head {
    seq: u64,
    ts_recv_ns: u64,
    channel: u16,
    /// Index of the message's root, of entries.
    parent: u32,
}

/// The root of a message.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Root {
    head: Head,
    transact_time: u64,
    match_event_indicator: u8,
}

/// An entry of `NoMDEntries`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Entry {
    head: Head,
    md_entry_px: i64,
    md_entry_size: i32,
    security_id: i32,
    rpt_seq: u32,
    number_of_orders: i32,
    md_price_level: u8,
    md_update_action: u8,
    md_entry_type: u8,
}

/// An entry of `NoOrderIDEntries`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OrderId {
    head: Head,
    order_id: u64,
    display_qty: i32,
    reference_id: u8,
}

/// The packet header: `MsgSeqNum` and `SendingTime`.
const HEADER_BYTES: usize = 12;
/// `MsgSize` and the message header behind it.
const HEAD_BYTES: usize = 10;
const TEMPLATE: u16 = 7;
const SCHEMA: u16 = 9;
const VERSION: u16 = 2;
/// What is known of each block.
const ROOT_BYTES: usize = 9;
const ENTRY_BYTES: usize = 27;
const ORDER_ID_BYTES: usize = 13;
const ENTRY_DIMENSION_BYTES: usize = 3;
const ORDER_ID_DIMENSION_BYTES: usize = 8;

/// Decodes packets of incremental books.
#[derive(Debug)]
pub struct Book {
    roots: Table<Root>,
    entries: Table<Entry>,
    order_ids: Table<OrderId>,
}

impl Book {
    pub(super) fn new(capacity: usize) -> Self {
        Self { roots: Table::new(capacity), entries: Table::new(capacity), order_ids: Table::new(capacity) }
    }

    pub(super) fn sum(&self) -> u64 {
        let signed = |number: i32| i64::from(number).cast_unsigned();
        let root = |row: &Root| (row.transact_time + row.head.seq).wrapping_add(u64::from(row.match_event_indicator));
        let entry = |row: &Entry| {
            let numbers = [
                row.md_entry_px.cast_unsigned(),
                signed(row.md_entry_size),
                signed(row.security_id),
                u64::from(row.rpt_seq),
                signed(row.number_of_orders),
                row.head.seq + u64::from(row.head.parent),
                u64::from(row.md_price_level) + u64::from(row.md_update_action),
            ];
            numbers.into_iter().fold(0, u64::wrapping_add)
        };
        let order_id = |row: &OrderId| {
            let numbers = [
                row.order_id,
                signed(row.display_qty),
                row.head.seq + u64::from(row.head.parent),
                u64::from(row.reference_id),
            ];
            numbers.into_iter().fold(0, u64::wrapping_add)
        };
        let sums = [
            self.roots.rows().iter().map(root).fold(0, u64::wrapping_add),
            self.entries.rows().iter().map(entry).fold(0, u64::wrapping_add),
            self.order_ids.rows().iter().map(order_id).fold(0, u64::wrapping_add),
        ];
        sums.into_iter().fold(0, u64::wrapping_add)
    }

    /// Decodes the message that is `len` bytes at `from`, its size included; false where its lengths lie.
    ///
    /// # Safety
    /// `len` bytes and the slack must be readable at `from`.
    #[inline(always)]
    unsafe fn message(&mut self, head: Head, from: *const u8, len: usize) -> bool {
        // SAFETY: the caller vouches for the message, and every place is checked against its end before it is gone to; the
        // last field of each block ends within the block.
        unsafe {
            if len < HEAD_BYTES
                || le!(u16, from.add(4)) != TEMPLATE
                || le!(u16, from.add(6)) != SCHEMA
                || le!(u16, from.add(8)) != VERSION
            {
                return false;
            }
            let block_bytes = usize::from(le!(u16, from.add(2)));
            let mut at = HEAD_BYTES + block_bytes;
            if block_bytes < ROOT_BYTES || at + ENTRY_DIMENSION_BYTES > len {
                return false;
            }
            let root = from.add(HEAD_BYTES);
            let Ok(parent) = u32::try_from(self.roots.len) else { return false };
            let below = Head { parent, ..head };
            self.roots.push(Root { head, transact_time: le!(u64, root), match_event_indicator: *root.add(8) });

            let (entry_bytes, entries) = (usize::from(le!(u16, from.add(at))), usize::from(*from.add(at + 2)));
            let first = at + ENTRY_DIMENSION_BYTES;
            at = first + entry_bytes * entries;
            if (entries > 0 && entry_bytes < ENTRY_BYTES) || at + ORDER_ID_DIMENSION_BYTES > len {
                return false;
            }
            for entry in 0..entries {
                self.entries.push(entry_at(below, from.add(first + entry * entry_bytes)));
            }

            let (entry_bytes, entries) = (usize::from(le!(u16, from.add(at))), usize::from(*from.add(at + 7)));
            let first = at + ORDER_ID_DIMENSION_BYTES;
            at = first + entry_bytes * entries;
            if (entries > 0 && entry_bytes < ORDER_ID_BYTES) || at > len {
                return false;
            }
            for entry in 0..entries {
                self.order_ids.push(order_id_at(below, from.add(first + entry * entry_bytes)));
            }
        }
        true
    }
}

/// # Safety
/// [`ENTRY_BYTES`] must be readable at `from`.
#[inline(always)]
unsafe fn entry_at(head: Head, from: *const u8) -> Entry {
    // SAFETY: the caller vouches for them.
    unsafe {
        Entry {
            head,
            md_entry_px: le!(i64, from),
            md_entry_size: le!(i32, from.add(8)),
            security_id: le!(i32, from.add(12)),
            rpt_seq: le!(u32, from.add(16)),
            number_of_orders: le!(i32, from.add(20)),
            md_price_level: *from.add(24),
            md_update_action: *from.add(25),
            md_entry_type: *from.add(26),
        }
    }
}

/// # Safety
/// [`ORDER_ID_BYTES`] must be readable at `from`.
#[inline(always)]
unsafe fn order_id_at(head: Head, from: *const u8) -> OrderId {
    // SAFETY: the caller vouches for them.
    unsafe {
        OrderId { head, order_id: le!(u64, from), display_qty: le!(i32, from.add(8)), reference_id: *from.add(12) }
    }
}

impl Packets for Book {
    #[inline]
    fn packet(&mut self, slot: &[u8], len: usize) -> Option<usize> {
        assert!(slot.len() >= len + SLACK_BYTES);
        let before = self.roots.len;
        if len < HEADER_BYTES {
            return None;
        }
        // SAFETY: the header is within the packet.
        let seq = u64::from(unsafe { le!(u32, slot.as_ptr()) });
        let head = Head { seq, ts_recv_ns: seq, channel: 0, parent: 0 };
        let mut at = HEADER_BYTES;
        while at < len {
            // SAFETY: `at` is in front of the end, behind which there is slack.
            let message_len = usize::from(unsafe { le!(u16, slot.as_ptr().add(at)) });
            // SAFETY: the message ends within the packet, behind which there is slack.
            if message_len > len - at || !unsafe { self.message(head, slot.as_ptr().add(at), message_len) } {
                return None;
            }
            at += message_len;
        }
        Some(self.roots.len - before)
    }

    fn clear(&mut self) {
        self.roots.len = 0;
        self.entries.len = 0;
        self.order_ids.len = 0;
    }
}
