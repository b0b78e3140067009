//! Where the messages of a packet stand in its slot.

/// The bytes of one message: half open, counted from the beginning of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte behind it.
    pub end: u32,
}

impl Span {
    /// The span of `start..end`; a packet that would not fit is refused before anything is decoded.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "no packet is that long: `Decoder::packet` has looked")]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// First byte.
    #[inline(always)]
    #[must_use]
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// First byte behind it.
    #[inline(always)]
    #[must_use]
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// Length in bytes.
    #[inline(always)]
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The message.
    ///
    /// # Panics
    /// When it is not within `slot`.
    #[inline(always)]
    #[must_use]
    pub fn of(self, slot: &[u8]) -> &[u8] {
        &slot[self.start as usize..self.end as usize]
    }
}
