//! Why a capture could not be read at all; damage inside one is reported by `CaptureStats::truncated` instead.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::break_off::BrokenOff;

/// A file that cannot be opened, read or recognised.
#[derive(Debug)]
pub enum CaptureError {
    /// The operating system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The operating system refuses to make the file.
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file is neither pcap nor pcapng.
    NotACapture {
        /// The file.
        path: PathBuf,
        /// What was found at its beginning.
        found: String,
    },
}

impl CaptureError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn not_writable(path: &Path, source: io::Error) -> Self {
        Self::NotWritable { path: path.to_path_buf(), source }
    }

    /// Whether reading was broken off and may go on, rather than having failed.
    #[must_use]
    pub fn broken_off(&self) -> Option<&BrokenOff> {
        match self {
            Self::Io { source, .. } => BrokenOff::of(source),
            Self::NotACapture { .. } | Self::NotWritable { .. } => None,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::NotWritable { path, .. } | Self::NotACapture { path, .. } => path,
        }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("cannot be read: {source}"),
            Self::NotWritable { source, .. } => format!("cannot be written: {source}"),
            Self::NotACapture { found, .. } => format!(
                "expected a pcap or pcapng capture (plain, gzip or zstd), found {found}; \
                 convert another kind of capture with `editcap -F pcapng`"
            ),
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path().display(), self.reason())
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NotWritable { source, .. } => Some(source),
            Self::NotACapture { .. } => None,
        }
    }
}
