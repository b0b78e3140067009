//! One packet record: where its frame lies ahead of the source's position.

/// Largest frame that is taken for one: what libpcap calls `MAXIMUM_SNAPLEN`. A larger length in a file is damage.
pub(super) const FRAME_BYTES_MAX: usize = 262_144;

#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Unix nanoseconds, where the record has a time.
    pub ts_ns: Option<u64>,
    pub link_type: u32,
    /// First byte of the frame, from the source's position.
    pub start: usize,
    /// Bytes of the frame that are in the file.
    pub captured: usize,
    /// Bytes of the frame that were on the wire.
    pub original: usize,
}

impl Record {
    pub(super) fn was_snapped(&self) -> bool {
        self.captured < self.original
    }
}
