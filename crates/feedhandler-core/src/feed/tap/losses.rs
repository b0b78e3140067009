//! Datagrams of a line that are not in the capture, by where they were lost.

use std::ops::AddAssign;

/// Datagrams of a line that are not in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Dropped by the kernel at the socket.
    pub socket: u64,
    /// Dropped because the ring was full.
    pub ring: u64,
    /// Received, but too much waited for the disk.
    pub queue: u64,
    /// Received, but the disk refused.
    pub disk: u64,
    /// From none of the line's sources: these are no loss.
    pub other_source: u64,
}

impl Losses {
    /// How many a reader of the capture misses.
    pub(super) fn total(&self) -> u64 {
        self.socket + self.ring + self.queue + self.disk
    }
}

impl AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        self.socket += other.socket;
        self.ring += other.ring;
        self.queue += other.queue;
        self.disk += other.disk;
        self.other_source += other.other_source;
    }
}
