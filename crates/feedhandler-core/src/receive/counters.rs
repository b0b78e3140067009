//! What is counted for each line while it is received.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use serde::Serialize;

use crate::wire::LineSocket;

/// A line's counters. The receive thread alone writes them.
#[derive(Debug, Default)]
pub(super) struct LineCounters {
    pub(super) datagrams: AtomicU64,
    pub(super) coalesced: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) truncated: AtomicU64,
    pub(super) socket_drops: AtomicU64,
    pub(super) ring_drops: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) last_errno: AtomicI32,
    pub(super) drained: AtomicBool,
}

/// What a line has counted since it was opened. Of what was sent and reached this machine, each datagram is in
/// `datagrams`, `ring_drops` or `socket_drops`, or waits in the socket.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct LineStats {
    /// Datagrams put into the ring.
    pub datagrams: u64,
    /// Those of them that the kernel had coalesced with others.
    pub coalesced: u64,
    /// Their bytes, as sent.
    pub bytes: u64,
    /// Those of them that were longer than a slot.
    pub truncated: u64,
    /// Datagrams that the kernel dropped at the socket, mostly because its buffer was full. It counts those that it had
    /// coalesced as one.
    pub socket_drops: u64,
    /// Whether the kernel's own counter was read for `socket_drops`. Where it was not, drops since the last datagram are
    /// not in it, and nobody may say that nothing was lost.
    pub socket_drops_read: bool,
    /// Datagrams thrown away because the ring was full.
    pub ring_drops: u64,
    /// System calls that failed.
    pub errors: u64,
    /// Why the last of them failed.
    pub last_error: Option<String>,
    /// Whether the socket was found empty when it was last looked at.
    pub drained: bool,
}

impl LineCounters {
    /// What is counted now, with the kernel's drop counter as it is now.
    pub(super) fn read(&self, socket: &LineSocket) -> LineStats {
        // The total before the kernel's counter: the other way round, the counter might be older.
        let told = self.socket_drops.load(Ordering::Acquire);
        let read = socket.drops(told);
        let errno = self.last_errno.load(Ordering::Relaxed);
        LineStats {
            datagrams: self.datagrams.load(Ordering::Relaxed),
            coalesced: self.coalesced.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            truncated: self.truncated.load(Ordering::Relaxed),
            socket_drops: *read.as_ref().unwrap_or(&told),
            socket_drops_read: read.is_ok(),
            ring_drops: self.ring_drops.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            last_error: (errno != 0).then(|| io::Error::from_raw_os_error(errno).to_string()),
            drained: self.drained.load(Ordering::Relaxed),
        }
    }

    pub(super) fn note_error(&self, error: &io::Error) {
        add(&self.errors, 1);
        self.last_errno.store(error.raw_os_error().unwrap_or(0), Ordering::Relaxed);
    }
}

/// Adds to a counter that no other thread writes: no locked instruction is needed.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}
