//! What kind of file one is, by its first bytes after decompression.

use std::path::Path;

use serde::Serialize;

use super::error::CaptureError;
use super::order::u32_at;
use super::source::Source;
use crate::spec::ByteOrder;

/// Kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A capture in the classic format.
    Pcap,
    /// A capture in the block format.
    Pcapng,
    /// Something else, such as a file of bare messages.
    Other,
}

/// Block type of a section header, which is the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

impl FileKind {
    /// As much of a file's beginning as is looked at.
    pub(super) const HEAD_BYTES: usize = 12;

    pub(super) fn of(head: &[u8]) -> Self {
        if pcap_magic(head).is_some() {
            Self::Pcap
        } else if u32_at(head, 0, ByteOrder::Big) == Some(SECTION_HEADER) && section_order(head).is_some() {
            Self::Pcapng
        } else {
            Self::Other
        }
    }
}

/// Byte order of a pcap file, and the nanoseconds in one unit of its fractions of a second.
pub(super) fn pcap_magic(head: &[u8]) -> Option<(ByteOrder, u64)> {
    [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| match u32_at(head, 0, order)? {
        MAGIC_MICROSECONDS => Some((order, 1_000)),
        MAGIC_NANOSECONDS => Some((order, 1)),
        _ => None,
    })
}

/// Byte order of a pcapng section, from its section header block.
pub(super) fn section_order(block: &[u8]) -> Option<ByteOrder> {
    [ByteOrder::Little, ByteOrder::Big].into_iter().find(|order| u32_at(block, 8, *order) == Some(BYTE_ORDER_MAGIC))
}

/// What kind of file `path` is, looking through compression.
///
/// What a pipe gives for looking is gone from it: open one as a [`Source`], and ask [`Source::kind`].
///
/// # Errors
/// [`CaptureError::Io`] where the file cannot be read.
pub fn recognise(path: &Path) -> Result<FileKind, CaptureError> {
    Source::open(path)?.kind()
}
