//! What a slot of the ring is made of: a header, a payload and slack.
//!
//! ```text
//! slot, stride_bytes long, at an address divisible by 128
//! ├── 0              SlotHeader (FIELDS), up to HEADER_BYTES
//! ├── HEADER_BYTES   payload: room for slot_bytes, of which the first `len` hold the datagram
//! └── …              slack, at least SLACK_BYTES
//! ```

use std::fmt;
use std::mem::offset_of;

use crate::padded::{Padded, SLACK_BYTES};

/// Where the payload begins in a slot.
pub const HEADER_BYTES: usize = 64;

/// Slots start at addresses divisible by this: a pair of cache lines, which processors fetch together.
pub const SLOT_ALIGN_BYTES: usize = 128;

/// The longest payload that a slot can be made for: no UDP datagram is longer.
pub const MAX_SLOT_BYTES: usize = 65_535;

/// Slots that a ring may have at most.
pub const MAX_SLOTS: usize = 1 << 24;

/// What is known of a datagram besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SlotHeader {
    /// When it was received: the network card's stamp where it makes one, by its clock, and else the kernel's.
    pub ts_recv_ns: u64,
    /// When the kernel received it: its stamp, `CLOCK_REALTIME`.
    pub ts_kernel_ns: u64,
    /// When it was taken from the socket, `CLOCK_REALTIME`. One reading serves all that one system call took.
    pub taken_ns: u64,
    /// Datagrams that the kernel had dropped at this socket, since it was opened, when this one was queued. While a line is
    /// never found empty, the number comes with the last datagram of each system call, and stands for those before it.
    pub socket_drops: u64,
    /// Datagrams of this line that had found the ring full, when this one was taken.
    pub ring_drops: u64,
    /// Bytes of payload in the slot.
    pub len: u32,
    /// Length of each datagram but the last, where the kernel coalesced several; 0 where it is one.
    pub segment_bytes: u32,
    /// How many datagrams they are. Where it was never set, one.
    pub datagrams: u32,
    /// The line's position in the list that the receiver was started with.
    pub line: u16,
    /// What was unusual.
    pub flags: SlotFlags,
    /// Bytes that were sent: more than `len` where the end did not fit.
    pub sent_bytes: u32,
    /// Who sent it, as the receiver's [`Senders`](crate::receive::Senders) number it; 0 where that was not asked for.
    pub sender: u32,
}

/// What was unusual about a datagram, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct SlotFlags(pub u16);

impl SlotFlags {
    /// The datagram was longer than the slot: its end is lost.
    pub const TRUNCATED: Self = Self(1);
    /// The kernel gave no stamp: `taken_ns` stands in.
    pub const UNSTAMPED: Self = Self(2);
    /// It is not from one of the line's sources.
    pub const OTHER_SOURCE: Self = Self(4);

    /// Whether all bits of `flags` are set.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// `flags` where `condition` holds, else none.
    #[must_use]
    pub fn when(flags: Self, condition: bool) -> Self {
        if condition { flags } else { Self::default() }
    }
}

impl std::ops::BitOr for SlotFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One field of [`SlotHeader`]: what a numpy dtype is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// Its name.
    pub name: &'static str,
    /// Its offset in the slot, in bytes.
    pub offset: usize,
    /// Its width, in bytes; every field is an unsigned integer in native byte order.
    pub width: usize,
}

/// The fields of [`SlotHeader`].
pub const FIELDS: [HeaderField; 12] = [
    HeaderField { name: "ts_recv_ns", offset: offset_of!(SlotHeader, ts_recv_ns), width: 8 },
    HeaderField { name: "ts_kernel_ns", offset: offset_of!(SlotHeader, ts_kernel_ns), width: 8 },
    HeaderField { name: "taken_ns", offset: offset_of!(SlotHeader, taken_ns), width: 8 },
    HeaderField { name: "socket_drops", offset: offset_of!(SlotHeader, socket_drops), width: 8 },
    HeaderField { name: "ring_drops", offset: offset_of!(SlotHeader, ring_drops), width: 8 },
    HeaderField { name: "len", offset: offset_of!(SlotHeader, len), width: 4 },
    HeaderField { name: "segment_bytes", offset: offset_of!(SlotHeader, segment_bytes), width: 4 },
    HeaderField { name: "datagrams", offset: offset_of!(SlotHeader, datagrams), width: 4 },
    HeaderField { name: "line", offset: offset_of!(SlotHeader, line), width: 2 },
    HeaderField { name: "flags", offset: offset_of!(SlotHeader, flags), width: 2 },
    HeaderField { name: "sent_bytes", offset: offset_of!(SlotHeader, sent_bytes), width: 4 },
    HeaderField { name: "sender", offset: offset_of!(SlotHeader, sender), width: 4 },
];

/// A received datagram, or several that the kernel had coalesced.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// What is known of it.
    pub header: &'a SlotHeader,
    /// Its bytes, with slack behind them.
    pub payload: Padded<'a>,
}

impl<'a> Slot<'a> {
    /// The datagrams in it, oldest first, each where the kernel has put it, with what can be read behind it.
    #[must_use]
    pub fn datagrams(&self) -> Datagrams<'a> {
        let segment_bytes = match self.header.segment_bytes {
            0 => self.payload.len(),
            bytes => bytes as usize,
        };
        Datagrams { slot: self.payload.slot(), left: self.payload.len(), segment_bytes, count: self.count() }
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.header.datagrams.max(1) as usize
    }
}

/// The datagrams of a slot.
///
/// Invariant: `left <= slot.len()`.
#[derive(Clone, Debug)]
pub struct Datagrams<'a> {
    slot: &'a [u8],
    left: usize,
    segment_bytes: usize,
    count: usize,
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = Padded<'a>;

    #[inline]
    fn next(&mut self) -> Option<Padded<'a>> {
        self.count = self.count.checked_sub(1)?;
        let len = self.left.min(self.segment_bytes);
        let datagram = Padded::new(self.slot, len);
        (self.slot, self.left) = (&self.slot[len..], self.left - len);
        Some(datagram)
    }
}

/// How many slots a ring has, and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLayout {
    slots: usize,
    slot_bytes: usize,
}

impl SlotLayout {
    /// `slots` slots for payloads of up to `slot_bytes`.
    ///
    /// # Errors
    /// `slots` is not a power of two up to [`MAX_SLOTS`], or `slot_bytes` is 0 or above [`MAX_SLOT_BYTES`].
    pub fn new(slots: usize, slot_bytes: usize) -> Result<Self, LayoutError> {
        if !slots.is_power_of_two() || slots > MAX_SLOTS {
            let nearest = slots.checked_next_power_of_two().map_or(MAX_SLOTS, |nearest| nearest.min(MAX_SLOTS));
            let expected = format!("a power of two up to {MAX_SLOTS}, such as {nearest}");
            return Err(LayoutError { setting: "slots", expected, found: slots });
        }
        if slot_bytes == 0 || slot_bytes > MAX_SLOT_BYTES {
            let expected = format!("1 to {MAX_SLOT_BYTES}");
            return Err(LayoutError { setting: "slot_bytes", expected, found: slot_bytes });
        }
        Ok(Self { slots, slot_bytes })
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Longest payload, in bytes.
    #[must_use]
    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// Distance from one slot to the next.
    ///
    /// An odd number of cache line pairs, because the headers of slots at a distance of a power of two would share a few
    /// sets of the cache and push each other out of it.
    #[must_use]
    pub fn stride_bytes(&self) -> usize {
        let pairs = (HEADER_BYTES + self.slot_bytes + SLACK_BYTES).div_ceil(SLOT_ALIGN_BYTES);
        (pairs | 1) * SLOT_ALIGN_BYTES
    }

    /// Memory that is enough wherever it starts.
    #[must_use]
    pub fn arena_bytes(&self) -> usize {
        self.slots * self.stride_bytes() + SLOT_ALIGN_BYTES - 1
    }
}

/// Why a ring cannot be made so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutError {
    /// What is wrong: `slots`, `slot_bytes` or `arena_bytes`.
    pub setting: &'static str,
    /// What would be right.
    pub expected: String,
    /// What it is.
    pub found: usize,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.setting, self.expected, self.found)
    }
}

impl std::error::Error for LayoutError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_cover_the_header_without_a_hole() {
        let mut end = 0;
        for field in FIELDS {
            assert_eq!(field.offset, end, "{}", field.name);
            end += field.width;
        }
        assert_eq!(end, size_of::<SlotHeader>());
        assert!(end <= HEADER_BYTES);
    }

    #[test]
    fn a_slot_has_room_for_header_payload_and_slack_at_an_odd_number_of_line_pairs() {
        for slot_bytes in [1, 63, 64, 1472, 2048, 9216, MAX_SLOT_BYTES] {
            let layout = SlotLayout::new(8, slot_bytes).unwrap();
            assert!(layout.stride_bytes() >= HEADER_BYTES + slot_bytes + SLACK_BYTES);
            assert_eq!(layout.stride_bytes() / SLOT_ALIGN_BYTES % 2, 1);
            assert_eq!(layout.stride_bytes() % SLOT_ALIGN_BYTES, 0);
        }
    }

    #[test]
    fn coalesced_datagrams_are_told_apart_in_place() {
        let bytes: Vec<u8> = (0..200).collect();
        let split = |len, segment_bytes, datagrams| {
            let header = SlotHeader { segment_bytes, datagrams, ..SlotHeader::default() };
            let slot = Slot { header: &header, payload: Padded::new(&bytes, len) };
            slot.datagrams().map(|datagram| datagram.bytes().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(split(70, 30, 3), [&bytes[..30], &bytes[30..60], &bytes[60..70]]);
        assert_eq!(split(60, 30, 2), [&bytes[..30], &bytes[30..60]]);
        assert_eq!(split(60, 0, 1), [&bytes[..60]]);
        assert_eq!(split(0, 0, 0), [&bytes[..0]]);
        let header = SlotHeader { segment_bytes: 30, datagrams: 3, ..SlotHeader::default() };
        let slot = Slot { header: &header, payload: Padded::new(&bytes, 70) };
        assert!(slot.datagrams().all(|datagram| datagram.has_slack()));
    }

    #[test]
    fn impossible_layouts_are_refused_with_what_would_do() {
        let refused = SlotLayout::new(10_000, 2048).unwrap_err();
        assert_eq!((refused.setting, refused.found), ("slots", 10_000));
        assert_eq!(refused.to_string(), "slots: expected a power of two up to 16777216, such as 16384, found 10000");
        for slots in [0, MAX_SLOTS * 2, usize::MAX] {
            assert_eq!(SlotLayout::new(slots, 2048).unwrap_err().setting, "slots");
        }
        for slot_bytes in [0, MAX_SLOT_BYTES + 1, usize::MAX] {
            assert_eq!(SlotLayout::new(8, slot_bytes).unwrap_err().setting, "slot_bytes");
        }
    }
}
