//! Datagrams that are due together, copied behind one another until the kernel has taken them.

use std::ops::Range;

/// Datagrams handed to the kernel in one call at most.
pub const BATCH_PACKETS: usize = 64;

/// Longest UDP payload over IPv4: 65,535 bytes less the IP and UDP headers.
pub const MAX_PAYLOAD_BYTES: usize = 65_507;

/// One datagram of a batch.
#[derive(Clone, Debug)]
pub struct Packet {
    payload: Range<usize>,
    /// Number of its destination.
    pub to: usize,
    /// When it is due, or `None` where that is whenever it can go.
    pub deadline_ns: Option<u64>,
}

/// Up to [`BATCH_PACKETS`] datagrams in the order in which they are sent.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    packets: Vec<Packet>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { bytes: Vec::with_capacity(BATCH_PACKETS * 2048), packets: Vec::with_capacity(BATCH_PACKETS) }
    }
}

impl Batch {
    /// Adds a datagram behind the others.
    pub fn push(&mut self, deadline_ns: Option<u64>, to: usize, payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.packets.push(Packet { payload: start..self.bytes.len(), to, deadline_ns });
    }

    /// Whether the kernel would not take more in one call.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.packets.len() >= BATCH_PACKETS
    }

    /// The datagrams.
    #[must_use]
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// Bytes of one of the datagrams.
    #[must_use]
    pub fn payload(&self, packet: &Packet) -> &[u8] {
        self.bytes.get(packet.payload.clone()).unwrap_or_default()
    }

    /// Bytes of datagrams that stand behind one another.
    #[must_use]
    pub fn bytes_of(&self, packets: &[Packet]) -> &[u8] {
        let (Some(first), Some(last)) = (packets.first(), packets.last()) else { return &[] };
        self.bytes.get(first.payload.start..last.payload.end).unwrap_or_default()
    }

    /// Sends all of them to another destination.
    pub fn address_to(&mut self, to: usize) {
        for packet in &mut self.packets {
            packet.to = to;
        }
    }

    /// Bytes of the datagrams, which are all `bytes` long.
    pub fn payloads_mut(&mut self, bytes: usize) -> impl Iterator<Item = &mut [u8]> {
        self.bytes.chunks_exact_mut(bytes.max(1))
    }

    /// Forgets the datagrams and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
    }
}
