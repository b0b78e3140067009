//! Where the bytes of a file come from: a map of it, or a window over what it decompresses to.

use std::io;
use std::path::{Path, PathBuf};

use super::error::CaptureError;
use super::kind::FileKind;
use super::raw::{Bytes, Raw};
use super::stream::{Compression, Stream};
use crate::break_off;

/// The decompressed bytes of one file, from its beginning to its end.
///
/// gzip (of any number of members) and zstd (of any number of frames) are known by their first bytes, never by the
/// file's name.
pub struct Source {
    path: PathBuf,
    window: Window,
    offset_bytes: u64,
}

enum Window {
    Whole { bytes: Bytes, at: usize },
    Stream(Stream),
}

/// The most that [`Source::fill`] makes readable of a compressed file, whatever a length in it says.
pub const FILL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of a mapped file that are let go of together, once they have been read.
const LET_GO_BYTES: usize = 32 << 20;

impl Source {
    /// Opens a file: mapped where it is plain, through a window where it is compressed or a pipe.
    ///
    /// A program that shortens a mapped file ends this process with `SIGBUS`.
    ///
    /// # Errors
    /// [`CaptureError::Io`] where the operating system refuses.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        Raw::open(path).and_then(|raw| Self::new(path, raw)).map_err(|error| CaptureError::io(path, error))
    }

    /// The bytes of a file that is in memory.
    ///
    /// # Errors
    /// [`CaptureError::Io`] where no decompressor can be had.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, CaptureError> {
        let path = Path::new("bytes in memory");
        Self::new(path, Raw::whole(Bytes::Owned(bytes))).map_err(|error| CaptureError::io(path, error))
    }

    fn new(path: &Path, mut raw: Raw) -> io::Result<Self> {
        let compression = Compression::of(raw.peek()?);
        let window = match raw {
            Raw::Whole(cursor) if compression == Compression::None => {
                Window::Whole { bytes: cursor.into_inner(), at: 0 }
            }
            raw => Window::Stream(Stream::new(raw, compression)?),
        };
        Ok(Self { path: path.to_path_buf(), window, offset_bytes: 0 })
    }

    /// Everything readable from here on: at least `want` bytes, or fewer at the end of the file (or where `want`
    /// exceeds [`FILL_BYTES_MAX`]).
    ///
    /// # Errors
    /// [`CaptureError::Io`] where an uncompressed pipe cannot be read. Damaged compressed data is no error: it ends the
    /// bytes, and [`Source::failure`] says why.
    #[inline]
    pub fn fill(&mut self, want: usize) -> Result<&[u8], CaptureError> {
        if let Window::Stream(stream) = &mut self.window {
            stream.fill(want.min(FILL_BYTES_MAX)).map_err(|error| CaptureError::io(&self.path, error))?;
        }
        Ok(self.unread())
    }

    /// What the last [`Source::fill`] made readable and nobody has consumed.
    #[inline]
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        match &self.window {
            Window::Whole { bytes, at } => bytes.get(*at..).unwrap_or_default(),
            Window::Stream(stream) => stream.unread(),
        }
    }

    /// Moves past `count` readable bytes.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.unread().len());
        self.offset_bytes += count as u64;
        match &mut self.window {
            Window::Whole { bytes, at } => {
                let (before, now) = (*at / LET_GO_BYTES, (*at + count) / LET_GO_BYTES);
                *at += count;
                if before != now {
                    bytes.let_go(before * LET_GO_BYTES..now * LET_GO_BYTES);
                }
            }
            Window::Stream(stream) => stream.consume(count),
        }
    }

    /// Moves past `left` bytes, readable yet or not, and takes them off; some are left only at the end of the file, or of
    /// what was broken off.
    ///
    /// # Errors
    /// As [`Source::fill`].
    pub fn skip(&mut self, left: &mut u64) -> Result<(), CaptureError> {
        while *left > 0 {
            let step = self.fill(1)?.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            if step == 0 {
                break;
            }
            self.consume(step);
            *left -= step as u64;
        }
        Ok(())
    }

    /// To be called now and then by what may take long, see [`break_off`].
    pub(crate) fn may_go_on(&self) -> Result<(), CaptureError> {
        break_off::ask().map_err(|error| CaptureError::io(&self.path, error))
    }

    /// Why the compressed data ended before its time, once it has.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.window {
            Window::Whole { .. } => None,
            Window::Stream(stream) => stream.failure(),
        }
    }

    /// Bytes consumed so far, as they are after decompression.
    #[must_use]
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }

    /// How far the file on disk has been read: of a compressed file, the position in the compressed bytes.
    #[must_use]
    pub fn position_bytes(&self) -> u64 {
        match &self.window {
            Window::Whole { at, .. } => *at as u64,
            Window::Stream(stream) => stream.raw().position_bytes(),
        }
    }

    /// Length of the file on disk; 0 where nobody knows it (a pipe).
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        match &self.window {
            Window::Whole { bytes, .. } => bytes.len() as u64,
            Window::Stream(stream) => stream.raw().total_bytes(),
        }
    }

    /// The file, as it was named when opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kind of file this is, if nothing has been consumed of it.
    ///
    /// # Errors
    /// As [`Source::fill`].
    pub fn kind(&mut self) -> Result<FileKind, CaptureError> {
        Ok(FileKind::of(self.fill(FileKind::HEAD_BYTES)?))
    }

    /// What stands where `expected` should: text for a report.
    pub(super) fn misfit(&self, expected: &str, found: &str) -> String {
        let decompressed = match &self.window {
            Window::Whole { .. } => "",
            Window::Stream(_) => " of the decompressed data",
        };
        let cause = self.failure().map(|failure| format!(": {failure}")).unwrap_or_default();
        format!("at byte {}{decompressed}: expected {expected}, found {found}{cause}", self.offset_bytes)
    }

    /// [`Source::misfit`] where the file ended too early.
    pub(super) fn shortfall(&self, expected: &str) -> String {
        self.misfit(expected, &format!("{} bytes and the end of the file", self.unread().len()))
    }

    /// [`Source::shortfall`], or nothing where the file ends as it should: here, and whole.
    pub(super) fn ending(&self, expected: &str) -> Option<String> {
        let is_clean = self.unread().is_empty() && self.failure().is_none();
        (!is_clean).then(|| self.shortfall(expected))
    }
}
