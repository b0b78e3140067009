//! Packets that wait for something in front of them, in the order of the sequence, within a bound.

use std::collections::VecDeque;

use super::line::STRAY_DISTANCE_UNITS;
use crate::framing::Packet;
use crate::padded::{Padded, SLACK_BYTES};

/// A packet that waits: a copy, because its slot in the ring is needed.
#[derive(Debug)]
pub struct Held {
    /// First unit.
    pub first: u64,
    /// First unit behind it.
    pub end: u64,
    /// Line it came on.
    pub line: u16,
    /// When it came, for sequencing.
    pub ts_ns: u64,
    /// Its receive stamp.
    pub ts_recv_ns: u64,
    /// Number of messages, where its header said it.
    pub messages: Option<u64>,
    /// What speaks against its place.
    pub(super) doubt: Doubt,
    /// Nothing else that came adjoins it.
    is_alone: bool,
    bytes: Vec<u8>,
    len: usize,
}

impl Held {
    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> Padded<'_> {
        Padded::new(&self.bytes, self.len)
    }

    /// Its units.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.end - self.first
    }
}

/// A packet that comes so many units behind its place may have been overtaken.
const REORDERED_UNITS: u64 = 64;

/// Whether a packet that waits is where its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing speaks against it.
    None,
    /// Its line has gone on in order below it, the last time then.
    Since {
        /// When.
        ts_ns: u64,
    },
    /// Another packet is there.
    Refuted {
        /// It came on the same line.
        by_own_line: bool,
    },
}

/// Packets beyond a hole.
#[derive(Debug)]
pub(super) struct Window {
    held: VecDeque<Held>,
    /// Of these, how many are in doubt.
    doubted: usize,
    most_packets: usize,
    most_bytes: usize,
    bytes: usize,
    /// Memory of packets that wait no more, at most as much as the window may hold.
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
}

impl Window {
    pub fn new(most_packets: usize, most_bytes: usize) -> Self {
        let (held, spare) = (VecDeque::new(), Vec::new());
        Self { held, doubted: 0, most_packets: most_packets.max(1), most_bytes, bytes: 0, spare, spare_bytes: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether nothing more should wait besides so many packets that wait elsewhere: the hole in front is declared lost
    /// then, before its grace time.
    pub fn is_full(&self, elsewhere: usize) -> bool {
        self.held.len() + elsewhere >= self.most_packets || self.bytes >= self.most_bytes
    }

    /// First unit that waits.
    pub fn first(&self) -> Option<u64> {
        self.held.front().map(|held| held.first)
    }

    /// When the first of those that wait came.
    pub fn earliest_ns(&self) -> Option<u64> {
        self.held.iter().map(|held| held.ts_ns).min()
    }

    /// Whether one packet that waits has all of `first..end`.
    pub fn covers(&self, first: u64, end: u64) -> bool {
        let behind = self.held.partition_point(|held| held.first <= first);
        let believed = self.held.range(..behind).rev().filter(|held| held.doubt == Doubt::None);
        believed.take(2).any(|held| held.end >= end)
    }

    /// Whether a packet that waits is in doubt.
    #[inline]
    pub fn has_doubted(&self) -> bool {
        self.doubted > 0
    }

    /// Whether the first packet is in doubt.
    pub fn is_first_doubted(&self) -> bool {
        self.held.front().is_some_and(|held| held.doubt != Doubt::None)
    }

    /// Whether the first packet is alone, several others are behind it, and it is far in front of them, or its line was there
    /// before it.
    pub fn is_first_astray(&self) -> bool {
        let mut held = self.held.iter();
        let (Some(first), Some(second), Some(_)) = (held.next(), held.next(), held.next()) else { return false };
        let distance = second.first.saturating_sub(first.end);
        let has_fallen_back = self.held.iter().any(|other| other.line == first.line && other.ts_ns < first.ts_ns);
        first.is_alone && (distance > STRAY_DISTANCE_UNITS || (distance > REORDERED_UNITS && has_fallen_back))
    }

    /// The first packet, if it begins at `next` or before.
    pub fn reached(&self, next: u64) -> Option<&Held> {
        self.held.front().filter(|held| held.first <= next)
    }

    /// Units of the packets of a line that wait.
    pub fn units_of(&self, line: usize) -> impl Iterator<Item = (u64, u64)> {
        let of_line = self.held.iter().filter(move |held| usize::from(held.line) == line);
        of_line.map(|held| (held.first, held.end))
    }

    /// First unit behind the packets of a line that wait in front of `place`; 0 where none does.
    pub fn furthest_of(&self, line: usize, place: u64) -> u64 {
        self.units_of(line).map(|(_, end)| end).filter(|end| *end < place).max().unwrap_or(0)
    }

    /// Whether a packet of a line that waits ends at `end`.
    pub fn ends_at(&self, line: usize, end: u64) -> bool {
        self.units_of(line).any(|units| units.1 == end)
    }

    /// A line has gone on in order up to `end`: what it alone brought beyond is in doubt.
    #[cold]
    pub fn doubt(&mut self, line: usize, end: u64, ts_ns: u64) {
        let is_beyond = |held: &Held| usize::from(held.line) == line && held.first >= end && held.is_alone;
        for held in self.held.iter_mut().filter(|held| is_beyond(held)) {
            self.doubted += usize::from(held.doubt == Doubt::None);
            if !matches!(held.doubt, Doubt::Refuted { .. }) {
                held.doubt = Doubt::Since { ts_ns };
            }
        }
    }

    /// A packet that continues one in doubt, or is its copy, says that it is where its header says.
    #[cold]
    pub fn confirm(&mut self, first: u64, end: u64, payload: Padded<'_>) {
        for held in self.held.iter_mut().filter(|held| matches!(held.doubt, Doubt::Since { .. })) {
            let is_copied = (held.first, held.end) == (first, end) && held.payload().bytes() == payload.bytes();
            if is_copied || first == held.end {
                held.doubt = Doubt::None;
                self.doubted -= 1;
            }
        }
    }

    /// A packet that can be used has the place of one in doubt.
    #[cold]
    pub fn refute(&mut self, line: usize, first: u64, end: u64) {
        for held in self.held.iter_mut().filter(|held| held.doubt != Doubt::None) {
            let is_same = (held.first, held.end) == (first, end);
            let by_own_line = usize::from(held.line) == line && first < held.end && held.first < end;
            if by_own_line || (is_same && !matches!(held.doubt, Doubt::Refuted { .. })) {
                held.doubt = Doubt::Refuted { by_own_line };
            }
        }
    }

    pub fn insert(&mut self, line: usize, first: u64, packet: &Packet<'_>, times_ns: [u64; 2]) {
        let held = self.copy(line, first, packet, times_ns);
        self.put(held);
    }

    /// Puts a copied packet in its place.
    pub fn put(&mut self, mut held: Held) {
        let at = self.held.partition_point(|other| other.first <= held.first);
        if let Some(before) = at.checked_sub(1).and_then(|before| self.held.get_mut(before))
            && before.end == held.first
        {
            (before.is_alone, held.is_alone) = (false, false);
        }
        if let Some(behind) = self.held.get_mut(at)
            && behind.first == held.end
        {
            (behind.is_alone, held.is_alone) = (false, false);
        }
        self.bytes += held.bytes.len();
        self.held.insert(at, held);
    }

    /// A copy of a packet, in memory that waited for it where there is some; its times are `ts_ns` and `ts_recv_ns`.
    pub fn copy(&mut self, line: usize, first: u64, packet: &Packet<'_>, times_ns: [u64; 2]) -> Held {
        let [ts_ns, ts_recv_ns] = times_ns;
        let mut bytes = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= bytes.capacity();
        bytes.clear();
        bytes.reserve(packet.payload.len() + SLACK_BYTES);
        bytes.extend_from_slice(packet.payload.bytes());
        bytes.resize(packet.payload.len() + SLACK_BYTES, 0);
        Held {
            first,
            end: first.saturating_add(packet.units),
            line: u16::try_from(line).unwrap_or(crate::event::NO_LINE),
            ts_ns,
            ts_recv_ns,
            messages: packet.messages,
            doubt: Doubt::None,
            is_alone: true,
            bytes,
            len: packet.payload.len(),
        }
    }

    /// Takes the memory of a packet back that waits no more.
    pub fn recycle(&mut self, held: Held) {
        let bytes = held.bytes.capacity();
        if self.spare.len() < self.most_packets && self.spare_bytes + bytes <= self.most_bytes {
            self.spare_bytes += bytes;
            self.spare.push(held.bytes);
        }
    }

    /// Takes the first packet.
    pub fn pop(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.bytes -= held.bytes.len();
        self.doubted -= usize::from(held.doubt != Doubt::None);
        Some(held)
    }
}
