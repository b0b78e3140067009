//! The index beside a capture: by time and by sequence number, where in the file to begin to read.
//!
//! JSON, one object a line: the first says what it is of, each other one describes a run of packets, in the order of the
//! file (docs/captures.md).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What the first line is.
#[derive(Serialize)]
struct Head<'a> {
    format: &'static str,
    version: u32,
    capture: &'a str,
}

/// A run of packets: of a compressed file, a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexEntry {
    /// Where its first block begins in the capture, in bytes as they are before compression.
    pub offset: u64,
    /// Where it begins in the file; the same where nothing is compressed.
    pub file_offset: u64,
    /// Packets in front of it.
    pub packet: u64,
    /// Packets in it.
    pub packets: u64,
    /// Earliest receive time, Unix ns.
    pub first_ts_ns: u64,
    /// Latest receive time, Unix ns.
    pub last_ts_ns: u64,
    /// The number that was expected next in front of it, of each channel where that differs from the entry before.
    pub expected: BTreeMap<String, u64>,
}

/// An index that is being written.
pub struct IndexFile(File);

impl IndexFile {
    /// Makes the index of a capture. One that is left of an earlier capture of that name is overwritten.
    ///
    /// # Errors
    /// The system refuses.
    pub fn create(capture: &Path) -> io::Result<Self> {
        let name = capture.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut index = Self(File::create(index_path(capture))?);
        index.write(&Head { format: "feedhandler-index", version: 1, capture: name })?;
        Ok(index)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// The system refuses; the last line may be cut off.
    pub fn add(&mut self, entry: &IndexEntry) -> io::Result<()> {
        self.write(entry)
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.0.write_all(&text)
    }
}

/// Where the index of a capture is.
#[must_use]
pub fn index_path(capture: &Path) -> PathBuf {
    let mut name = capture.as_os_str().to_owned();
    name.push(".idx");
    name.into()
}
