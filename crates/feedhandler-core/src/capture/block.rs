//! Where one pcapng block ends and the next begins (draft-ietf-opsawg-pcapng, section 3.1).

use std::ops::Range;

use super::block_kind::BlockKind;
use super::error::CaptureError;
use super::kind::{SECTION_HEADER, section_order};
use super::order::{size_at, u32_at};
use super::source::Source;
use super::stats::CaptureStats;
use crate::padded::SLACK_BYTES;
use crate::spec::ByteOrder;

/// Type and length before the body.
const HEAD_BYTES: usize = 8;
/// The length again, after the body.
const TAIL_BYTES: usize = 4;

/// Largest block whose body is looked at; libpcap draws the same line. Larger ones are passed over unseen where
/// nothing in them is needed.
const BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A block that is wholly readable ahead of the source's position, or (larger than is looked at) was passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub kind: BlockKind,
    /// Bytes to consume before the next block.
    pub size: usize,
}

impl Block {
    /// Where its body lies, from the source's position.
    #[inline]
    pub(super) fn body(&self) -> Range<usize> {
        HEAD_BYTES..self.size.saturating_sub(TAIL_BYTES)
    }
}

/// A block that is being passed over: what is left of it, should that be broken off.
pub(super) struct Passing {
    block: Block,
    start_bytes: u64,
    left: u64,
}

/// Start of a packet block's body, from the source's position.
pub(super) const BODY_START: usize = HEAD_BYTES;

/// The next block, in the byte order of its section, which a section header changes; `None` at the end, with the reason
/// in `stats` where it is not a clean one.
#[inline]
pub(super) fn next(
    source: &mut Source,
    order: &mut ByteOrder,
    passing: &mut Option<Passing>,
    stats: &mut CaptureStats,
) -> Result<Option<Block>, CaptureError> {
    if passing.is_some() {
        return pass_over(source, passing, stats);
    }
    let Some((block, length)) = head(source.fill(HEAD_BYTES + TAIL_BYTES)?, order) else {
        stats.truncated = no_head(source);
        return Ok(None);
    };
    if block.size > BLOCK_BYTES_MAX {
        return begin_passing(source, block, passing, stats);
    }
    let bytes = source.fill(block.size + SLACK_BYTES)?;
    if u32_at(bytes, block.body().end, *order) == Some(length) && length >= 12 {
        Ok(Some(block))
    } else {
        stats.truncated = Some(no_tail(source, block, length, *order));
        Ok(None)
    }
}

#[inline]
fn head(bytes: &[u8], order: &mut ByteOrder) -> Option<(Block, u32)> {
    let head: &[u8; HEAD_BYTES + TAIL_BYTES] = bytes.first_chunk()?;
    let block_type = u32_at(head, 0, *order)?;
    if block_type == SECTION_HEADER {
        *order = section_order(head)?;
    }
    let length = u32_at(head, 4, *order)?;
    // Some writers leave the padding out of the length, though not out of the file.
    let size = size_at(head, 4, *order)?.checked_next_multiple_of(4)?;
    Some((Block { kind: BlockKind::of(block_type), size }, length))
}

/// Passes over a block too large to be looked at; none, with the reason in `stats`, where it cannot be done without.
#[cold]
fn begin_passing(
    source: &mut Source,
    block: Block,
    passing: &mut Option<Passing>,
    stats: &mut CaptureStats,
) -> Result<Option<Block>, CaptureError> {
    if block.kind.is_needed() {
        let expected = format!("a block ({}) of at most {BLOCK_BYTES_MAX} bytes", block.kind.code());
        stats.truncated = Some(source.misfit(&expected, &format!("one of {} bytes", block.size)));
        return Ok(None);
    }
    *passing = Some(Passing { block, start_bytes: source.offset_bytes(), left: block.size as u64 });
    pass_over(source, passing, stats)
}

/// Goes on to pass over a block.
#[cold]
fn pass_over(
    source: &mut Source,
    passing: &mut Option<Passing>,
    stats: &mut CaptureStats,
) -> Result<Option<Block>, CaptureError> {
    if let Some(passing) = passing {
        source.skip(&mut passing.left)?;
    }
    let Some(Passing { block, start_bytes, left }) = passing.take() else { return Ok(None) };
    if left > 0 {
        let expected = format!("the rest of a block of {} bytes that begins at byte {start_bytes}", block.size);
        stats.truncated = Some(source.shortfall(&expected));
        return Ok(None);
    }
    Ok(Some(Block { size: 0, ..block }))
}

#[cold]
fn no_head(source: &Source) -> Option<String> {
    match source.unread().get(..HEAD_BYTES + TAIL_BYTES) {
        None => source.ending("a block header"),
        Some(head) => {
            let found = format!("{:02x?}", head.get(HEAD_BYTES..).unwrap_or_default());
            Some(source.misfit("the byte-order magic 1a2b3c4d in a section header block", &found))
        }
    }
}

#[cold]
fn no_tail(source: &Source, block: Block, length: u32, order: ByteOrder) -> String {
    let code = block.kind.code();
    if length < 12 {
        return source.misfit(&format!("a block ({code}) of at least 12 bytes"), &format!("the length {length}"));
    }
    match u32_at(source.unread(), block.body().end, order) {
        None => source.shortfall(&format!("a block ({code}) of {} bytes", block.size)),
        Some(tail) => source.misfit(&format!("a block ({code}) that ends with its length {length}"), &tail.to_string()),
    }
}
