//! A file as it lies on disk, before any decompression: mapped where the operating system can, read where it cannot.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Chain, Cursor, ErrorKind, Read};
use std::ops::{Deref, Range};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use memmap2::{Advice, Mmap, UncheckedAdvice};

use crate::break_off::{self, ASK_EVERY};
use crate::wait::{poll, readable};

/// A whole file within reach of a pointer.
pub(super) enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Bytes {
    /// Tells the system that `range` is hardly wanted again, so that a file that was read does not stay this process's
    /// memory. It can still be read.
    #[cold]
    pub(super) fn let_go(&self, range: Range<usize>) {
        if let Self::Mapped(map) = self {
            // SAFETY: the mapping is of a file and is only read: what is let go of is read from the file again.
            let advised = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
            // Advice that is not taken costs memory, and nothing else.
            drop(advised);
        }
    }
}

/// Something that is read as it comes, and for which nobody waits who has a reason not to.
pub(super) struct Pipe(File);

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            poll(&mut [readable(self.0.as_fd())], ASK_EVERY); // system call
            match self.0.read(into) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                read => return read,
            }
            break_off::ask()?;
        }
    }
}

/// A source of bytes that says how far it was read.
pub(super) enum Raw {
    Whole(Cursor<Bytes>),
    /// A pipe, or a file system without mapping.
    Pipe {
        reader: BufReader<Chain<Cursor<Vec<u8>>, Pipe>>,
        taken_bytes: u64,
    },
}

/// Enough of a file's beginning to tell gzip and zstd from the rest.
const PEEK_BYTES: u64 = 4;

impl Raw {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Non-blocking: a pipe that nobody writes to yet would keep us here, where nobody can be asked.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if file.metadata()?.is_file()
            && let Some(map) = map(&file)
        {
            return Ok(Self::whole(Bytes::Mapped(map)));
        }
        let (mut pipe, mut head) = (Pipe(file), Vec::new());
        pipe.by_ref().take(PEEK_BYTES).read_to_end(&mut head)?;
        Ok(Self::Pipe { reader: BufReader::new(Cursor::new(head).chain(pipe)), taken_bytes: 0 })
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Cursor::new(bytes))
    }

    /// The first bytes, or fewer where the file ends; nothing is taken.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        self.fill_buf()
    }

    pub(super) fn position_bytes(&self) -> u64 {
        match self {
            Self::Whole(cursor) => cursor.position(),
            Self::Pipe { taken_bytes, .. } => *taken_bytes,
        }
    }

    /// Length of the file; 0 for a pipe, whose length nobody knows.
    pub(super) fn total_bytes(&self) -> u64 {
        match self {
            Self::Whole(cursor) => cursor.get_ref().len() as u64,
            Self::Pipe { .. } => 0,
        }
    }
}

fn map(file: &File) -> Option<Mmap> {
    // SAFETY: the mapping is only read; a program that writes to the file meanwhile can change what is decoded, and
    // one that shortens it ends this process with SIGBUS, which `Capture::open` documents.
    let map = unsafe { Mmap::map(file) }.ok()?;
    // Advice that is refused costs read-ahead, nothing else.
    let _ = map.advise(Advice::Sequential);
    Some(map)
}

impl Read for Raw {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let count = available.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Raw {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Whole(cursor) => cursor.fill_buf(),
            Self::Pipe { reader, .. } => reader.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Whole(cursor) => cursor.consume(count),
            Self::Pipe { reader, taken_bytes } => {
                reader.consume(count);
                *taken_bytes += count as u64;
            }
        }
    }
}
