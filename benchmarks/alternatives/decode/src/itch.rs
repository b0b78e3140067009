//! The order messages of Nasdaq TotalView-ITCH 5.0 in `MoldUDP64` packets, one array a type.
//!
//! Source: Nasdaq TotalView-ITCH 5.0, sections 1.3 to 1.5; `MoldUDP64` Protocol Specification 1.00, "Downstream Packet".

use super::{Packets, SLACK_BYTES, Table, be};

/// What every message begins with.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Head {
    seq: u64,
    timestamp: u64,
    stock_locate: u16,
    tracking_number: u16,
}

/// `A` and `F` (1.3.1, 1.3.2): the attribution is four spaces for `A`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct AddOrder {
    head: Head,
    order_reference_number: u64,
    stock: [u8; 8],
    shares: u32,
    price: u32,
    attribution: [u8; 4],
    buy_sell_indicator: u8,
}

/// `E` and `C` (1.4.1, 1.4.2): the price is 0 and printable 0 for `E`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OrderExecuted {
    head: Head,
    order_reference_number: u64,
    match_number: u64,
    executed_shares: u32,
    execution_price: u32,
    printable: u8,
}

/// `X` (1.4.3).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OrderCancel {
    head: Head,
    order_reference_number: u64,
    cancelled_shares: u32,
}

/// `D` (1.4.4).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OrderDelete {
    head: Head,
    order_reference_number: u64,
}

/// `U` (1.4.5).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OrderReplace {
    head: Head,
    original_order_reference_number: u64,
    new_order_reference_number: u64,
    shares: u32,
    price: u32,
}

/// `P` (1.5.1).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Trade {
    head: Head,
    order_reference_number: u64,
    match_number: u64,
    stock: [u8; 8],
    shares: u32,
    price: u32,
    buy_sell_indicator: u8,
}

const SESSION_BYTES: usize = 10;
const HEADER_BYTES: usize = 20;
const LENGTH_BYTES: usize = 2;
const END_OF_SESSION: u16 = 0xFFFF;

/// Decodes packets of one session.
#[derive(Debug)]
pub struct Itch {
    session: [u8; SESSION_BYTES],
    expected: u64,
    missed: u64,
    other: u64,
    adds: Table<AddOrder>,
    attributed_adds: Table<AddOrder>,
    executions: Table<OrderExecuted>,
    priced_executions: Table<OrderExecuted>,
    cancels: Table<OrderCancel>,
    deletes: Table<OrderDelete>,
    replaces: Table<OrderReplace>,
    trades: Table<Trade>,
}

impl Itch {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            session: [0; SESSION_BYTES],
            expected: 0,
            missed: 0,
            other: 0,
            adds: Table::new(capacity),
            attributed_adds: Table::new(capacity),
            executions: Table::new(capacity),
            priced_executions: Table::new(capacity),
            cancels: Table::new(capacity),
            deletes: Table::new(capacity),
            replaces: Table::new(capacity),
            trades: Table::new(capacity),
        }
    }

    /// Whether the packet is the next one; a session or a sequence that begins again is followed.
    #[inline]
    fn is_next(&mut self, session: [u8; SESSION_BYTES], sequence: u64, count: u16) -> bool {
        if session != self.session || sequence == 1 {
            (self.session, self.expected) = (session, sequence);
        }
        if sequence < self.expected {
            return false;
        }
        self.missed += sequence - self.expected;
        self.expected = sequence + u64::from(count);
        true
    }

    /// Decodes the message of `len` bytes at `from`; false where it is shorter than its type.
    ///
    /// # Safety
    /// `len` bytes and [`SLACK_BYTES`] must be readable at `from`.
    #[inline(always)]
    unsafe fn message(&mut self, seq: u64, from: *const u8, len: usize) -> bool {
        // SAFETY: the fields of every type stand within its length, which is compared with `len` or is within the slack.
        unsafe {
            let head = Head {
                seq,
                stock_locate: be!(u16, from.add(1)),
                tracking_number: be!(u16, from.add(3)),
                timestamp: be!(u64, from.add(3)) & 0xFFFF_FFFF_FFFF,
            };
            let order_reference_number = be!(u64, from.add(11));
            let declared = match *from {
                b'A' => {
                    self.adds.push(add_order(from, head, *b"    "));
                    36
                }
                b'F' => {
                    self.attributed_adds.push(add_order(from, head, from.add(36).cast::<[u8; 4]>().read()));
                    40
                }
                b'E' => {
                    let (executed_shares, match_number) = (be!(u32, from.add(19)), be!(u64, from.add(23)));
                    self.executions.push(OrderExecuted {
                        head,
                        order_reference_number,
                        match_number,
                        executed_shares,
                        execution_price: 0,
                        printable: 0,
                    });
                    31
                }
                b'C' => {
                    self.priced_executions.push(OrderExecuted {
                        head,
                        order_reference_number,
                        match_number: be!(u64, from.add(23)),
                        executed_shares: be!(u32, from.add(19)),
                        execution_price: be!(u32, from.add(32)),
                        printable: *from.add(31),
                    });
                    36
                }
                b'X' => {
                    let cancelled_shares = be!(u32, from.add(19));
                    self.cancels.push(OrderCancel { head, order_reference_number, cancelled_shares });
                    23
                }
                b'D' => {
                    self.deletes.push(OrderDelete { head, order_reference_number });
                    19
                }
                b'U' => {
                    self.replaces.push(OrderReplace {
                        head,
                        original_order_reference_number: order_reference_number,
                        new_order_reference_number: be!(u64, from.add(19)),
                        shares: be!(u32, from.add(27)),
                        price: be!(u32, from.add(31)),
                    });
                    35
                }
                b'P' => {
                    self.trades.push(Trade {
                        head,
                        order_reference_number,
                        match_number: be!(u64, from.add(36)),
                        stock: from.add(24).cast::<[u8; 8]>().read(),
                        shares: be!(u32, from.add(20)),
                        price: be!(u32, from.add(32)),
                        buy_sell_indicator: *from.add(19),
                    });
                    44
                }
                _ => {
                    self.other += 1;
                    0
                }
            };
            len >= declared
        }
    }

    /// Sum of all numeric columns of all rows that feedhandler has as well.
    pub(super) fn sum(&self) -> u64 {
        let head = |head: &Head| {
            [head.seq, head.timestamp, u64::from(head.stock_locate), u64::from(head.tracking_number)]
                .iter()
                .sum::<u64>()
        };
        let add = |row: &AddOrder| {
            head(&row.head) + row.order_reference_number + u64::from(row.shares) + u64::from(row.price)
        };
        let executed = |row: &OrderExecuted| {
            let amounts = u64::from(row.executed_shares) + u64::from(row.execution_price);
            head(&row.head) + row.order_reference_number + row.match_number + amounts
        };
        let replaced = |row: &OrderReplace| {
            let orders = row.original_order_reference_number + row.new_order_reference_number;
            head(&row.head) + orders + u64::from(row.shares) + u64::from(row.price)
        };
        let trade = |row: &Trade| {
            let amounts = u64::from(row.shares) + u64::from(row.price);
            head(&row.head) + row.order_reference_number + row.match_number + amounts
        };
        let cancelled =
            |row: &OrderCancel| head(&row.head) + row.order_reference_number + u64::from(row.cancelled_shares);
        let deleted = |row: &OrderDelete| head(&row.head) + row.order_reference_number;
        let adds = self.adds.rows().iter().chain(self.attributed_adds.rows());
        let executions = self.executions.rows().iter().chain(self.priced_executions.rows());
        [
            adds.map(add).fold(0, u64::wrapping_add),
            executions.map(executed).fold(0, u64::wrapping_add),
            self.cancels.rows().iter().map(cancelled).fold(0, u64::wrapping_add),
            self.deletes.rows().iter().map(deleted).fold(0, u64::wrapping_add),
            self.replaces.rows().iter().map(replaced).fold(0, u64::wrapping_add),
            self.trades.rows().iter().map(trade).fold(0, u64::wrapping_add),
        ]
        .into_iter()
        .fold(0, u64::wrapping_add)
    }
}

/// # Safety
/// 36 bytes must be readable at `from`.
#[inline(always)]
unsafe fn add_order(from: *const u8, head: Head, attribution: [u8; 4]) -> AddOrder {
    // SAFETY: the caller vouches for 36 bytes.
    unsafe {
        AddOrder {
            head,
            order_reference_number: be!(u64, from.add(11)),
            stock: from.add(24).cast::<[u8; 8]>().read(),
            shares: be!(u32, from.add(20)),
            price: be!(u32, from.add(32)),
            attribution,
            buy_sell_indicator: *from.add(19),
        }
    }
}

impl Packets for Itch {
    #[inline]
    fn packet(&mut self, slot: &[u8], len: usize) -> Option<usize> {
        assert!(slot.len() >= len + SLACK_BYTES);
        if len < HEADER_BYTES {
            return None;
        }
        let from = slot.as_ptr();
        // SAFETY: the header is within the packet.
        let (session, sequence, count) =
            unsafe { (from.cast::<[u8; SESSION_BYTES]>().read(), be!(u64, from.add(10)), be!(u16, from.add(18))) };
        if count == END_OF_SESSION || !self.is_next(session, sequence, count) {
            return Some(0);
        }
        let mut at = HEADER_BYTES;
        for place in 0..u64::from(count) {
            // SAFETY: `at` is at most `len`, behind which there is slack.
            let message_len = usize::from(unsafe { be!(u16, from.add(at)) });
            let start = at + LENGTH_BYTES;
            at = start + message_len;
            if at > len || message_len == 0 {
                return None;
            }
            // SAFETY: the message ends within the packet, behind which there is slack.
            if !unsafe { self.message(sequence + place, from.add(start), message_len) } {
                return None;
            }
        }
        Some(usize::from(count))
    }

    fn clear(&mut self) {
        self.adds.len = 0;
        self.attributed_adds.len = 0;
        self.executions.len = 0;
        self.priced_executions.len = 0;
        self.cancels.len = 0;
        self.deletes.len = 0;
        self.replaces.len = 0;
        self.trades.len = 0;
    }
}
