//! What is handed from the reader of the ring to the thread that writes: datagrams in the order they were taken.

use super::losses::Losses;
use super::summary::Summary;

/// What a chunk takes in memory at most, records and payloads together.
pub(super) const CHUNK_BYTES: usize = 512 << 10;

/// What is known of a datagram besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// When the kernel received it.
    pub ts_ns: u64,
    /// The line's position in the receiver's list.
    pub line: u16,
    /// Who sent it, as the receiver numbers senders.
    pub sender: u32,
    /// How long it was when it was sent.
    pub sent_bytes: u32,
    /// How much of it was received.
    pub len: u32,
    /// What was lost of its line since the datagram before.
    pub losses: Losses,
}

/// Datagrams, and their payloads one behind the other.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub records: Vec<Record>,
    pub bytes: Vec<u8>,
    /// Every datagram from before this instant is in this chunk or an earlier one.
    pub settled_ns: u64,
    /// What the feed had delivered about then.
    pub feed: Summary,
}

impl Chunk {
    /// Whether a payload of that length has room.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.records.is_empty() || self.memory_bytes() + size_of::<Record>() + len <= CHUNK_BYTES
    }

    pub(super) fn push(&mut self, record: Record, payload: &[u8]) {
        self.records.push(record);
        self.bytes.extend_from_slice(payload);
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
    }

    fn memory_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(self.records.as_slice())
    }
}
