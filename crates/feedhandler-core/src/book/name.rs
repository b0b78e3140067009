//! What an instrument is called: by a number or by text, in one form that can be looked up and copied into a column.

/// Longest text that names an instrument, in bytes.
pub const NAME_BYTES: usize = 32;

/// A number of 64 bits, or text with zeros behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Name([u64; NAME_BYTES / 8]);

impl Name {
    /// A number.
    #[inline]
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self([number, 0, 0, 0])
    }

    /// Text; none where it is longer than [`NAME_BYTES`].
    #[inline]
    #[must_use]
    pub fn text(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; NAME_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let (words, _) = bytes.as_chunks();
        let mut name = Self::default();
        name.0.iter_mut().zip(words).for_each(|(word, bytes)| *word = u64::from_ne_bytes(*bytes));
        Some(name)
    }

    /// As it stands in a column: a number in native byte order, or text with zeros behind it.
    #[must_use]
    pub fn bytes(&self) -> [u8; NAME_BYTES] {
        let mut bytes = [0; NAME_BYTES];
        let (words, _) = bytes.as_chunks_mut();
        words.iter_mut().zip(self.0).for_each(|(bytes, word)| *bytes = word.to_ne_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_columns_as_numpy_reads_them() {
        assert_eq!(Name::number(0x0102).bytes()[..8], 0x0102_u64.to_ne_bytes());
        assert_eq!(Name::text(b"AAPL").expect("short").bytes()[..6], *b"AAPL\0\0");
        assert_eq!(Name::text(&[b'A'; NAME_BYTES]).expect("just short enough").bytes(), [b'A'; NAME_BYTES]);
        assert_eq!(Name::text(&[b'A'; NAME_BYTES + 1]), None);
        assert_eq!(Name::text(b"AAPL"), Name::text(b"AAPL\0\0\0\0"));
    }
}
