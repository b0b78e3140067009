//! What became of the datagrams that were to be captured.

use std::path::PathBuf;

use serde::Serialize;

use super::summary::Summary;

/// What became of the datagrams that were to be captured.
///
/// `datagrams = captured + other_source + after_limit + queue_full + disk + pending`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CaptureReport {
    /// Datagrams that the feed has taken in.
    pub datagrams: u64,
    /// Those in the files.
    pub captured: u64,
    /// Those from none of their line's sources, which are left out.
    pub other_source: u64,
    /// Those that came after as many as were asked for.
    pub after_limit: u64,
    /// Those that came while too much waited for the disk.
    pub queue_full: u64,
    /// Those that the disk refused.
    pub disk: u64,
    /// Those that are on their way to the disk.
    pub pending: u64,
    /// What may wait for the disk.
    pub buffer_bytes: u64,
    /// What waited for it at most.
    pub buffer_high_water_bytes: u64,
    /// Why the disk refused, the last time.
    pub disk_error: Option<String>,
    /// Why an index was given up.
    pub index_error: Option<String>,
    /// The file that was there before, where there was one.
    pub previous: Option<PreviousFile>,
    /// The files, the last so many of them.
    pub files: Vec<FileReport>,
    /// Files before those.
    pub files_omitted: u64,
}

/// A file that was there before, which is left as it is.
#[derive(Clone, Debug, Serialize)]
pub struct PreviousFile {
    /// The file.
    pub path: PathBuf,
    /// Whether it ends with its trailer.
    pub is_closed: bool,
}

/// A file of the capture.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Packets in it.
    pub packets: u64,
    /// Its length.
    pub bytes: u64,
    /// Whether it ends with its trailer.
    pub is_closed: bool,
    /// What is in it, once it is closed.
    pub content: Option<Summary>,
}

/// Files that are told of.
pub(super) const MOST_FILES: usize = 1024;

/// What the thread that writes has to tell.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub captured: u64,
    pub disk: u64,
    pub disk_error: Option<String>,
    pub index_error: Option<String>,
    pub files: Vec<FileReport>,
    pub files_omitted: u64,
}

impl Written {
    /// Another file has been begun.
    pub(super) fn begin(&mut self, path: PathBuf, bytes: u64) {
        if self.files.len() == MOST_FILES {
            self.files.remove(0);
            self.files_omitted += 1;
        }
        self.files.push(FileReport { path, packets: 0, bytes, is_closed: false, content: None });
    }
}
