//! The quote of feedhandler's msgpack feed: `[1, instrument_id, bid_price, ask_price, bid_size, ask_size, time]`.

use super::{Packets, SLACK_BYTES, Table, be};

/// A row.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Quote {
    exchange_time_ns: u64,
    bid_price: i64,
    ask_price: i64,
    bid_size: u64,
    ask_size: u64,
    instrument_id: u32,
    message_type: u8,
}

/// What the declaration says stands for a side that is empty.
const NO_PRICE: i64 = i64::MIN;
const QUOTE: u8 = 1;
const HEAD: u8 = 0x97;
/// Its head and seven numbers of nine bytes: one check lets all of it be read.
const MOST_BYTES: usize = 1 + 7 * 9;
const _: () = assert!(MOST_BYTES <= SLACK_BYTES);

/// Decodes payloads of quotes.
#[derive(Debug)]
pub struct Quotes {
    table: Table<Quote>,
}

impl Quotes {
    pub(super) fn new(capacity: usize) -> Self {
        Self { table: Table::new(capacity) }
    }

    pub(super) fn sum(&self) -> u64 {
        let row = |quote: &Quote| {
            let numbers = [
                quote.exchange_time_ns,
                quote.bid_price.cast_unsigned(),
                quote.ask_price.cast_unsigned(),
                quote.bid_size,
                quote.ask_size,
                u64::from(quote.instrument_id),
                u64::from(quote.message_type),
            ];
            numbers.into_iter().fold(0, u64::wrapping_add)
        };
        self.table.rows().iter().map(row).fold(0, u64::wrapping_add)
    }
}

impl Packets for Quotes {
    #[inline]
    fn packet(&mut self, slot: &[u8], len: usize) -> Option<usize> {
        assert!(slot.len() >= len + SLACK_BYTES);
        let before = self.table.len;
        let (mut at, end) = (slot.as_ptr(), slot[..len].as_ptr_range().end);
        while at < end {
            // SAFETY: `at` is in front of `end`, behind which there is slack for the largest quote.
            let (quote, next) = unsafe { quote(at) }?;
            if next > end {
                return None;
            }
            self.table.push(quote);
            at = next;
        }
        Some(self.table.len - before)
    }

    fn clear(&mut self) {
        self.table.len = 0;
    }
}

/// The quote at `from`, and where the next one begins.
///
/// # Safety
/// [`MOST_BYTES`] must be readable at `from`.
#[inline(always)]
unsafe fn quote(from: *const u8) -> Option<(Quote, *const u8)> {
    // SAFETY: the caller vouches for the head and seven numbers, and each of them is at most nine bytes long.
    unsafe {
        if from.cast::<[u8; 2]>().read() != [HEAD, QUOTE] {
            return None;
        }
        let (instrument_id, at) = unsigned(from.add(2))?;
        let (bid_price, at) = price(at)?;
        let (ask_price, at) = price(at)?;
        let (bid_size, at) = unsigned(at)?;
        let (ask_size, at) = unsigned(at)?;
        let (exchange_time_ns, at) = unsigned(at)?;
        let instrument_id = u32::try_from(instrument_id).ok()?;
        let message_type = QUOTE;
        Some((Quote { exchange_time_ns, bid_price, ask_price, bid_size, ask_size, instrument_id, message_type }, at))
    }
}

/// A number that is not negative, and what is behind it.
///
/// # Safety
/// Nine bytes must be readable at `from`.
#[inline(always)]
unsafe fn unsigned(from: *const u8) -> Option<(u64, *const u8)> {
    // SAFETY: the caller vouches for nine bytes, and no form is longer.
    unsafe {
        match *from {
            tag @ 0..=0x7f => Some((u64::from(tag), from.add(1))),
            0xcc => Some((u64::from(*from.add(1)), from.add(2))),
            0xcd => Some((u64::from(be!(u16, from.add(1))), from.add(3))),
            0xce => Some((u64::from(be!(u32, from.add(1))), from.add(5))),
            0xcf => Some((be!(u64, from.add(1)), from.add(9))),
            _ => signed(from).and_then(|(number, next)| Some((u64::try_from(number).ok()?, next))),
        }
    }
}

/// A number in one of the forms for negative ones, and what is behind it.
///
/// # Safety
/// Nine bytes must be readable at `from`.
#[cold]
unsafe fn signed(from: *const u8) -> Option<(i64, *const u8)> {
    // SAFETY: the caller vouches for nine bytes, and no form is longer.
    unsafe {
        match *from {
            tag @ 0xe0..=0xff => Some((i64::from(tag.cast_signed()), from.add(1))),
            0xd0 => Some((i64::from(from.add(1).cast::<i8>().read()), from.add(2))),
            0xd1 => Some((i64::from(be!(i16, from.add(1))), from.add(3))),
            0xd2 => Some((i64::from(be!(i32, from.add(1))), from.add(5))),
            0xd3 => Some((be!(i64, from.add(1)), from.add(9))),
            _ => None,
        }
    }
}

/// A price, or nil where the side is empty, and what is behind it.
///
/// # Safety
/// Nine bytes must be readable at `from`.
#[inline(always)]
unsafe fn price(from: *const u8) -> Option<(i64, *const u8)> {
    // SAFETY: the caller vouches for nine bytes, and no form is longer.
    unsafe {
        match *from {
            tag @ 0..=0x7f => Some((i64::from(tag), from.add(1))),
            0xcc => Some((i64::from(*from.add(1)), from.add(2))),
            0xcd => Some((i64::from(be!(u16, from.add(1))), from.add(3))),
            0xce => Some((i64::from(be!(u32, from.add(1))), from.add(5))),
            0xcf => Some((i64::try_from(be!(u64, from.add(1))).ok()?, from.add(9))),
            0xc0 => Some((NO_PRICE, from.add(1))),
            _ => signed(from),
        }
    }
}
