//! How live lines are captured.

use std::path::PathBuf;

use serde::Deserialize;

/// How live lines are captured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureOptions {
    /// The first file, whose name ends in `.pcapng` or `.pcapng.zst`; others are numbered after it.
    pub path: PathBuf,
    /// Bytes after which the next file begins.
    pub rotate_bytes: Option<u64>,
    /// Age after which the next file begins, with the next packet.
    pub rotate_ns: Option<u64>,
    /// What waits for the disk at most.
    pub buffer_bytes: usize,
    /// Age at which packets are handed to the disk, however few they are.
    pub flush_ns: u64,
    /// Packets after which reception is stopped.
    pub max_packets: Option<u64>,
    /// Whether an index is written beside each file.
    pub index: bool,
}
