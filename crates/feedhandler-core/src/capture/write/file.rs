//! One capture file: a section with its interfaces, packets, statistics, and at its very end the trailer.

use std::io;
use std::path::{Path, PathBuf};

use super::blocks::{
    InterfaceDescription, InterfaceStatistics, PacketBlock, enhanced_packet, interface_description,
    interface_statistics, section_header,
};
use super::output::{Compression, Output};

/// A capture file that is being written.
pub struct CaptureFile {
    path: PathBuf,
    output: Output,
    /// Blocks that are not written yet.
    blocks: Vec<u8>,
}

impl CaptureFile {
    /// Makes a file, which must not be there yet, with a section header and a description of each interface.
    ///
    /// # Errors
    /// The file is there, or the system refuses to make it or to write to it; then it is gone again.
    pub fn create(
        path: &Path,
        compression: Compression,
        comment: &str,
        interfaces: &[InterfaceDescription],
    ) -> io::Result<Self> {
        let output = Output::create(path, compression)?;
        let mut file = Self { path: path.to_path_buf(), output, blocks: Vec::new() };
        section_header(&mut file.blocks, concat!("feedhandler ", env!("CARGO_PKG_VERSION")), comment);
        for interface in interfaces {
            interface_description(&mut file.blocks, interface);
        }
        match file.flush() {
            Ok(()) => Ok(file),
            Err(error) => {
                // The error that is told is the first one; an empty file that stays does no harm.
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Adds a packet, which is in the file once it is flushed.
    pub fn add(&mut self, packet: &PacketBlock<'_>) {
        enhanced_packet(&mut self.blocks, packet);
    }

    /// Bytes that were added and not flushed.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.blocks.len()
    }

    /// Writes all that was added, as one frame where the file is compressed.
    ///
    /// # Errors
    /// Nothing that was added since the last time is in the file; it can be tried again with other packets unless
    /// [`CaptureFile::is_spoilt`].
    pub fn flush(&mut self) -> io::Result<()> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        let outcome = self.output.write(&self.blocks);
        self.blocks.clear();
        outcome
    }

    /// Ends the file: statistics for each interface, the last of them with the trailer as its comment.
    ///
    /// # Errors
    /// The file has no trailer, or no seek table.
    pub fn close(mut self, statistics: &[InterfaceStatistics], trailer: &str) -> io::Result<u64> {
        self.flush()?;
        let last = statistics.len().saturating_sub(1);
        for (index, counted) in statistics.iter().enumerate() {
            let comment = if index == last { trailer } else { "" };
            interface_statistics(&mut self.blocks, index.try_into().unwrap_or(u32::MAX), counted, comment);
        }
        self.flush()?;
        self.output.finish()?;
        Ok(self.output.written_bytes())
    }

    /// Whether a block was written in part and could not be taken back: then nothing more is written.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        self.output.is_spoilt()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.output.written_bytes()
    }

    /// Bytes of the capture, before compression.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.output.plain_bytes()
    }
}
