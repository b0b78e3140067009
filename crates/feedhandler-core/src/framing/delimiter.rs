//! How one message of a payload ends and the next begins.

use crate::decode::TypeLength;
use crate::field::IntField;
use crate::malformed::Reason;
use crate::padded::SLACK_BYTES;
use crate::plan::PlanError;
use crate::spec::{DelimiterSpec, FileSpec, IntSpec};

/// A delimiter, compiled.
#[derive(Clone, Copy, Debug)]
pub enum Delimiter {
    /// The payload is one message.
    Whole,
    /// A length stands in each message block.
    Length(Length),
    /// msgpack objects, one behind the other: each tells its own end.
    Msgpack,
    /// One msgpack array of objects; framing has stepped into it.
    MsgpackArray,
    /// Messages of SBE, one behind the other: each tells its own end.
    Sbe,
}

/// A length in each message block.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    field: IntField,
    excludes: usize,
    data_offset: usize,
    /// Bytes of a block without a message.
    least_bytes: usize,
    is_zero_by_type: bool,
}

/// Where a message stands, and where the next block begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First byte of the message.
    pub start: usize,
    /// First byte behind the message.
    pub end: usize,
    /// First byte of the next block.
    pub next: usize,
}

impl Delimiter {
    /// Compiles a packet's delimiter.
    ///
    /// # Errors
    /// [`PlanError`] where a length does not stand in front of the message's data.
    pub fn new(spec: &DelimiterSpec) -> Result<Self, PlanError> {
        match *spec {
            DelimiterSpec::Whole {} => Ok(Self::Whole),
            DelimiterSpec::Msgpack {} => Ok(Self::Msgpack),
            DelimiterSpec::MsgpackArray {} => Ok(Self::MsgpackArray),
            DelimiterSpec::Sbe {} => Ok(Self::Sbe),
            DelimiterSpec::Length { field, excludes, data_offset } => {
                Length::new(field, excludes, data_offset, false).map(Self::Length)
            }
        }
    }

    /// Compiles the delimiter of a file of bare messages.
    ///
    /// # Errors
    /// As [`Delimiter::new`].
    pub fn of_file(spec: &FileSpec) -> Result<Self, PlanError> {
        Length::new(spec.field, spec.excludes, spec.data_offset, spec.zero_length_by_type).map(Self::Length)
    }

    /// The block at `at`, in a payload that is the first `end` bytes of `slot`.
    ///
    /// # Errors
    /// [`Reason::CountTooLarge`] where the payload is over, [`Reason::BlockLength`] where the block runs beyond it.
    #[inline(always)]
    pub fn next(&self, slot: &[u8], at: usize, end: usize, plan: &impl TypeLength) -> Result<Block, Reason> {
        match self {
            Self::Length(length) => length.next(slot, at, end, plan),
            Self::Sbe if at < end => next_by_type(slot, at, end, plan),
            Self::Whole | Self::Msgpack | Self::MsgpackArray if at < end => Ok(Block { start: at, end, next: end }),
            Self::Whole | Self::Msgpack | Self::MsgpackArray | Self::Sbe => Err(Reason::CountTooLarge),
        }
    }
}

/// A length of two bytes: what most venues have, in fewer steps, since each block waits for the one before it.
#[derive(Clone, Copy, Debug)]
pub struct ShortLength {
    length: Length,
    /// Where in the block it stands.
    offset: usize,
}

impl Delimiter {
    /// The same as [`Delimiter::next`], where a length has two bytes and is never "as long as the type says".
    #[must_use]
    pub fn short_length(&self) -> Option<ShortLength> {
        match *self {
            Self::Length(length)
                if length.field.bits() == u16::BITS && length.field.end() <= SLACK_BYTES && !length.is_zero_by_type =>
            {
                Some(ShortLength { offset: length.field.end() - size_of::<u16>(), length })
            }
            _ => None,
        }
    }
}

impl ShortLength {
    /// Whether the most significant byte comes first: what `BIG` of [`ShortLength::next`] has to be.
    #[must_use]
    pub fn is_big(&self) -> bool {
        self.length.field.is_big()
    }

    /// The block at `at`, in a payload that is the first `end` bytes of `slot`.
    ///
    /// # Errors
    /// As [`Delimiter::next`].
    ///
    /// # Safety
    /// `at` must be at most `end`, behind which there are [`SLACK_BYTES`] in `slot`.
    #[inline(always)]
    pub unsafe fn next<const BIG: bool>(&self, slot: &[u8], at: usize, end: usize) -> Result<Block, Reason> {
        let Length { least_bytes, excludes, data_offset, .. } = self.length;
        // SAFETY: the length ends within the slack.
        let bytes = unsafe { slot.as_ptr().add(at + self.offset).cast::<[u8; 2]>().read() };
        let length = if BIG { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        let bytes = usize::from(length) + excludes;
        if bytes < least_bytes || bytes > end - at {
            return Err(if at == end { Reason::CountTooLarge } else { Reason::BlockLength });
        }
        let next = at + bytes;
        Ok(Block { start: at + data_offset, end: next, next })
    }
}

impl Length {
    fn new(field: IntSpec, excludes: usize, data_offset: usize, is_zero_by_type: bool) -> Result<Self, PlanError> {
        if !(1..=8).contains(&field.width) {
            return Err(PlanError::new("delimiter.length", format!("a width of 1 to 8, found {}", field.width)));
        }
        let field = IntField::new(field);
        Ok(Self { least_bytes: data_offset.max(field.end()), field, excludes, data_offset, is_zero_by_type })
    }

    #[inline(always)]
    fn next(&self, slot: &[u8], at: usize, end: usize, plan: &impl TypeLength) -> Result<Block, Reason> {
        let left = end.saturating_sub(at);
        if left < self.least_bytes {
            return Err(if left == 0 { Reason::CountTooLarge } else { Reason::BlockLength });
        }
        let length = self.field.load(slot, at).ok_or(Reason::BlockLength)?;
        let start = at + self.data_offset;
        if length == 0 && self.is_zero_by_type {
            return next_by_type(slot, start, end, plan);
        }
        self.block(at, length, left)
    }

    /// The block at `at` whose length field says `length`, where so many bytes are left.
    #[inline(always)]
    fn block(&self, at: usize, length: u64, left: usize) -> Result<Block, Reason> {
        // A length may be as large as 2^64 - 1.
        let bytes = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(self.excludes);
        if bytes < self.least_bytes || bytes > left {
            return Err(Reason::BlockLength);
        }
        let next = at + bytes;
        Ok(Block { start: at + self.data_offset, end: next, next })
    }

    /// The block at `at`, where none is as long as its type says.
    ///
    /// # Errors
    /// As [`Delimiter::next`].
    pub(crate) fn next_told(&self, slot: &[u8], at: usize, end: usize) -> Result<Block, Reason> {
        let left = end.saturating_sub(at);
        if left < self.least_bytes {
            return Err(if left == 0 { Reason::CountTooLarge } else { Reason::BlockLength });
        }
        let length = self.field.load(slot, at).ok_or(Reason::BlockLength)?;
        self.block(at, length, left)
    }

    /// Whether a length of 0 means "as long as the type says".
    pub(crate) fn is_zero_by_type(&self) -> bool {
        self.is_zero_by_type
    }
}

/// The block whose message begins at `start` and is as long as its type says.
#[cold]
fn next_by_type(slot: &[u8], start: usize, end: usize, plan: &impl TypeLength) -> Result<Block, Reason> {
    let data = slot.get(start..end).ok_or(Reason::BlockLength)?;
    let next = start + plan.length_by_type(data).ok_or(Reason::BlockLength)?;
    if next > end { Err(Reason::BlockLength) } else { Ok(Block { start, end: next, next }) }
}
