//! Where blocks go: into the file as they are, or as zstd frames with a seek table at the end.
//!
//! The format is that of zstd's `contrib/seekable_format`: independent frames, then a skippable frame that says how long
//! each of them is. A program that knows nothing of it reads a `.zst` file like any other.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// What a file's name says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Blocks as they are.
    None,
    /// zstd frames.
    Zstd,
}

/// Quick enough for one processor to keep up with a feed; higher levels gain a few per cent on market data.
const ZSTD_LEVEL: i32 = 1;
const SKIPPABLE_MAGIC: u32 = 0x184d_2a5e;
pub(super) const SEEKABLE_MAGIC: u32 = 0x8f92_eab1;

/// A file that is written piece by piece. What was written whole stays, whatever becomes of the piece behind it.
pub(super) struct Output {
    file: File,
    frames: Option<Frames>,
    /// Bytes of the file.
    written_bytes: u64,
    /// Bytes before compression.
    plain_bytes: u64,
    /// A piece was written in part and could not be taken back.
    is_spoilt: bool,
}

/// The compressor, and how long frames are: compressed, and before.
struct Frames {
    compressor: Compressor<'static>,
    compressed: Vec<u8>,
    lengths: Vec<(u32, u32)>,
}

impl Output {
    /// Makes a file that must not be there yet.
    pub(super) fn create(path: &Path, compression: Compression) -> io::Result<Self> {
        let frames = match compression {
            Compression::None => None,
            Compression::Zstd => Some(Frames::new()?),
        };
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self { file, frames, written_bytes: 0, plain_bytes: 0, is_spoilt: false })
    }

    /// Writes whole blocks: all of them, or on an error none, as far as the file can be cut off again.
    pub(super) fn write(&mut self, blocks: &[u8]) -> io::Result<()> {
        if self.is_spoilt {
            return Err(io::Error::other("a block that was written in part could not be taken back"));
        }
        let Some(frames) = &mut self.frames else { return self.put(blocks, blocks.len()) };
        let compressed = frames.compress(blocks)?;
        let length = (low_32(compressed.len()), low_32(blocks.len()));
        let outcome = self.put(&compressed, blocks.len());
        if let Some(frames) = &mut self.frames {
            frames.compressed = compressed;
            frames.lengths.extend(outcome.is_ok().then_some(length));
        }
        outcome
    }

    /// Writes the seek table, where there are frames. Nothing may follow.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let table = self.frames.as_ref().map(Frames::seek_table);
        table.map_or(Ok(()), |table| self.put(&table, 0))
    }

    fn put(&mut self, bytes: &[u8], plain_bytes: usize) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            self.take_back();
            return Err(error);
        }
        self.written_bytes += bytes.len() as u64;
        self.plain_bytes += plain_bytes as u64;
        Ok(())
    }

    /// Cuts off what was written of a piece.
    #[cold]
    fn take_back(&mut self) {
        let cut = self.file.set_len(self.written_bytes);
        let back = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.written_bytes)));
        self.is_spoilt = back.is_err();
    }

    pub(super) fn is_spoilt(&self) -> bool {
        self.is_spoilt
    }

    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    pub(super) fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }
}

impl Frames {
    fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(ZSTD_LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor, compressed: Vec::new(), lengths: Vec::new() })
    }

    /// A frame of `blocks`, in memory that is handed back afterwards.
    fn compress(&mut self, blocks: &[u8]) -> io::Result<Vec<u8>> {
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        compressed.reserve(zstd::zstd_safe::compress_bound(blocks.len()));
        self.compressor.compress_to_buffer(blocks, &mut compressed)?;
        Ok(compressed)
    }

    /// `Skippable_Magic_Number`, `Frame_Size`, `Seek_Table_Entries`, `Seek_Table_Footer`.
    fn seek_table(&self) -> Vec<u8> {
        const ENTRY_BYTES: usize = 8;
        const FOOTER_BYTES: usize = 9;
        /// Entries have no checksums: the frames have.
        const DESCRIPTOR: u8 = 0;
        let mut table = Vec::with_capacity(8 + ENTRY_BYTES * self.lengths.len() + FOOTER_BYTES);
        table.extend(SKIPPABLE_MAGIC.to_le_bytes());
        table.extend(low_32(ENTRY_BYTES * self.lengths.len() + FOOTER_BYTES).to_le_bytes());
        for (compressed, plain) in &self.lengths {
            table.extend(compressed.to_le_bytes());
            table.extend(plain.to_le_bytes());
        }
        table.extend(low_32(self.lengths.len()).to_le_bytes());
        table.push(DESCRIPTOR);
        table.extend(SEEKABLE_MAGIC.to_le_bytes());
        table
    }
}

#[expect(clippy::cast_possible_truncation, reason = "frames are a few hundred KiB, and fewer than 2^27")]
fn low_32(bytes: usize) -> u32 {
    bytes as u32
}
