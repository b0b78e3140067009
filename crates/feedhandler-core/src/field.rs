//! Loading an unsigned integer of 1 to 8 bytes from a fixed place: one load of eight bytes and one shift.

use std::ops::Range;

use crate::spec::{ByteOrder, IntSpec};

/// An [`IntSpec`], compiled.
#[derive(Clone, Copy, Debug)]
pub struct IntField {
    offset: usize,
    width: usize,
    /// Bits of the eight loaded bytes that are not the field's.
    shift: u32,
    big: bool,
}

const WORD_BYTES: usize = 8;

impl IntField {
    /// Compiles a field; the width must be 1 to 8 (the plan has checked it).
    #[must_use]
    pub fn new(spec: IntSpec) -> Self {
        let unused = u32::try_from(WORD_BYTES.saturating_sub(spec.width)).unwrap_or(0);
        Self { offset: spec.offset, width: spec.width, shift: unused * 8, big: spec.byte_order == ByteOrder::Big }
    }

    /// First byte behind the field.
    #[must_use]
    pub fn end(&self) -> usize {
        self.offset + self.width
    }

    /// The bytes it stands in.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.end()
    }

    /// Bits in the field.
    #[must_use]
    pub fn bits(&self) -> u32 {
        u64::BITS - self.shift
    }

    /// Whether the most significant byte comes first.
    #[must_use]
    pub fn is_big(&self) -> bool {
        self.big
    }

    /// The field's value in what begins at `start` of `bytes`; `None` where `bytes` ends before the field does.
    ///
    /// Bytes behind the field are looked at where they exist and do not change the value.
    #[inline(always)]
    #[must_use]
    pub fn load(&self, bytes: &[u8], start: usize) -> Option<u64> {
        let at = start + self.offset;
        match bytes.get(at..at + WORD_BYTES) {
            Some(word) => Some(self.extract(word.try_into().ok()?)),
            None => self.load_at_end(bytes, at),
        }
    }

    #[inline(always)]
    fn extract(&self, word: [u8; WORD_BYTES]) -> u64 {
        if self.big {
            u64::from_be_bytes(word) >> self.shift
        } else {
            (u64::from_le_bytes(word) << self.shift) >> self.shift
        }
    }

    #[cold]
    fn load_at_end(&self, bytes: &[u8], at: usize) -> Option<u64> {
        let mut word = [0; WORD_BYTES];
        word[..self.width].copy_from_slice(bytes.get(at..at + self.width)?);
        Some(self.extract(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn loads_what_the_bytes_say(bytes in prop::collection::vec(any::<u8>(), 0..24), offset in 0_usize..16,
                                    width in 1_usize..=8, big in any::<bool>()) {
            let byte_order = if big { ByteOrder::Big } else { ByteOrder::Little };
            let field = IntField::new(IntSpec { offset, width, byte_order });
            let expected = bytes.get(offset..offset + width).map(|field| {
                let mut digits = field.to_vec();
                if !big { digits.reverse(); }
                digits.iter().fold(0_u64, |value, digit| (value << 8) | u64::from(*digit))
            });
            prop_assert_eq!(field.load(&bytes, 0), expected);
        }
    }
}
