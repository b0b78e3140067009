//! Bytes that may be read past their end: what lets decode load eight or sixteen at once without a copy.

/// A datagram's payload and the memory behind it.
///
/// Invariant: `len <= slot.len()`. The bytes from `len` on are slack: readable memory without meaning.
#[derive(Clone, Copy, Debug)]
pub struct Padded<'a> {
    slot: &'a [u8],
    len: usize,
}

/// Slack that spares decode a copy.
pub const SLACK_BYTES: usize = 64;

impl<'a> Padded<'a> {
    /// The first `len` bytes of `slot`, or all of it where it is shorter.
    #[must_use]
    pub fn new(slot: &'a [u8], len: usize) -> Self {
        Self { slot, len: len.min(slot.len()) }
    }

    /// The payload.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        &self.slot[..self.len]
    }

    /// The payload and the slack behind it.
    #[must_use]
    pub fn slot(&self) -> &'a [u8] {
        self.slot
    }

    /// Length of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is slack enough to read past the end.
    #[must_use]
    pub fn has_slack(&self) -> bool {
        self.slot.len() >= self.len + SLACK_BYTES
    }
}

impl<'a> From<&'a [u8]> for Padded<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { slot: bytes, len: bytes.len() }
    }
}
