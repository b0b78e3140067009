//! Choices, made by the fuzzer's bytes.

/// Bytes that are used up one choice after the other; zeros when they are used up.
#[derive(Clone, Copy, Debug)]
pub struct Chance<'a>(&'a [u8]);

impl<'a> Chance<'a> {
    /// Choices by `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all bytes are used up.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// At most `count` bytes, as they are.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(count.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// A number that may be any, and is often one near to where something ends.
    pub fn number(&mut self) -> u64 {
        let (kind, low) = (self.byte(), u64::from(self.byte()));
        match kind % 8 {
            0 => u64::from(u16::MAX) - low,
            1 => u64::from(u32::MAX) - low,
            2 => u64::MAX - low,
            3 => (1 << 63) + low,
            4 => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
            _ => low,
        }
    }

    /// An index below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        let wide = usize::from(self.byte()) | if count > 256 { usize::from(self.byte()) << 8 } else { 0 };
        wide % count.max(1)
    }
}
