//! Packets that wait for something in front of them, in the order of the sequence, within a bound.

use std::collections::VecDeque;

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

/// Packets beyond a hole.
#[derive(Debug)]
pub(super) struct Window {
    held: VecDeque<Held>,
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
        Self { held, most_packets: most_packets.max(1), most_bytes, bytes: 0, spare, spare_bytes: 0 }
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
        self.held.range(..behind).rev().take(2).any(|held| held.end >= end)
    }

    pub fn insert(&mut self, line: usize, first: u64, packet: &Packet<'_>, times_ns: [u64; 2]) {
        let held = self.copy(line, first, packet, times_ns);
        self.put(held);
    }

    /// Puts a copied packet in its place.
    pub fn put(&mut self, held: Held) {
        let at = self.held.partition_point(|other| other.first <= held.first);
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

    /// Takes the first packet if it begins at `next` or before.
    pub fn pop_reached(&mut self, next: u64) -> Option<Held> {
        if self.first()? > next {
            return None;
        }
        let held = self.held.pop_front()?;
        self.bytes -= held.bytes.len();
        Some(held)
    }
}
