//! Whether a capture was closed: what its last bytes say, without reading the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::super::options::options;
use super::super::order::u32_at;
use super::blocks::{INTERFACE_STATISTICS, OPT_COMMENT};
use super::output::SEEKABLE_MAGIC;
use crate::spec::ByteOrder::Little;

/// Type, length, interface and time in front of the options, the length again behind them.
const OPTIONS_START: usize = 20;
const LENGTH_BYTES: usize = 4;

/// Longest block that can be the last one: a few numbers, and a comment.
const BLOCK_BYTES_MAX: u64 = 1 << 17;

/// Whether a capture that this program wrote ends with its trailer.
///
/// # Errors
/// The file cannot be read.
pub fn is_closed(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut end = Vec::new();
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(BLOCK_BYTES_MAX)))?;
    file.read_to_end(&mut end)?;
    Ok(ends_with_seek_table(&end) || ends_with_trailer(&end))
}

fn last_word(end: &[u8]) -> Option<u32> {
    u32_at(end, end.len().checked_sub(LENGTH_BYTES)?, Little)
}

fn ends_with_seek_table(end: &[u8]) -> bool {
    last_word(end) == Some(SEEKABLE_MAGIC)
}

fn ends_with_trailer(end: &[u8]) -> bool {
    let block = last_word(end).and_then(|length| end.get(end.len().checked_sub(length as usize)?..));
    let block = block.filter(|block| u32_at(block, 0, Little) == Some(INTERFACE_STATISTICS));
    let fields = block.and_then(|block| block.get(OPTIONS_START..block.len() - LENGTH_BYTES));
    fields.is_some_and(|fields| options(fields, Little).any(|(code, _)| code == OPT_COMMENT))
}
