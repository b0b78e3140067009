//! Decoders written by hand for one protocol each, as fast as their author could make them.
//!
//! They are the yardstick of `feedhandler bench decode`, which calls them in its own process on the very bytes that
//! feedhandler decodes. Like it they check every length, read up to 64 bytes behind a packet (its slot has them), and
//! write rows of whole messages; unlike it they know their messages at compile time and keep no ledger and no digest.

mod book;
mod itch;
mod quotes;

pub use book::{Book, Entry, Head, OrderId, Root};
pub use itch::{AddOrder, Itch, OrderCancel, OrderDelete, OrderExecuted, OrderReplace, Trade};
pub use quotes::{Quote, Quotes};

/// Bytes behind a packet that may be read.
pub const SLACK_BYTES: usize = 64;
/// Messages after which the arrays are filled from their beginning again.
const BATCH_MESSAGES: usize = 8192;

/// Where a packet, or what is behind its header, stands in the arena.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Place {
    /// Offset of its first byte.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
}

/// Something that decodes packets into arrays.
trait Packets {
    /// Decodes one packet; the messages in it, or none where it is malformed.
    fn packet(&mut self, slot: &[u8], len: usize) -> Option<usize>;

    /// Fills the arrays from their beginning again.
    fn clear(&mut self);
}

/// Decodes all packets `rounds` times; messages, or `u64::MAX` where a packet is malformed.
///
/// With one round nothing is cleared on the way, so that all rows are there to be looked at.
fn run(decoder: &mut impl Packets, arena: &[u8], places: &[Place], rounds: usize) -> u64 {
    let mut messages = 0;
    let mut in_batch = 0;
    decoder.clear();
    for _ in 0..rounds {
        for place in places {
            #[expect(clippy::cast_possible_truncation, reason = "the arena is in memory, so its offsets fit")]
            let (offset, len) = (place.offset as usize, place.len as usize);
            let Some(found) = decoder.packet(&arena[offset..offset + len + SLACK_BYTES], len) else { return u64::MAX };
            messages += found as u64;
            in_batch += found;
            if in_batch >= BATCH_MESSAGES && rounds > 1 {
                in_batch = 0;
                decoder.clear();
            }
        }
    }
    messages
}

/// Rows of one message type, in memory that was there before the first.
#[derive(Debug)]
struct Table<T> {
    rows: Box<[T]>,
    len: usize,
}

impl<T: Copy + Default> Table<T> {
    fn new(capacity: usize) -> Self {
        Self { rows: vec![T::default(); capacity].into_boxed_slice(), len: 0 }
    }

    #[inline(always)]
    fn push(&mut self, row: T) {
        self.rows[self.len] = row;
        self.len += 1;
    }

    fn rows(&self) -> &[T] {
        &self.rows[..self.len]
    }
}

/// Reads a big-endian number.
///
/// # Safety
/// As many bytes as the number has must be readable at `from`.
macro_rules! be {
    ($number:ty, $from:expr) => {
        <$number>::from_be_bytes($from.cast::<[u8; size_of::<$number>()]>().read_unaligned())
    };
}
use be;

/// Memory that Python says is there.
///
/// # Safety
/// `arena_bytes` bytes must be readable at `arena`, and `packets` places at `places`, for as long as the slices live.
unsafe fn borrowed<'a>(
    arena: *const u8,
    arena_bytes: usize,
    places: *const Place,
    packets: usize,
) -> (&'a [u8], &'a [Place]) {
    // SAFETY: the caller vouches for both.
    unsafe { (std::slice::from_raw_parts(arena, arena_bytes), std::slice::from_raw_parts(places, packets)) }
}

/// A decoder of quotes with room for `capacity` rows.
#[unsafe(no_mangle)]
pub extern "C" fn quotes_new(capacity: usize) -> *mut Quotes {
    Box::into_raw(Box::new(Quotes::new(capacity)))
}

/// Decodes payloads of quotes: see [`run`].
///
/// # Safety
/// As [`borrowed`]; `quotes` must come from [`quotes_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quotes_run(
    quotes: *mut Quotes,
    arena: *const u8,
    arena_bytes: usize,
    places: *const Place,
    packets: usize,
    rounds: usize,
) -> u64 {
    // SAFETY: the caller vouches for all of them.
    let (quotes, (arena, places)) = unsafe { (&mut *quotes, borrowed(arena, arena_bytes, places, packets)) };
    run(quotes, arena, places, rounds)
}

/// Sum of all columns of all rows, modulo 2^64.
///
/// # Safety
/// `quotes` must come from [`quotes_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quotes_sum(quotes: *const Quotes) -> u64 {
    // SAFETY: the caller vouches for it.
    unsafe { &*quotes }.sum()
}

/// Reads a little-endian number.
///
/// # Safety
/// As many bytes as the number has must be readable at `from`.
macro_rules! le {
    ($number:ty, $from:expr) => {
        <$number>::from_le_bytes($from.cast::<[u8; size_of::<$number>()]>().read_unaligned())
    };
}
use le;

/// A decoder of incremental books with room for `capacity` rows of each kind.
#[unsafe(no_mangle)]
pub extern "C" fn book_new(capacity: usize) -> *mut Book {
    Box::into_raw(Box::new(Book::new(capacity)))
}

/// Decodes packets of incremental books: see [`run`].
///
/// # Safety
/// As [`borrowed`]; `book` must come from [`book_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn book_run(
    book: *mut Book,
    arena: *const u8,
    arena_bytes: usize,
    places: *const Place,
    packets: usize,
    rounds: usize,
) -> u64 {
    // SAFETY: the caller vouches for all of them.
    let (book, (arena, places)) = unsafe { (&mut *book, borrowed(arena, arena_bytes, places, packets)) };
    run(book, arena, places, rounds)
}

/// Sum of all numeric columns of all rows, modulo 2^64.
///
/// # Safety
/// `book` must come from [`book_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn book_sum(book: *const Book) -> u64 {
    // SAFETY: the caller vouches for it.
    unsafe { &*book }.sum()
}

/// A decoder of ITCH with room for `capacity` rows of each type.
#[unsafe(no_mangle)]
pub extern "C" fn itch_new(capacity: usize) -> *mut Itch {
    Box::into_raw(Box::new(Itch::new(capacity)))
}

/// Decodes `MoldUDP64` packets of ITCH: see [`run`].
///
/// # Safety
/// As [`borrowed`]; `itch` must come from [`itch_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn itch_run(
    itch: *mut Itch,
    arena: *const u8,
    arena_bytes: usize,
    places: *const Place,
    packets: usize,
    rounds: usize,
) -> u64 {
    // SAFETY: the caller vouches for all of them.
    let (itch, (arena, places)) = unsafe { (&mut *itch, borrowed(arena, arena_bytes, places, packets)) };
    run(itch, arena, places, rounds)
}

/// Sum of all numeric columns of all rows, modulo 2^64.
///
/// # Safety
/// `itch` must come from [`itch_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn itch_sum(itch: *const Itch) -> u64 {
    // SAFETY: the caller vouches for it.
    unsafe { &*itch }.sum()
}
