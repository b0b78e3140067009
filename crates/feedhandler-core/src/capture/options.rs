//! The options behind a pcapng block's fixed fields (draft-ietf-opsawg-pcapng, section 3.5).

use super::order::u16_at;
use crate::spec::ByteOrder;

const OPT_ENDOFOPT: u16 = 0;

/// Code and value of each option, up to the end of options or the first that does not fit.
pub(super) fn options(mut bytes: &[u8], order: ByteOrder) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let code = u16_at(bytes, 0, order).filter(|code| *code != OPT_ENDOFOPT)?;
        let size = usize::from(u16_at(bytes, 2, order)?);
        let value = bytes.get(4..4 + size)?;
        bytes = bytes.get(4 + size.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}
