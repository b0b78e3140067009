//! Integers in either byte order, read out of bytes that may be too few.

use crate::spec::ByteOrder;

#[inline]
pub(super) fn u16_at(bytes: &[u8], at: usize, order: ByteOrder) -> Option<u16> {
    let field = *bytes.get(at..)?.first_chunk()?;
    Some(match order {
        ByteOrder::Big => u16::from_be_bytes(field),
        ByteOrder::Little => u16::from_le_bytes(field),
    })
}

#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize, order: ByteOrder) -> Option<u32> {
    let field = *bytes.get(at..)?.first_chunk()?;
    Some(match order {
        ByteOrder::Big => u32::from_be_bytes(field),
        ByteOrder::Little => u32::from_le_bytes(field),
    })
}

#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize, order: ByteOrder) -> Option<u64> {
    let field = *bytes.get(at..)?.first_chunk()?;
    Some(match order {
        ByteOrder::Big => u64::from_be_bytes(field),
        ByteOrder::Little => u64::from_le_bytes(field),
    })
}

/// A length or an index as it stands in a file. Nothing is lost: `usize` has at least 32 bits wherever this runs.
#[inline]
pub(super) fn size_at(bytes: &[u8], at: usize, order: ByteOrder) -> Option<usize> {
    usize::try_from(u32_at(bytes, at, order)?).ok()
}
